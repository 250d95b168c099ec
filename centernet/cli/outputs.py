"""What `centernet detect` writes: pictures, videos, JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from centernet.cli.console import STDOUT
from centernet.files.web import is_url
from centernet.images.video import VideoWriter

if TYPE_CHECKING:
    from PIL import Image

    from centernet.images.sources import Source
    from centernet.results.detections import Detections

Render = Callable[["Detections"], "Image.Image"]

CAMERA_FPS = 10.0  # cameras don't say; about what a detector manages
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
JPEG_QUALITY = 95
LONGEST_STEM = 120


class Pictures:
    """Writes drawn pictures and videos to a folder, and never two to the same file.

    Args:
        folder: Where to; it exists.
        renders: What is appended to a picture's name → how it is drawn.
        inputs: Files that must not be written over.
    """

    def __init__(self, folder: Path, renders: Mapping[str, Render], inputs: Iterable[Path] = ()) -> None:
        self.folder = folder
        self.renders = renders
        home = folder.resolve()
        self._taken = {path.stem.casefold() for path in inputs if path.parent == home}
        self.written = 0

    def save(self, found: Detections) -> None:
        """Write the pictures of one image: JPEG of a JPEG, otherwise PNG.

        Raises:
            OSError: If one can't be written; it names the file.
        """
        name = found.source or "image"
        drawn = ".jpg" if Path(name).suffix.lower() in JPEG_SUFFIXES else ".png"
        stem = self._free_stem(name)
        for tail, render in self.renders.items():
            path = self.folder / f"{stem}{tail}{'.png' if tail else drawn}"
            picture = render(found)
            with _naming(path):
                picture.save(path, quality=JPEG_QUALITY)
            self.written += 1

    @contextmanager
    def video(self, source: Source) -> Iterator[Callable[[Detections], None]]:
        """Open a video file a rendering, for a video or camera.

        Yields:
            A function that appends a frame; it raises `ConfigError` where the video can't be written.
        """
        stem = self._free_stem(source.name)
        with ExitStack() as stack:
            writers: list[tuple[VideoWriter, Render]] = []
            for tail, render in self.renders.items():
                writer = VideoWriter(self.folder / f"{stem}{tail}.mp4", source.fps or CAMERA_FPS)
                writers.append((stack.enter_context(writer), render))

            frames = count()

            def append(found: Detections) -> None:
                if not next(frames):
                    self.written += len(writers)
                for writer, render in writers:
                    writer.write(render(found))

            yield append

    def _free_stem(self, name: str) -> str:
        stem = _stem(name)
        for number in count(1):
            free = stem if number == 1 else f"{stem}-{number}"
            names = {f"{free}{tail}".casefold() for tail in ("", *self.renders)}
            if not names & self._taken:
                self._taken |= names
                return free
        raise AssertionError("unreachable")


class JsonArray:
    """A JSON file with one array, written row by row, so that it is whole whenever it is closed.

    Args:
        path: The file; `-` for the standard output, which stays open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> JsonArray:
        with _naming(self.path):
            if self.path == STDOUT:
                self._file = sys.stdout
            else:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self.path.open("w", encoding="utf-8")
        self._separator = "[\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with _naming(self.path), nullcontext() if self.path == STDOUT else self._file:
                self._file.write("[]\n" if self._separator == "[\n" else "\n]\n")

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row.

        Raises:
            OSError: If there is no room; it names the file.
        """
        assert self._file is not None
        with _naming(self.path):
            # The standard output may be unable to write other letters, or write them as no reader of JSON expects.
            self._file.write(self._separator + json.dumps(row, ensure_ascii=self.path == STDOUT))
            self._file.flush()
        self._separator = ",\n"


def coco_image_id(name: str, position: int) -> int:
    """The number that is an image's name, as in COCO's own files, or else its position from 1."""
    stem = Path(name).stem
    return int(stem) if stem.isascii() and stem.isdigit() else position


def _stem(name: str) -> str:
    """A file name without suffix for a path, an address or a camera."""
    text = unquote(urlsplit(name).path) if is_url(name) else name.replace("camera ", "camera-")
    stem = Path(text).stem
    if is_url(name):
        stem = re.sub(r"[^\w.-]+", "_", stem).lstrip(".")
    return stem[:LONGEST_STEM] or "image"


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Gives the system's errors the name of the file, which those of a full disk lack."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno or 0, f"can't be written: {reason}", str(path)) from error
