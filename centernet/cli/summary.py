"""The table at the end of `centernet detect`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from centernet.results.detections import Detections

MOST_ROWS = 25


@dataclass
class Row:
    """What was found in one image, or in all frames of one video.

    Attributes:
        name: Where it comes from.
        images: How many images it counts.
        objects: Class name → how many were found.
        seconds: Time for reading and detecting.
    """

    name: str = ""
    images: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, names: Iterable[str], seconds: float, images: int = 1) -> None:
        """Count more images."""
        self.images += images
        self.objects.update(names)
        self.seconds += seconds


class Summary:
    """Counts what was found, and remembers what failed.

    Args:
        batch_size: How many images went through the network first, which compiled it.

    Attributes:
        failures: Why something could not be read or written, one message each.
        total: All images together.
    """

    def __init__(self, batch_size: int = 1) -> None:
        self.failures: list[str] = []
        self.total = Row()
        self._batch_size = batch_size
        self._first_batch = Row()
        self._rows: dict[object, Row] = {}
        self._others = Row()

    def add(self, name: str, found: Detections, seconds: float, video: object = None) -> None:
        """Count one image that was read.

        Args:
            name: What to call it.
            found: What was found in it.
            seconds: How long it took.
            video: The video that it is a frame of: these are counted together.
        """
        if self.total.images < self._batch_size:
            self._first_batch.add((), seconds)
        self.total.add(found.names, seconds)
        key = video or self.total.images
        if key in self._rows or len(self._rows) < MOST_ROWS:
            self._rows.setdefault(key, Row(name)).add(found.names, seconds)
        else:
            self._others.add(found.names, seconds)

    def print(self, console: Console) -> None:
        """Print the table, unless nothing was read."""
        from rich import box
        from rich.table import Table

        if not self.total.images:
            return
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_footer=self.total.images > 1)
        total = f"{self.total.images} images"
        table.add_column("source", total, overflow="fold")
        table.add_column("objects", _objects(self.total.objects), overflow="fold")
        table.add_column("time", _time(self.total.seconds), justify="right", no_wrap=True)
        short = _short_names(row.name for row in self._rows.values())
        for row in self._rows.values():
            label = short[row.name] + (f" ({row.images} frames)" if row.images > 1 else "")
            table.add_row(label, _objects(row.objects), _time(row.seconds))
        if self._others.images:
            label = f"… {self._others.images} more"
            table.add_row(label, _objects(self._others.objects), _time(self._others.seconds))
        console.print(table)
        others = self.total.images - self._first_batch.images
        if others:
            steady = (self.total.seconds - self._first_batch.seconds) / others
            first = f"the first batch took {_time(self._first_batch.seconds)}, compiling included"
            console.print(f"{_time(steady)} an image ({first}).", soft_wrap=True)

    def print_failures(self, console: Console) -> None:
        """Print how many images could not be read or written, and why."""
        if not self.failures:
            return
        console.print(f"{len(self.failures)} failed, {self.total.images} fine:", style="bold red", soft_wrap=True)
        for failure in self.failures[:MOST_ROWS]:
            console.print(f"  {failure}", soft_wrap=True)
        if len(self.failures) > MOST_ROWS:
            console.print(f"  … and {len(self.failures) - MOST_ROWS} more", soft_wrap=True)


def _short_names(names: Iterable[str]) -> dict[str, str]:
    """Name → its last part, unless another has the same."""
    names = set(names)
    ends = Counter(map(_end, names))
    return {name: name if ends[_end(name)] > 1 else _end(name) for name in names}


def _end(name: str) -> str:
    return name.replace(os.sep, "/").rstrip("/").rpartition("/")[2] or name


def _objects(objects: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in objects.most_common()) or "–"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
