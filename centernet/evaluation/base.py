"""What an evaluation says: `Evaluation`."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from centernet.evaluation.coco import RECALLS, Counted, at
from centernet.evaluation.confusion import Confusion, confuse
from centernet.evaluation.curves import ScoreCurves
from centernet.evaluation.figures import BoxFigures, ClassFigures, KeypointFigures
from centernet.evaluation.outcomes import Match, Outcome

if TYPE_CHECKING:
    import os


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(BoxFigures):
    """How well a detector did on a dataset; the figures of boxes are attributes: `evaluation.ap`.

    `str()` gives a table.

    Attributes:
        keypoints: Figures of keypoints, or None where the dataset or the detector has none.
        class_names: Of the dataset.
        score: The least score at which single detections are looked at (in `classes`, `confusion`, `worst` and the
            pictures), whereas the figures of COCO take all: the one asked for, or where F1 is highest.
        model: What was evaluated.
        dataset: Name of the dataset.
        settings: How it was evaluated, by name.
        images: Number of images that were read.
        objects: Number of objects that were asked for.
        ignored: Number of objects that were neither asked for nor wrong: crowds and the like.
        left_out: The objects that can't be found, and why: a box without an area, a class that the dataset doesn't
            name. As if they weren't there.
        skipped: The images that could not be read, and why. As if they weren't there.
        seconds: Time for detecting, and for counting afterwards; None where detections were given.
        counted: What COCO's evaluation counted.
        score_curves: Precision and recall over the least score.
        matches: What was found in each image, in the order of image ids.
    """

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
    counted: Counted
    score_curves: ScoreCurves
    matches: tuple[Match, ...]

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Each image at `score`, in the order of image ids."""
        return tuple(match.above(self.score) for match in self.matches)

    @cached_property
    def classes(self) -> tuple[ClassFigures, ...]:
        """Figures of each class."""
        names = range(len(self.class_names))
        objects = np.sum([np.bincount(m.class_ids, minlength=len(names)) for m in self.matches], axis=0)
        shown = [o.match.pair.found.class_ids[o.true | o.false] for o in self.outcomes]
        found = np.sum([np.bincount(ids, minlength=len(names)) for ids in shown], axis=0)
        return tuple(self._of_class(k, int(objects[k]), int(found[k])) for k in names)

    def _of_class(self, class_id: int, objects: int, found: int) -> ClassFigures:
        precision, recall = self.score_curves.at(self.score, class_id)
        return ClassFigures(
            self.class_names[class_id],
            objects,
            found,
            ap=self.counted.ap(class_id=class_id),
            ap50=self.counted.ap(0.5, class_id=class_id),
            ap75=self.counted.ap(0.75, class_id=class_id),
            ar100=self.counted.ar(class_id=class_id),
            precision=precision,
            recall=recall,
        )

    @cached_property
    def confusion(self) -> Confusion:
        """What objects were taken for, and kinds of mistakes, at `score`."""
        return confuse(self.outcomes, self.class_names)

    def precision_recall(self, overlap: float | None = 0.5, class_id: int | None = None) -> np.ndarray:
        """Precision at 101 recalls, 0 to 1.

        Args:
            overlap: One of 0.50, 0.55 … 0.95; None for their mean.
            class_id: One class; None for the mean of those that have objects.

        Returns:
            float64 `(101,)`; NaN without objects.

        Raises:
            ConfigError: If the overlap is none of these.
        """
        precision = self.counted.precision[:, :, :, 0, -1]
        precision = precision if overlap is None else precision[[at(overlap)]]
        chosen = precision[:, :, slice(None) if class_id is None else [class_id]]
        known = ~np.isnan(chosen)
        return np.divide(
            np.where(known, chosen, 0).sum(axis=(0, 2)),
            known.sum(axis=(0, 2)),
            out=np.full(len(RECALLS), np.nan),
            where=known.any(axis=(0, 2)),
        )

    def worst(self, number: int = 12) -> list[Outcome]:
        """The images with most mistakes (false detections and missed objects), at `score`.

        Args:
            number: At most as many.

        Returns:
            The worst first; of equal ones those with the lower F1. Images without a mistake are not among them.
        """
        wrong = [outcome for outcome in self.outcomes if outcome.mistakes]
        return sorted(wrong, key=lambda outcome: (-outcome.mistakes, outcome.f1))[:number]

    def __str__(self) -> str:
        from centernet.evaluation.table import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"Evaluation(ap={self.ap:.4f}, ap50={self.ap50:.4f}, {self.model} on {self.images} images)"

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON; None stands for figures that nothing is known of."""
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
            "worst_images": [_image(outcome) for outcome in self.worst(50)],
        }
        return _plain(values)

    def to_json(self, path: str | os.PathLike[str] | None = None, *, indent: int | None = None) -> str:
        """`to_dict` as JSON.

        Args:
            path: File to write it to as well, or None.
            indent: Spaces per level; None gives one line.

        Returns:
            The text.
        """
        text = json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    def report(self, folder: str | os.PathLike[str], **options: Any) -> Path:
        """Write `report.html`, one page with tables, charts and the worst images in it, and `report.json`.

        Args:
            folder: Where to; it is created if it is not there.
            **options: Those of `centernet.evaluation.report.write_report`.

        Returns:
            The page.

        Raises:
            ConfigError: If there is a report already and `overwrite` is not set.
        """
        from centernet.evaluation.report import write_report

        return write_report(self, Path(folder), **options)


def _image(outcome: Outcome) -> dict[str, Any]:
    sample = outcome.match.pair.sample
    counts = {name: int(getattr(outcome, name).sum()) for name in ("true", "false", "missed")}
    return {"image_id": sample.image_id, "name": sample.name, **counts, "f1": outcome.f1}


def _plain(value: Any) -> Any:
    """Plain Python values of dictionaries, sequences, arrays and numbers; None for NaN."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 9) if math.isfinite(value) else None
    return value
