"""One way from any source to images: an image, a list, a folder, a glob pattern, a video, a camera."""

from __future__ import annotations

import glob
import itertools
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image

from centernet.errors import ConfigError, SourceError
from centernet.files.web import is_url
from centernet.images.reading import Frame, name_of, read_image

__all__ = ["Frame", "Source", "kind_of", "open_source", "read_image", "read_images", "read_single_image"]

Kind = Literal["single", "list", "stream"]
OnError = Literal["raise", "skip"]

IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".webp",
    ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".jp2",
})  # fmt: skip
VIDEO_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv",
    ".flv", ".ogv", ".3gp", ".mts", ".m2ts",
})  # fmt: skip

logger = logging.getLogger("centernet")


@dataclass(frozen=True, eq=False)
class Source:
    """Images to come, read one at a time by `frames`.

    Attributes:
        kind: `single` for one image, `list` for a list or tuple, `stream` for a folder, a glob pattern, a
            video, a camera or an iterator.
        name: What an image without a name of its own is called; its number is added unless it is single.
        items: What `read_image` takes, one an image.
        total: How many images (of a video about how many), or None where that is unknown until the end.
        fps: Frames a second of a video, or None.
    """

    kind: Kind
    name: str
    items: Iterable[Any]
    total: int | None
    fps: float | None = None

    def frames(
        self,
        on_error: OnError = "raise",
        failures: list[SourceError] | None = None,
        max_pixels: int | None = None,
    ) -> Iterator[Frame]:
        """Reads the images in order.

        Args:
            on_error: `raise` stops at the first image that can't be read; `skip` logs it and goes on.
            failures: Skipped errors are appended to it.
            max_pixels: See `read_image`.

        Yields:
            One `Frame` an image.

        Raises:
            SourceError: An image can't be read, and `on_error` is `raise`; or a video or camera can't be opened.
            ConfigError: `on_error` is neither.
        """
        if on_error not in ("raise", "skip"):
            raise ConfigError(f"on_error expected 'raise' or 'skip'. Received: {on_error!r}.")
        for frame in self.attempts(max_pixels):
            if isinstance(frame, Frame):
                yield frame
                continue
            if on_error == "raise":
                raise frame
            if failures is not None:
                failures.append(frame)

    def attempts(self, max_pixels: int | None = None) -> Iterator[Frame | SourceError]:
        """Reads the images in order and goes on after one that can't be read, which is logged.

        Args:
            max_pixels: See `read_image`.

        Returns:
            An iterator of a `Frame`, or of the error in its place, whose `source` is the name of the frame.

        Raises:
            SourceError: A video or camera can't be opened.
        """
        return self._attempts(iter(self.items), max_pixels)

    def _attempts(self, items: Iterator[Any], max_pixels: int | None) -> Iterator[Frame | SourceError]:
        for number in itertools.count():
            item = None
            try:
                item = next(items)
                yield read_image(item, name=self._name(item, number), max_pixels=max_pixels)
            except StopIteration:
                return
            except SourceError as error:
                error.source = self._name(item, number)
                if self.kind != "single":
                    logger.warning("skipped: %s", error)
                yield error

    def _name(self, item: Any, number: int) -> str:
        return name_of(item) or (self.name if self.kind == "single" else f"{self.name}[{number}]")


def kind_of(source: Any) -> Kind:
    """Tells what a source is, without reading it.

    Args:
        source: Anything that `open_source` takes.

    Returns:
        `single`, `list` or `stream`, as `Source.kind`.
    """
    if isinstance(source, (np.ndarray, Image.Image, bytes)):
        return "single"
    if isinstance(source, (list, tuple)):
        return "list"
    if isinstance(source, (str, os.PathLike)):
        return "stream" if _stream_form(os.fsdecode(source)) else "single"
    if _is_number(source) or (isinstance(source, Iterator) and not hasattr(source, "read")):
        return "stream"
    return "single"


