"""The data of an `Evaluation`. The text table and the report take this type."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from centernet.evaluation.coco import RECALLS, CocoCounts
from centernet.evaluation.figures import BoxFigures, ClassFigures, KeypointFigures, ScoreCurves
from centernet.evaluation.matching import Confusion, Match, Outcome, confuse
from centernet.files.formatting import pluralize
from centernet.files.validation import to_plain

UNKNOWN = "–"


@dataclass(frozen=True, eq=False, repr=False)
class EvaluationBase(BoxFigures):
    """Fields and derived figures of `Evaluation`, which documents the fields."""

    keypoints: KeypointFigures | None
    class_names: tuple[str, ...]
    score: float
    model: str
    dataset: str
    settings: dict[str, Any]
    images: int
    objects: int
    ignored: int
    left_out: tuple[str, ...]
    skipped: tuple[str, ...]
    seconds: tuple[float, float] | None
    counted: CocoCounts
    score_curves: ScoreCurves
    matches: tuple[Match, ...]

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Each image at `score`, in the order of image ids."""
        return tuple(match.above(self.score) for match in self.matches)

    @cached_property
    def classes(self) -> tuple[ClassFigures, ...]:
        """Figures of each class."""
        count = len(self.class_names)
        objects = np.sum([np.bincount(m.class_ids, minlength=count) for m in self.matches], axis=0).tolist()
        counted = [o.match.pair.detections.class_ids[o.true | o.false] for o in self.outcomes]
        detections = np.sum([np.bincount(ids, minlength=count) for ids in counted], axis=0).tolist()
        figures = []
        for k, (name, wanted, made) in enumerate(zip(self.class_names, objects, detections, strict=True)):
            ap, ap50, ap75 = (self.counted.ap(overlap, class_id=k) for overlap in (None, 0.5, 0.75))
            precision, recall = self.score_curves.at(self.score, k)
            ar100 = self.counted.ar(class_id=k)
            figures.append(ClassFigures(name, wanted, made, ap, ap50, ap75, ar100, precision, recall))
        return tuple(figures)

    @cached_property
    def confusion(self) -> Confusion:
        """Confusion matrix and kinds of mistakes at `score`."""
        return confuse(self.outcomes, self.class_names)

    def precision_recall(self, overlap: float | None = 0.5, class_id: int | None = None) -> np.ndarray:
        """Precision at 101 recalls, 0 to 1.

        Args:
            overlap: One of 0.50, 0.55 … 0.95; None for their mean.
            class_id: One class; None for the mean of those that have objects.

        Returns:
            float64 `(101,)`; NaN without objects.

        Raises:
            ConfigError: If the overlap is not one of these.
        """
        return self.counted.curve(overlap, class_id)

    def worst(self, number: int = 12) -> list[Outcome]:
        """At most `number` images with the most mistakes (false detections and missed objects) at `score`.

        The worst come first; ties are ordered by ascending F1. Images without a mistake are left out.
        """
        wrong = [outcome for outcome in self.outcomes if outcome.mistakes]
        return sorted(wrong, key=lambda outcome: (-outcome.mistakes, outcome.f1))[:number]

    def notes(self) -> list[tuple[str, Sequence[str]]]:
        """What the figures leave out: a heading and the single cases."""
        notes: list[tuple[str, Sequence[str]]] = []
        if self.skipped:
            notes.append((f"{pluralize(len(self.skipped), 'image')} could not be read", self.skipped))
        if self.left_out:
            notes.append((f"{pluralize(len(self.left_out), 'object')} left out", self.left_out))
        if self.ignored:
            notes.append((f"{pluralize(self.ignored, 'crowd')} ignored (neither positive nor negative)", ()))
        return notes

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON; None for unknown figures."""
        curves, points = self.score_curves, self.keypoints
        values = {
            "model": self.model,
            "dataset": self.dataset,
            "settings": self.settings,
            "images": self.images,
            "objects": self.objects,
            "ignored_objects": self.ignored,
            "left_out": self.left_out,
            "skipped": self.skipped,
            "seconds": dict(zip(("detecting", "counting"), self.seconds, strict=True)) if self.seconds else None,
            "boxes": {field.name: getattr(self, field.name) for field in dataclasses.fields(BoxFigures)},
            "keypoints": dataclasses.asdict(points) if points else None,
            "score": self.score,
            "classes": [dataclasses.asdict(one) for one in self.classes],
            "mistakes": {**self.confusion.mistakes, "missed": sum(int(o.missed.sum()) for o in self.outcomes)},
            "confusion": {"classes": self.class_names, "counts": self.confusion.counts},
            "precision_recall": {
                "recall": RECALLS,
                "precision": self.precision_recall(None),
                "precision50": self.precision_recall(0.5),
                "precision75": self.precision_recall(0.75),
                "classes50": [self.precision_recall(0.5, class_id) for class_id in range(len(self.class_names))],
            },
            "score_curves": {"score": curves.scores, "precision": curves.precision[-1], "recall": curves.recall[-1]},
            "worst_images": [outcome.summary() for outcome in self.worst(50)],
        }
        return _rounded(to_plain(values))

    def to_json(self, path: str | os.PathLike[str] | None = None, *, indent: int | None = None) -> str:
        """`to_dict` as JSON text, also written to the file `path` if given; `indent` in spaces, None for one line."""
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text


def figure(value: float) -> str:
    """A figure with three decimals and without the leading zero, as in .294."""
    return UNKNOWN if math.isnan(value) else f"{value:.3f}".removeprefix("0")


def _rounded(value: Any) -> Any:
    """Floats with nine decimals, None for NaN."""
    if isinstance(value, dict):
        return {str(key): _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, float):
        return round(value, 9) if math.isfinite(value) else None
    return value
