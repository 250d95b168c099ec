"""What `centernet detect` writes: drawn images, videos and JSON, and the lines that it prints."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path, PurePath
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table

from centernet.cli.console import STDOUT
from centernet.files.web import is_url
from centernet.images.sources import Source
from centernet.images.video import DEFAULT_FPS, VideoWriter
from centernet.results.detections import Detections

Render = Callable[[Detections], Image.Image]

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
JPEG_QUALITY = 95
MAX_STEM = 120
MAX_ROWS = 25


class DrawnImages:
    """Writes drawn images and videos to an existing folder, each to a new file that differs from all inputs.

    `renders` maps the suffix of a file's stem to the function that draws the detections; `kept` are the names of files
    of an earlier run.
    """

    def __init__(
        self, folder: Path, renders: Mapping[str, Render], inputs: Iterable[Path] = (), kept: Iterable[str] = ()
    ) -> None:
        self.folder = folder
        self.renders = renders
        resolved = folder.resolve()
        self._used_stems = {path.stem.casefold() for path in inputs if path.parent == resolved}
        self._used_stems |= {Path(name).stem.casefold() for name in kept}
        self.written = 0

    def save(self, detections: Detections) -> tuple[str, ...]:
        """Write the drawings of one image: a JPEG for a JPEG, otherwise a PNG. An `OSError` names the file.

        Returns:
            Names of the files, which are complete even if the process is killed.
        """
        name = detections.source or "image"
        suffix = ".jpg" if Path(name).suffix.lower() in JPEG_SUFFIXES else ".png"
        stem = self._free_stem(name)
        names = tuple(f"{stem}{tail}{'.png' if tail else suffix}" for tail in self.renders)
        for name, render in zip(names, self.renders.values(), strict=True):
            path = self.folder / name
            drawing = render(detections)
            with _naming(path):
                new = path.with_name(f".part-{name}")
                drawing.save(new, quality=JPEG_QUALITY)
                os.replace(new, path)
            self.written += 1
        return names

    @contextmanager
    def video(self, source: Source) -> Iterator[Callable[[Detections], tuple[str, ...]]]:
        """Open one video file per rendering; yields a function that appends the detections of a frame."""
        stem = self._free_stem(source.name)
        with ExitStack() as stack:
            writers: list[tuple[VideoWriter, Render]] = []
            for tail, render in self.renders.items():
                writer = VideoWriter(self.folder / f"{stem}{tail}.mp4", source.fps or DEFAULT_FPS)
                writers.append((stack.enter_context(writer), render))

            frames = count()

            def append(detections: Detections) -> tuple[str, ...]:
                if not next(frames):
                    self.written += len(writers)
                for writer, render in writers:
                    writer.write(render(detections), detections.time)
                return ()

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

    The path `-` is the standard output, which stays open. `rows` is the number of rows that the file has already,
    without an end; new ones are appended.
    """

    def __init__(self, path: Path, rows: int = 0) -> None:
        self.path = path
        self._mode, self._separator = ("a", ",\n") if rows else ("w", "[\n")

    def __enter__(self) -> JsonArray:
        with _naming(self.path):
            if self.path != STDOUT:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[str] = sys.stdout if self.path == STDOUT else self.path.open(self._mode, encoding="utf-8")
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
    """A file name without suffix for a path, URL, live stream or camera."""
    parts = urlsplit(name)
    host = re.sub(r"\W+", "_", parts.netloc.rpartition("@")[2])
    text = unquote(parts.path) or host if is_url(name) else name.replace("camera ", "camera-")
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


@dataclass
class Row:
    """Detections of one image, or of all frames of a video."""

    name: str = ""
    images: int = 0
    objects: Counter[str] = field(default_factory=Counter)  # class name → number of detections
    seconds: float = 0.0  # for reading and detecting

    def add(self, names: Iterable[str], seconds: float) -> None:
        """Count one more image."""
        self.images += 1
        self.objects.update(names)
        self.seconds += seconds

    def cells(self, label: str) -> tuple[str, str, str]:
        """The row of the table."""
        return label, _objects(self.objects), _time(self.seconds)


class Summary:
    """Counts detections by image or video, and collects failures.

    The first `batch_size` images are one batch, whose time includes compilation.
    """

    def __init__(self, batch_size: int = 1) -> None:
        self.failures: list[str] = []  # one message per image or source that can't be read or written
        self.total = Row()  # all images together
        self._batch_size = batch_size
        self._first_batch = Row()
        self._rows: dict[object, Row] = {}
        self._remainder = Row()

    def add(self, name: str, detections: Detections, seconds: float, video: object = None) -> None:
        """Count one image, read and detected in `seconds`. All frames of a `video` are counted in one row."""
        names = detections.names
        if self.total.images < self._batch_size:
            self._first_batch.add((), seconds)
        self.total.add(names, seconds)
        key = video or self.total.images
        if key in self._rows or len(self._rows) < MAX_ROWS:
            self._rows.setdefault(key, Row(name)).add(names, seconds)
        else:
            self._remainder.add(names, seconds)

    def print(self, console: Console) -> None:
        """Print the table, unless there are no images."""
        if not self.total.images:
            return
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_footer=self.total.images > 1)
        label, objects, seconds = self.total.cells(f"{self.total.images} images")
        table.add_column("source", label, overflow="fold")
        table.add_column("objects", objects, overflow="fold")
        table.add_column("time", seconds, justify="right", no_wrap=True)
        short = _short_names(row.name for row in self._rows.values())
        for row in self._rows.values():
            table.add_row(*row.cells(short[row.name] + (f" ({row.images} frames)" if row.images > 1 else "")))
        if self._remainder.images:
            table.add_row(*self._remainder.cells(f"… {self._remainder.images} more"))
        console.print(table)
        later = self.total.images - self._first_batch.images
        if later:
            steady = (self.total.seconds - self._first_batch.seconds) / later
            first = f"the first batch took {_time(self._first_batch.seconds)}, including compilation"
            console.out(f"{_time(steady)} per image ({first}).")

    def print_failures(self, console: Console) -> None:
        """Print how many images failed, and why."""
        if not self.failures:
            return
        console.out(f"{len(self.failures)} failed, {self.total.images} succeeded:", style="bold red")
        for failure in self.failures[:MAX_ROWS]:
            console.out(f"  {failure}")
        if len(self.failures) > MAX_ROWS:
            console.out(f"  … and {len(self.failures) - MAX_ROWS} more")


def _short_names(names: Iterable[str]) -> dict[str, str]:
    """Name → its last part if that is unique, otherwise the name."""
    names = set(names)
    ends = Counter(PurePath(name).name for name in names)
    return {name: name if ends[end := PurePath(name).name] > 1 else end or name for name in names}


def _objects(objects: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in objects.most_common()) or "–"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