def open_source(source: Any) -> Source:
    """Finds out what a source is and what there is to read; images themselves are read by `frames`.

    Args:
        source: One image (a path, an http(s) URL, a PIL image, a uint8 array, bytes, a binary file), a list,
            tuple or iterator of those, a folder (its images in natural order, not its subfolders),
            a glob pattern (`**` for subfolders), a video file, or the number of a camera, as an integer or a
            string.

    Returns:
        The `Source`.

    Raises:
        SourceError: A folder or pattern has no images, or a video or camera can't be opened.
        MissingExtraError: Videos and cameras need the extra `video`.
    """
    kind = kind_of(source)
    if kind == "single":
        return Source(kind, "image", [source], 1)
    if kind == "list":
        return Source(kind, "image", source, len(source))
    if isinstance(source, (str, os.PathLike)):
        return _open_stream(os.fsdecode(source))
    if _is_number(source):
        return _open_video(int(source))
    return Source(kind, "image", source, None)


def read_single_image(source: Any) -> Frame:
    """Reads the one image that a source is.

    Args:
        source: One image, see `open_source`.

    Returns:
        The image.

    Raises:
        SourceError: It can't be read, or it is a list or stream.
    """
    batch = isinstance(source, np.ndarray) and source.ndim == 4
    kind = "batch" if batch else kind_of(source)
    if kind != "single":
        named = isinstance(source, (str, os.PathLike, int))
        shown = f"an array of shape {source.shape}" if batch else repr(source) if named else type(source).__name__
        raise SourceError(f"expected one image. Received a {kind} of images: {shown}. Give them one by one.")
    return read_image(source)


def read_images(
    source: Any,
    on_error: OnError = "raise",
    failures: list[SourceError] | None = None,
    max_pixels: int | None = None,
) -> Iterator[Frame]:
    """Reads the images of any source, one at a time: `open_source(source).frames(...)`.

    Args:
        source: See `open_source`.
        on_error: See `Source.frames`.
        failures: See `Source.frames`.
        max_pixels: See `read_image`.

    Returns:
        An iterator of `Frame`.
    """
    return open_source(source).frames(on_error, failures, max_pixels)


def _is_number(source: Any) -> bool:
    return isinstance(source, (int, np.integer)) and not isinstance(source, bool)


def _stream_form(text: str) -> Literal["folder", "video", "glob", "camera"] | None:
    if is_url(text):
        return None
    path = os.path.expanduser(text)
    if os.path.isdir(path):
        return "folder"
    pattern = glob.has_magic(path) and not os.path.exists(path)
    if os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES and not pattern:
        return "video"
    if pattern:
        return "glob"
    if os.path.exists(path):
        return None
    return "camera" if text.isascii() and text.isdigit() else None


def _open_stream(text: str) -> Source:
    path, form = os.path.expanduser(text), _stream_form(text)
    if form == "camera":
        return _open_video(int(text))
    if form == "video":
        return _open_video(path)
    found = glob.glob(path, recursive=True) if form == "glob" else _listed(path)
    images = sorted(filter(_is_image, found), key=natural_key)
    if not images:
        advice = f"For subfolders: {os.path.join(text, '**', '*.jpg')}" if form == "folder" else "Check the pattern"
        raise SourceError(
            f"{text}: expected a {form} with images (.jpg, .png, .webp, …). "
            f"Received: {len(found) or 'no'} other files. {advice}."
        )
    return Source("stream", "image", images, len(images))


def _open_video(source: str | int) -> Source:
    from centernet.images.video import Video

    video = Video(source)
    return Source("stream", video.name, video, video.frame_count, video.fps)


def _listed(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError as error:
        raise SourceError(f"{folder}: the folder can't be listed: {error.strerror}. Check its permissions.") from error


def _is_image(path: str) -> bool:
    name = os.path.basename(path)
    # Hidden files next to photos are thumbnails and resource forks.
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".") and os.path.isfile(path)


def natural_key(name: str) -> tuple[list[int | str], str]:
    """A key that sorts image2 before image10."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name
