"""The result of checking a dataset: as text, as JSON and as a contact sheet."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np
from PIL import Image

from centernet.data.check.problems import IMAGE_FAILURES, KINDS, LEVELS, Problem
from centernet.data.check.sheet import compose, draw_tile, failed_tile
from centernet.data.check.statistics import ClassCounts, Figures, class_table, figures_table
from centernet.data.classes import REPORTED_BY_CHECK
from centernet.data.dataset_base import AnyDataset, DatasetBase
from centernet.data.keypoints import DEFAULT_DEVIATION
from centernet.files.formatting import aligned_columns, pluralize

SHEET = 12  # images of a contact sheet
MAX_WORST = 2 / 3  # share of the sheet for images with problems, if there are others


@dataclass(frozen=True, eq=False, repr=False)
class CheckReport(Generic[AnyDataset]):
    """Problems and statistics of a dataset; `print(report)` shows all of it."""

    dataset: AnyDataset
    input_size: tuple[int, int]  # height and width in pixels of the network's input
    findings: tuple[Problem, ...]  # all problems and notes, worst first
    classes: tuple[ClassCounts, ...]  # statistics of each class
    figures: Figures  # statistics of the objects at the input size
    images_read: bool  # otherwise they are assumed to be as annotated

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Findings that should be corrected, worst first."""
        return tuple(one for one in self.findings if one.level != "note")

    @property
    def notes(self) -> tuple[Problem, ...]:
        """Findings that may be intended."""
        return tuple(one for one in self.findings if one.level == "note")

    @property
    def fatal(self) -> tuple[Problem, ...]:
        """Findings that prevent training."""
        return tuple(one for one in self.findings if one.level == "fatal")

    @property
    def trainable(self) -> bool:
        """Whether no finding prevents training."""
        return not self.fatal

    @property
    def verdict(self) -> str:
        """One line: fine, can be trained with problems, or can't be trained, and why."""
        if self.fatal:
            return f"can't be trained, because {'; '.join(one.text for one in self.fatal)}"
        return f"can be trained with {pluralize(len(self.problems), 'problem')}" if self.problems else "fine"

    @property
    def readable(self) -> AnyDataset:
        """The dataset without images that can't be read."""
        failed = {number for one in self.findings if one.kind in IMAGE_FAILURES for number in one.objects}
        return self.dataset[[number for number in range(len(self.dataset)) if number not in failed]]

    def __repr__(self) -> str:
        counts = f"{pluralize(len(self.problems), 'problem')}, {pluralize(len(self.notes), 'note')}"
        return f"CheckReport({self.dataset.name!r}, {counts}, input_size={self.input_size}, verdict={self.verdict!r})"

    def __str__(self) -> str:
        dataset = self.dataset
        objects = pluralize(sum(len(sample.boxes) for sample in dataset), "object")
        classes = pluralize(len(dataset.class_names), "class")
        unread = "" if self.images_read else " (images were not read)"
        parts = [
            f"{dataset.name}: {pluralize(len(dataset), 'image')}, {objects}, {classes}{unread}",
            class_table(self.classes) if self.classes else "",
            figures_table(self.figures, self.input_size) if self.figures.objects else "",
            _keypoints(dataset),
            _list("Problems", self.problems),
            _list("Notes", self.notes),
            f"Verdict: {self.verdict}.",
        ]
        return "\n\n".join(filter(None, parts))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-compatible values."""
        return {
            "dataset": self.dataset.name,
            "format": self.dataset.format,
            "images": len(self.dataset),
            "images_read": self.images_read,
            "input_size": list(self.input_size),
            "verdict": self.verdict,
            "trainable": self.trainable,
            "findings": [one.to_dict() for one in self.findings],
            "classes": [dataclasses.asdict(one) for one in self.classes],
            "figures": dataclasses.asdict(self.figures),
        }

    def to_json(self, path: str | Path, indent: int | None = None) -> None:
        """Write `to_dict` to a file."""
        Path(path).write_text(json.dumps(self.to_dict(), ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")

    def draw(self, count: int = SHEET) -> Image.Image:
        """A contact sheet (RGB) of at most `count` images: first those with problems, marked, then typical ones."""
        return compose([_tile(self, number) for number in chosen_images(self, count)])


def _keypoints(dataset: DatasetBase) -> str:
    """The keypoints: names, which mirror into which, how many are labeled, deviations; empty without any."""
    task = dataset.keypoints
    if task is None:
        return ""
    labeled = np.zeros(len(task.names), int)
    for sample in dataset:
        if sample.keypoints is not None:
            labeled += (sample.keypoints[..., 2] > 0).sum(axis=0)
    rows = [["keypoint", "mirrored", "labeled", "deviation"]]
    for number, name in enumerate(task.names):
        mirrored = task.names[task.flip[number]] if task.flip else name
        deviation = f"{task.deviations[number]:.3g}" if task.deviations else f"{DEFAULT_DEVIATION} (default)"
        rows.append([name, mirrored if mirrored != name else "itself", f"{labeled[number]:,}", deviation])
    text = f"Keypoints of {task.class_name}:\n{aligned_columns(rows, 2)}"
    if not task.flip or list(task.flip) == list(range(len(task.names))):
        text += (
            "\nNo left and right in these names: mirroring keeps each keypoint as it is; say flip= if that is wrong."
        )
    return text


def worst_first(findings: Sequence[Problem]) -> tuple[Problem, ...]:
    """Findings sorted by level; the order within a level is kept."""
    return tuple(sorted(findings, key=lambda one: LEVELS.index(one.level)))


def _list(title: str, findings: Sequence[Problem]) -> str:
    lines = [f"  {'! ' if one.level == 'fatal' else ''}{one}\n    {one.advice}" for one in findings]
    return "\n".join([f"{title}:", *lines]) if lines else ""


def chosen_images(report: CheckReport, count: int) -> list[int]:
    """Indices of the images on a contact sheet: those with problems, then typical ones."""
    queues = [list(one.objects) for one in report.problems]
    # The first image of each problem, then the second of each, and so on.
    ranked = itertools.chain.from_iterable(itertools.zip_longest(*queues))
    worst = [number for number in dict.fromkeys(ranked) if number is not None]
    typical = [number for number in _typical(report) if number not in set(worst)]
    shown = worst[: max(round(MAX_WORST * count), count - len(typical))]
    return [*shown, *typical[: count - len(shown)]]


def _typical(report: CheckReport) -> list[int]:
    """Images by how usual their number of objects is, but first one of each class, the rarest class first."""
    dataset = report.dataset
    counts = np.array([len(sample.boxes) for sample in dataset])
    usual = np.median(counts[counts > 0]) if (counts > 0).any() else 0
    # Shuffle images with equally many objects: neighbors are often alike.
    shuffled = np.random.default_rng(0).permutation(len(dataset))
    order = np.lexsort((shuffled, abs(counts - usual), counts == 0)).tolist()
    chosen: dict[int, None] = {}
    for class_id in sorted(range(len(report.classes)), key=lambda index: report.classes[index].objects):
        candidates = (number for number in order if number not in chosen and class_id in dataset[number].class_ids)
        chosen |= dict.fromkeys(list(itertools.islice(candidates, 1)))
    return list(dict.fromkeys([*chosen, *order]))


def _tile(report: CheckReport, number: int) -> Image.Image:
    sample = report.dataset[number]
    problems = [one for one in report.problems if number in one.objects]
    marks = {index: one.kind for one in reversed(problems) for index in one.objects[number]}
    caption = " · ".join([str(sample.image_id), *(one.kind for one in problems)])
    # Functions that render images may raise anything; the sheet is drawn all the same.
    try:
        image = sample.image
    except Exception as error:
        return failed_tile(caption, str(error))
    return draw_tile(image, sample, report.dataset, caption, marks, alarm=bool(problems))


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the library's warnings of a block instead of logging them, except those that a check repeats."""
    logger, warnings = logging.getLogger("centernet"), list[str]()

    def collect(record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:
            return True
        if not hasattr(record, REPORTED_BY_CHECK):
            warnings.append(record.getMessage())
        return False

    logger.addFilter(collect)
    try:
        yield warnings
    finally:
        logger.removeFilter(collect)


def with_reader_warnings(report: CheckReport[AnyDataset], warnings: Sequence[str]) -> CheckReport[AnyDataset]:
    """The report with the warnings of the dataset's reader as further problems."""
    advice = KINDS["reading"].advice
    problems = [Problem("reading", text.rstrip("."), 1, "problem", advice) for text in warnings]
    return dataclasses.replace(report, findings=worst_first([*problems, *report.findings]))
