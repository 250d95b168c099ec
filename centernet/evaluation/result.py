"""`Evaluation`: figures, a text table and a report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centernet.evaluation.base import UNKNOWN, EvaluationBase, figure
from centernet.evaluation.report import write_report
from centernet.files.formatting import aligned_columns, pluralize

MAX_CLASSES = 100
MAX_CASES = 10


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(EvaluationBase):
    """The figures of a detector on a dataset; those of boxes are attributes: `evaluation.ap`.

    `str()` gives a table.

    Attributes:
        keypoints: Figures of keypoints, or None if the dataset or the detector has none.
        class_names: Of the dataset.
        score: Minimum score of the detections in `classes`, `confusion`, `worst` and the pictures: the given one, or
            the one with the highest F1. COCO's figures count all detections.
        model: Name of the detector.
        dataset: Name of the dataset.
        settings: Settings of the detector, by name.
        images: Number of images read.
        objects: Number of objects to detect.
        ignored: Number of objects that are ignored (neither positive nor negative): crowds and the like.
        left_out: The objects that can't be detected, and why: a box without area, a class that is not in the dataset.
            They don't count.
        skipped: The images that could not be read, and why. They don't count.
        seconds: Time for detection and for counting; None for given detections.
        counted: Precision and recall as counted by COCO's evaluation.
        score_curves: Precision and recall over the minimum score.
        matches: Detections matched to objects, per image in the order of image ids.
    """

    def __str__(self) -> str:
        p = self.keypoints
        blocks = [
            f"{self.model} on {self.dataset}: {pluralize(self.images, 'image')}, {pluralize(self.objects, 'object')}"
        ]
        rows = [
            ["boxes", "AP", "AP50", "AP75", "small", "medium", "large"],
            ["", *map(figure, (self.ap, self.ap50, self.ap75, self.ap_small, self.ap_medium, self.ap_large))],
            ["", "AR1", "AR10", "AR100", "small", "medium", "large"],
            ["", *map(figure, (self.ar1, self.ar10, self.ar100, self.ar_small, self.ar_medium, self.ar_large))],
        ]
        blocks.append(aligned_columns(rows))
        if p:
            rows = [
                ["keypoints", "AP", "AP50", "AP75", "medium", "large"],
                ["", *map(figure, (p.ap, p.ap50, p.ap75, p.ap_medium, p.ap_large))],
                ["", "AR", "AR50", "AR75", "medium", "large"],
                ["", *map(figure, (p.ar, p.ar50, p.ar75, p.ar_medium, p.ar_large))],
            ]
            blocks.append(aligned_columns(rows))
        blocks += [_class_table(self), *(_case_list(heading, cases) for heading, cases in self.notes())]
        return "\n\n".join(blocks)

    def __repr__(self) -> str:
        data = f"{self.dataset!r}, {pluralize(self.images, 'image')}"
        return f"Evaluation(ap={self.ap:.4f}, ap50={self.ap50:.4f}, {self.model!r} on {data})"

    def report(self, folder: str | os.PathLike[str], **options: Any) -> Path:
        """Write `report.html`, one page with tables, charts and the worst images, and `report.json`.

        Args:
            folder: Folder of the report; it is created if it doesn't exist.
            **options: Those of `centernet.evaluation.report.write_report`.

        Returns:
            The path of the page.

        Raises:
            ConfigError: If there is a report already and `overwrite` is not set.
        """
        return write_report(self, Path(folder), **options)


def _class_table(evaluation: EvaluationBase) -> str:
    rows = [["class", "objects", "AP", "AP50", "AP75", "AR100", f"precision at {evaluation.score:.2f}", "recall"]]
    for one in evaluation.classes[:MAX_CLASSES]:
        if one.objects:
            figures = map(figure, (one.ap, one.ap50, one.ap75, one.ar100, one.precision, one.recall))
            rows.append([one.name, f"{one.objects:,}", *figures])
        else:
            rows.append([one.name, "no objects", *[UNKNOWN] * 6])
    more = len(evaluation.classes) - MAX_CLASSES
    return aligned_columns(rows) + (f"\n… {more} more" if more > 0 else "")


def _case_list(heading: str, cases: Sequence[str]) -> str:
    lines = [f"  {case}" for case in cases[:MAX_CASES]]
    more = len(cases) - MAX_CASES
    return "\n".join([heading + (":" if lines else ""), *lines, *([f"  … {more} more"] if more > 0 else [])])
