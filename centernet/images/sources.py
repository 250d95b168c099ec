"""Every kind of image source as a stream of frames: image, list, folder, glob pattern, video, camera, live stream."""

from __future__ import annotations

import glob
import itertools
import logging
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from centernet.errors import ConfigError, SourceError
from centernet.files.web import is_url
from centernet.images.live import LiveStream, is_live
from centernet.images.reading import Frame, name_of, read_image
from centernet.images.video import Video

__all__ = ["Frame", "Source", "kind_of", "open_source", "read_image", "read_images", "read_single_image"]

Kind = Literal["single", "list", "stream"]
OnError = Literal["raise", "skip"]
_StreamForm = Literal["folder", "glob", "video", "camera", "live", "iterator"]

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
    """An opened source, whose images are read one at a time.

    Attributes:
        kind: `single` for one image, `list` for a list or tuple, `stream` for a folder, a glob pattern, a
            video, a camera, a live stream or an iterator.
        name: Name of images that have none of their own; their index is added unless the source is single.
        items: Arguments of `read_image`, or frames that are read already, one per image.
        total: Number of images (approximate for a video); None if unknown.
        fps: Frame rate of a video in frames per second, or None.
    """

    kind: Kind
    name: str
    items: Iterable[Any] = field(repr=False)
    total: int | None
    fps: float | None = None

    @property
    def is_video(self) -> bool:
        """Whether the images follow each other in time: those of a video, camera, live stream or iterator."""
        return self.kind == "stream" and not isinstance(self.items, list)

    def frames(
        self,
        on_error: OnError = "raise",
        failures: list[SourceError] | None = None,
        max_pixels: int | None = None,
    ) -> Iterator[Frame]:
        """Read the images in order.

        Args:
            on_error: `raise` stops at the first unreadable image; `skip` logs it and continues.
            failures: The errors of skipped images are appended to it.
            max_pixels: See `read_image`.

        Raises:
            SourceError: An image can't be read and `on_error` is `raise`, or a video, camera or stream can't be opened.
            ConfigError: `on_error` is neither.
        """
        if on_error not in ("raise", "skip"):
            raise ConfigError(f"on_error expected 'raise' or 'skip'. Received: {on_error!r}.")
        for frame in self.attempts(max_pixels):
            if isinstance(frame, Frame):
                yield frame
            elif on_error == "raise":
                raise frame
            elif failures is not None:
                failures.append(frame)

    def attempts(self, max_pixels: int | None = None) -> Iterator[Frame | SourceError]:
        """Read the images in order, as `frames` does, but log and yield the error of an unreadable image.

        The `source` of an error is the name of its frame. A video, camera or stream that can't be opened raises now.
        """
        return self._attempts(iter(self.items), max_pixels)

    def _attempts(self, items: Iterator[Any], max_pixels: int | None) -> Iterator[Frame | SourceError]:
        for index in itertools.count():
            item = None
            try:
                item = next(items)
                name = self._name(item, index)
                yield item if isinstance(item, Frame) else read_image(item, name=name, max_pixels=max_pixels)
            except StopIteration:
                return
            except SourceError as error:
                error.source = self._name(item, index)
                if self.kind != "single":
                    logger.warning("skipped: %s", error)
                yield error

    def _name(self, item: Any, index: int) -> str:
        return name_of(item) or (self.name if self.kind == "single" else f"{self.name}[{index}]")


def kind_of(source: Any) -> Kind:
    """Return the `Source.kind` of anything that `open_source` takes, without reading it."""
    if isinstance(source, (list, tuple)):
        return "list"
    return "stream" if _stream_form(source) else "single"


