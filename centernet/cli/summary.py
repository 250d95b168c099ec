"""The table at the end of `centernet detect`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath

from rich import box
from rich.console import Console
from rich.table import Table

from centernet.results.detections import Detections

MAX_ROWS = 25


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
