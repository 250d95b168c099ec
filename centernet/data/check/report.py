"""What checking a dataset gives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centernet.data.check.problems import Problem
from centernet.data.check.statistics import ClassCounts, Figures
from centernet.data.dataset import Dataset

if TYPE_CHECKING:
    from PIL import Image

SHEET = 12  # images of a contact sheet
FAILURES = ("missing", "truncated", "unreadable")  # kinds of problems of images that can't be read


@dataclass(frozen=True, eq=False)
class CheckReport:
    """What is wrong with a dataset, and what is in it; `print` shows all of it.

    Attributes:
        dataset: The dataset.
        input_size: Height and width of the network's input that it was checked for.
        findings: Everything that was found, the worst first.
        classes: Each class.
        figures: How the objects look to a detector.
        images_read: Whether images were read.
    """

    dataset: Dataset = field(repr=False)
    input_size: tuple[int, int]
    findings: tuple[Problem, ...]
    classes: tuple[ClassCounts, ...]
    figures: Figures
    images_read: bool

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What should be corrected, the worst first."""
        return tuple(one for one in self.findings if one.level != "note")

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What may be meant."""
        return tuple(one for one in self.findings if one.level == "note")

    @property
    def fatal(self) -> tuple[Problem, ...]:
        """What prevents training."""
        return tuple(one for one in self.findings if one.level == "fatal")

    @property
    def trainable(self) -> bool:
        """Whether something good can be learned from it."""
        return not self.fatal

    @property
    def verdict(self) -> str:
        """One line: fine, can be trained with problems, or can't be trained, and why."""
        if self.fatal:
            return f"can't be trained, because {'; '.join(one.text for one in self.fatal)}"
        count = len(self.problems)
        return f"can be trained with {count} problem{'s' * (count > 1)}" if count else "fine"

    @property
    def readable(self) -> Dataset:
        """The dataset without the images that can't be read."""
        failed = {number for one in self.findings if one.kind in FAILURES for number in one.objects}
        return self.dataset[[number for number in range(len(self.dataset)) if number not in failed]]

    def __str__(self) -> str:
        """Counts, problems, notes, classes and the verdict."""
        from centernet.data.check.text import as_text

        return as_text(self)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {
            "dataset": self.dataset.name,
            "format": self.dataset.format,
            "images": len(self.dataset),
            "images_read": self.images_read,
            "input_size": list(self.input_size),
            "verdict": self.verdict,
            "trainable": self.trainable,
            "findings": [one.to_dict() for one in self.findings],
            "classes": [asdict(one) for one in self.classes],
            "figures": asdict(self.figures),
        }

    def to_json(self, path: str | Path, indent: int | None = None) -> None:
        """Write `to_dict` to a file."""
        Path(path).write_text(json.dumps(self.to_dict(), ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")

    def draw(self, count: int = SHEET) -> Image.Image:
        """A contact sheet: images with problems first, which are marked, then some that are typical.

        Args:
            count: How many images, at most.
        """
        from centernet.data.check.sheet import contact_sheet

        return contact_sheet(self, count)


def worst_first(findings: Sequence[Problem]) -> tuple[Problem, ...]:
    """Findings by level; those of one level in their order."""
    return tuple(sorted(findings, key=lambda one: ("fatal", "problem", "note").index(one.level)))