def open_source(source: Any) -> Source:
    """Open a source; its images are read later, by `Source.frames`.

    Args:
        source: One image (a path, an http(s) URL, a PIL image, a uint8 array, bytes, a binary file), a list,
            tuple or iterator of those, a folder (its images in natural order, without subfolders), a glob
            pattern (`**` for subfolders), a video file, the number of a camera as an integer or a string, or the
            address of a live stream (see `centernet.images.live.LiveStream`).

    Raises:
        SourceError: A folder or pattern has no images, or a video or camera can't be opened.
        MissingExtraError: Videos, cameras and live streams need the extra `video`.
    """
    if isinstance(source, (list, tuple)):
        return Source("list", "image", source, len(source))
    form = _stream_form(source)
    if form is None:
        return Source("single", "image", [source], 1)
    if form == "iterator":
        return Source("stream", "image", source, None)
    text = str(source) if _is_integer(source) else os.fsdecode(source)
    if form in ("video", "camera"):
        video = Video(int(text) if form == "camera" else os.path.expanduser(text))
        return Source("stream", video.name, video, video.frame_count, video.fps)
    if form == "live":
        stream = LiveStream(text)
        return Source("stream", stream.name, stream, None)
    images = _image_files(text, form)
    return Source("stream", "image", images, len(images))


def read_images(
    source: Any,
    on_error: OnError = "raise",
    failures: list[SourceError] | None = None,
    max_pixels: int | None = None,
) -> Iterator[Frame]:
    """Read the images of any source, one at a time: `open_source(source).frames(...)`."""
    return open_source(source).frames(on_error, failures, max_pixels)


def read_single_image(source: Any) -> Frame:
    """Read a source that is one image; a list or stream is a SourceError."""
    is_batch = isinstance(source, np.ndarray) and source.ndim == 4
    kind = "batch" if is_batch else kind_of(source)
    if kind == "single":
        return read_image(source)
    shown = repr(source) if isinstance(source, (str, os.PathLike, int)) else type(source).__name__
    if is_batch:
        shown = f"an array of shape {source.shape}"
    raise SourceError(f"expected one image. Received a {kind} of images: {shown}. Pass them one by one.")


def is_image(path: str) -> bool:
    """Whether a file has the suffix of an image and is not hidden, as thumbnails and resource forks are."""
    name = os.path.basename(path)
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")


def natural_key(name: str) -> tuple[list[int | str], str]:
    """Return a sort key that puts image2 before image10."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], name


def _is_integer(source: Any) -> bool:
    return isinstance(source, (int, np.integer)) and not isinstance(source, bool)


def _stream_form(source: Any) -> _StreamForm | None:
    if _is_integer(source):
        return "camera"
    if isinstance(source, (str, os.PathLike)):
        return _form_of_text(os.fsdecode(source))
    return "iterator" if isinstance(source, Iterator) and not hasattr(source, "read") else None


def _form_of_text(text: str) -> _StreamForm | None:
    if is_live(text):
        return "live"
    if is_url(text):
        return None
    path = os.path.expanduser(text)
    exists = os.path.exists(path)
    if os.path.isdir(path):
        return "folder"
    if glob.has_magic(path) and not exists:
        return "glob"
    if os.path.splitext(path)[1].lower() in VIDEO_SUFFIXES:
        return "video"
    return "camera" if not exists and text.isascii() and text.isdigit() else None


def _image_files(text: str, form: _StreamForm) -> list[str]:
    """List the images of a folder or glob pattern in natural order."""
    path = os.path.expanduser(text)
    files = glob.glob(path, recursive=True) if form == "glob" else _files_in(path)
    images = sorted((file for file in files if is_image(file) and os.path.isfile(file)), key=natural_key)
    if not images:
        advice = f"For subfolders: {os.path.join(text, '**', '*.jpg')}" if form == "folder" else "Check the pattern"
        raise SourceError(
            f"{text}: expected a {form} with images (.jpg, .png, .webp, …). "
            f"Received: {len(files) or 'no'} other files. {advice}."
        )
    return images


def _files_in(folder: str) -> list[str]:
    try:
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError as error:
        raise SourceError(f"{folder}: the folder can't be listed: {error.strerror}. Check its permissions.") from error
