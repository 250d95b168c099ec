"""Reads one image from a path, URL, bytes, file object, PIL image or array."""

from __future__ import annotations

import io
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from centernet.errors import ConfigError, SourceError
from centernet.files.formatting import missing_file
from centernet.files.web import fetch_image, is_url
from centernet.images.rgb import rgb_from_array, rgb_from_pil

MAX_PIXELS = 178_956_970  # where Pillow itself refuses an image by default

_ACCEPTED = "a path, a URL, a PIL image, a uint8 array, bytes or a file opened in binary mode"
_RAISE_LIMIT = "If you trust it, raise max_pixels or CENTERNET_MAX_PIXELS."
_pillow_limit_lock = threading.Lock()
logger = logging.getLogger("centernet")


@dataclass(frozen=True, eq=False)
class Frame:
    """One image and where it came from.

    Attributes:
        image: uint8 `(height, width, 3)` RGB, upright; may be read-only.
        name: Path, URL or index in a list, as messages and results show it.
        time: Of a video frame: seconds since the first one; otherwise None.
    """

    image: np.ndarray
    name: str
    time: float | None = None

    def __repr__(self) -> str:
        """Name and size, without pixels."""
        height, width = self.image.shape[:2]
        return f"Frame({self.name!r}, {width}x{height})"


def read_image(source: Any, *, name: str | None = None, max_pixels: int | None = None, reduced: bool = False) -> Frame:
    """Read one image.

    EXIF orientation is applied, every mode is converted to RGB (see `centernet.images.rgb`), and only the first
    frame of an animation is read, with a warning.

    Args:
        source: A path, an http(s) URL, a PIL image, a uint8 array (see `rgb_from_array`), bytes of an image
            file, a file opened in binary mode, or an object with `__array__`.
        name: Name in messages and results; its path or URL by default.
        max_pixels: Maximum number of pixels to decode; `CENTERNET_MAX_PIXELS` or 178,956,970 by default.
        reduced: Return JPEGs at an eighth of their size and without colors. All of their data is still decoded, in
            half of the time.

    Returns:
        The image as uint8 RGB, with its name.

    Raises:
        SourceError: The image is missing, damaged or too large.
    """
    name = name or name_of(source) or "image"
    try:
        return Frame(_Reader(name, _pixel_limit(max_pixels), reduced).read(source), name)
    except SourceError as error:
        if str(error).startswith(name):
            raise
        raise SourceError(f"{name}: {error}") from error.__cause__


def name_of(source: Any) -> str | None:
    """Return the path, URL or file name of a source; None for an array, bytes and the like."""
    if isinstance(source, (str, os.PathLike)):
        return os.fsdecode(source)
    label = getattr(source, "filename" if isinstance(source, Image.Image) else "name", None)
    return os.fsdecode(label) if isinstance(label, (str, bytes, os.PathLike)) and label else None


@dataclass(frozen=True)
class _Reader:
    """Reads one source as `(height, width, 3)` RGB; `name` is for warnings, `limit` in pixels."""

    name: str
    limit: int
    reduced: bool = False

    def read(self, source: Any) -> np.ndarray:
        if isinstance(source, np.ndarray):
            return rgb_from_array(source)
        if isinstance(source, Image.Image):
            with _pillow_errors():
                return self._decode(source)
        if isinstance(source, (bytes, bytearray, memoryview)):
            return self._from_bytes(bytes(source))
        if isinstance(source, str) and is_url(source):
            return self._from_url(source)
        if isinstance(source, (str, os.PathLike)):
            return self._from_path(os.path.expanduser(os.fsdecode(source)))
        if hasattr(source, "read"):
            return self._from_bytes(_content(source))
        if hasattr(source, "__array__"):
            return rgb_from_array(np.asarray(source))
        raise SourceError(f"expected {_ACCEPTED}. Received: {type(source).__name__} {str(source)[:60]!r}.")

    def _from_url(self, url: str) -> np.ndarray:
        data, content_type = fetch_image(url)
        try:
            return self._from_bytes(data)
        except SourceError as error:
            raise SourceError(
                f"{error} The content type of the server's answer is {content_type}."
            ) from error.__cause__

    def _from_path(self, path: str) -> np.ndarray:
        if os.path.isdir(path):
            raise SourceError("expected an image file. Received a folder: pass it by itself, outside a list.")
        if not os.path.exists(path):
            raise SourceError(missing_file(Path(path)))
        if os.path.isfile(path) and not os.path.getsize(path):
            raise SourceError("expected an image. Received: an empty file (0 bytes). Get it again.")
        return self._open(path)

    def _from_bytes(self, data: bytes) -> np.ndarray:
        if not data:
            raise SourceError("expected an image. Received: 0 bytes.")
        return self._open(io.BytesIO(data))

    def _open(self, file: str | BinaryIO) -> np.ndarray:
        with _pillow_errors(), _pillow_limit(self.limit):
            image = Image.open(file)
        with image, _pillow_errors():
            return self._decode(image)

    def _decode(self, image: Image.Image) -> np.ndarray:
        width, height = image.size
        if width * height > self.limit:
            raise SourceError(
                f"expected at most {self.limit:,} pixels. Received: {width}x{height} = {width * height:,}, "
                f"perhaps a decompression bomb. {_RAISE_LIMIT}"
            )
        if width * height == 0:
            raise SourceError(f"expected at least one pixel. Received: {width}x{height}.")
        # A phone's multi-picture JPEG (MPO) is a photo with its preview, not an animation.
        if getattr(image, "is_animated", False) and image.format != "MPO":
            logger.warning("%s: has several frames or pages; only the first is read.", self.name)
        if self.reduced:
            image.draft("L", (1, 1))
        image.load()
        return rgb_from_pil(self._upright(image))

    def _upright(self, image: Image.Image) -> Image.Image:
        try:
            upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
            return image if upright else ImageOps.exif_transpose(image)
        # Cameras and editors write broken EXIF in many ways; the pixels are valid all the same.
        except Exception as error:
            logger.warning("%s: unreadable EXIF orientation ignored: %s", self.name, error)
            return image


def _content(file: Any) -> bytes:
    data = file.read()
    if not isinstance(data, bytes):
        raise SourceError(f"expected a file opened in binary mode. Received {type(data).__name__}: open(path, 'rb').")
    return data


@contextmanager
def _pillow_errors() -> Iterator[None]:
    """Turn every error of Pillow into a SourceError."""
    try:
        yield
    except (SourceError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise SourceError(f"{error} {_RAISE_LIMIT}") from error
    except UnidentifiedImageError as error:
        raise SourceError(
            "expected an image (JPEG, PNG, WebP, GIF, TIFF, BMP or another format that Pillow reads). "
            "Received: a file of another kind. Convert it to one of those."
        ) from error
    # Damaged files make Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and others.
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise SourceError(f"expected an undamaged image. Received a damaged one: {reason}. Get it again.") from error


@contextmanager
def _pillow_limit(limit: int) -> Iterator[None]:
    """Raise Pillow's own limit, which is global, to the caller's while a header is read."""
    if Image.MAX_IMAGE_PIXELS is None or limit <= 2 * Image.MAX_IMAGE_PIXELS:
        yield
        return
    with _pillow_limit_lock:
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, limit
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _pixel_limit(max_pixels: int | None) -> int:
    value = os.environ.get("CENTERNET_MAX_PIXELS") or MAX_PIXELS if max_pixels is None else max_pixels
    try:
        return int(value)
    except ValueError as error:
        raise ConfigError(f"CENTERNET_MAX_PIXELS expected a whole number of pixels. Received: {value!r}.") from error
