"""The files of `centernet detect`: drawn images, videos, JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import chain, count
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from PIL import Image

from centernet.cli.console import STDOUT
from centernet.files.web import is_url
from centernet.images.sources import Source
from centernet.images.video import VideoWriter
from centernet.results.detections import Detections

Render = Callable[[Detections], Image.Image]

CAMERA_FPS = 10.0  # of the video of a camera, which has no frame rate; about the speed of a detector
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
JPEG_QUALITY = 95
MAX_STEM = 120


class DrawnImages:
    """Writes drawn images and videos to an existing folder, each to a new file that differs from all inputs.

    `renders` maps the suffix of a file's stem to the function that draws the detections.
    """

    def __init__(self, folder: Path, renders: Mapping[str, Render], inputs: Iterable[Path] = ()) -> None:
        self.folder = folder
        self.renders = renders
        resolved = folder.resolve()
        self._used_stems = {path.stem.casefold() for path in inputs if path.parent == resolved}
        self.written = 0

    def save(self, detections: Detections) -> None:
        """Write the drawings of one image: a JPEG for a JPEG, otherwise a PNG. An `OSError` names the file."""
        name = detections.source or "image"
        suffix = ".jpg" if Path(name).suffix.lower() in JPEG_SUFFIXES else ".png"
        stem = self._free_stem(name)
        for tail, render in self.renders.items():
            path = self.folder / f"{stem}{tail}{'.png' if tail else suffix}"
            drawing = render(detections)
            with _naming(path):
                drawing.save(path, quality=JPEG_QUALITY)
            self.written += 1

    @contextmanager
    def video(self, source: Source) -> Iterator[Callable[[Detections], None]]:
        """Open one video file per rendering; yields a function that appends the detections of a frame."""
        stem = self._free_stem(source.name)
        with ExitStack() as stack:
            writers: list[tuple[VideoWriter, Render]] = []
            for tail, render in self.renders.items():
                writer = VideoWriter(self.folder / f"{stem}{tail}.mp4", source.fps or CAMERA_FPS)
                writers.append((stack.enter_context(writer), render))

            frames = count()

            def append(detections: Detections) -> None:
                if not next(frames):
                    self.written += len(writers)
                for writer, render in writers:
                    writer.write(render(detections))

            yield append

    def _free_stem(self, name: str) -> str:
        stem = _stem(name)
        candidates = chain([stem], (f"{stem}-{number}" for number in count(2)))
        free = next(one for one in candidates if self._used_stems.isdisjoint(self._stems(one)))
        self._used_stems |= self._stems(free)
        return free

    def _stems(self, stem: str) -> set[str]:
        return {f"{stem}{tail}".casefold() for tail in ("", *self.renders)}


class JsonArray:
    """A JSON file with one array, written row by row and completed when it is closed, even by an exception.

    The path `-` is the standard output, which stays open.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._separator = "[\n"

    def __enter__(self) -> JsonArray:
        with _naming(self.path):
            if self.path != STDOUT:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = sys.stdout if self.path == STDOUT else self.path.open("w", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        with _naming(self.path), nullcontext() if self.path == STDOUT else self._file:
            self._file.write("[]\n" if self._separator == "[\n" else "\n]\n")

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row. An `OSError` names the file."""
        with _naming(self.path):
            # ASCII only on the standard output, whose encoding may lack characters or differ from UTF-8.
            self._file.write(self._separator + json.dumps(row, ensure_ascii=self.path == STDOUT))
            self._file.flush()
        self._separator = ",\n"


def coco_image_id(name: str, position: int) -> int:
    """The number in a file name such as COCO's `000000000139.jpg`, or else the position, which counts from 1."""
    stem = Path(name).stem
    return int(stem) if stem.isascii() and stem.isdigit() else position


def _stem(name: str) -> str:
    """A file name without suffix for a path, URL or camera."""
    text = unquote(urlsplit(name).path) if is_url(name) else name.replace("camera ", "camera-")
    stem = Path(text).stem
    if is_url(name):
        stem = re.sub(r"[^\w.-]+", "_", stem).lstrip(".")
    return stem[:MAX_STEM] or "image"


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Add the name of the file to errors of the system; that of a full disk has none."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno or 0, f"can't be written: {reason}", str(path)) from error
