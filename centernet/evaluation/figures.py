"""Figures by name: COCO's, those of single classes, and curves over the minimum score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from centernet.evaluation.coco import CocoCounts
from centernet.evaluation.matching import Match

SCORES = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class BoxFigures:
    """COCO's figures of boxes, 0–1; NaN without objects (of that size).

    Attributes:
        ap: Average precision, mean over the overlaps 0.50, 0.55 … 0.95 and the classes that have objects.
        ap50: At an overlap of 0.5.
        ap75: At an overlap of 0.75.
        ap_small: Of objects with an area below 32² pixels.
        ap_medium: Of objects with an area of 32² to 96² pixels.
        ap_large: Of objects with an area above 96² pixels.
        ar1: Average recall of the best detection of each image and class.
        ar10: Of the 10 best.
        ar100: Of the 100 best; `ar_small`, `ar_medium` and `ar_large` by area, as above.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float


@dataclass(frozen=True)
class KeypointFigures:
    """COCO's figures of keypoints, by their similarity (OKS) instead of overlap, 0–1; NaN without objects.

    Attributes:
        ap: Average precision, mean over the similarities 0.50, 0.55 … 0.95; `ap50` and `ap75` at 0.5 and 0.75,
            `ap_medium` and `ap_large` by area, see `BoxFigures`.
        ar: Average recall of the 20 best detections of each image; `ar50`, `ar75`, `ar_medium` and `ar_large` as above.
        class_name: Class that has the keypoints.
        objects: Number of objects with labeled keypoints to detect.
        sigmas: COCO's σ of each keypoint, by name.
    """

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_medium: float
    ar_large: float
    class_name: str
    objects: int
    sigmas: dict[str, float]


@dataclass(frozen=True)
class ClassFigures:
    """Figures of the boxes of one class, 0–1; NaN without objects.

    Attributes:
        name: The class.
        objects: Number of objects to detect.
        detections: Number of detections at or above the minimum score.
        ap: Average precision; `ap50`, `ap75` and `ar100`: see `BoxFigures`.
        precision: Share of the detections at or above the minimum score that match an object, at an overlap of 0.5.
        recall: Share of the objects that these detections match.
    """

    name: str
    objects: int
    detections: int
    ap: float
    ap50: float
    ap75: float
    ar100: float
    precision: float
    recall: float


@dataclass(frozen=True)
class ScoreCurves:
    """Precision and recall over the minimum score, at an overlap of 0.5; NaN without detections or objects.

    Attributes:
        scores: Minimum scores, float64 `(101,)`, 0 to 1.
        precision: Share of the detections that match an object, `(classes + 1, 101)`; the last row is all classes.
        recall: Share of the objects that are matched, same shape.
    """

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of both, `(classes + 1, 101)`; 0 without matches."""
        precision, recall = np.nan_to_num(self.precision), np.nan_to_num(self.recall)
        total = precision + recall
        return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)

    @property
    def best_score(self) -> float:
        """The minimum score with the highest F1 of all classes, in hundredths; the median one of equal ones."""
        best = np.flatnonzero(self.f1[-1] == self.f1[-1].max())
        return float(self.scores[best[len(best) // 2]])

    def at(self, score: float, class_id: int = -1) -> tuple[float, float]:
        """Precision and recall at a minimum score, of one class or of all."""
        # The tolerance keeps rounding from selecting the next hundredth.
        index = min(int(np.searchsorted(self.scores, score - 1e-9)), len(self.scores) - 1)
        return float(self.precision[class_id, index]), float(self.recall[class_id, index])


def box_figures(counted: CocoCounts) -> BoxFigures:
    """The twelve figures of COCO's evaluation."""
    precisions = [counted.ap(overlap) for overlap in (None, 0.5, 0.75)] + [counted.ap(size=size) for size in (1, 2, 3)]
    recalls = [counted.ar(limit) for limit in range(3)] + [counted.ar(size=size) for size in (1, 2, 3)]
    return BoxFigures(*precisions, *recalls)


def keypoint_figures(counted: CocoCounts, class_name: str, objects: int, sigmas: dict[str, float]) -> KeypointFigures:
    """The ten figures of COCO's evaluation."""
    selections: dict[str, Any] = {
        "": {},
        "50": {"overlap": 0.5},
        "75": {"overlap": 0.75},
        "_medium": {"size": 1},
        "_large": {"size": 2},
    }
    figures = {f"ap{name}": counted.ap(**selection) for name, selection in selections.items()}
    figures |= {f"ar{name}": counted.ar(**selection) for name, selection in selections.items()}
    return KeypointFigures(**figures, class_name=class_name, objects=objects, sigmas=sigmas)


def score_curves(matches: Sequence[Match], classes: int) -> ScoreCurves:
    """Precision and recall over the minimum score of at least one image."""
    scores = np.concatenate([match.pair.detections.scores[~match.ignored] for match in matches])
    class_ids = np.concatenate([match.pair.detections.class_ids[~match.ignored] for match in matches])
    true = np.concatenate([match.object_of[~match.ignored] >= 0 for match in matches])
    objects = np.bincount(np.concatenate([match.class_ids for match in matches]), minlength=classes)
    rows = [(class_ids == class_id, objects[class_id]) for class_id in range(classes)]
    rows.append((np.ones(len(scores), bool), objects.sum()))
    curves = [_curve(scores[chosen], true[chosen], int(count)) for chosen, count in rows]
    return ScoreCurves(SCORES, np.array([p for p, _ in curves]), np.array([r for _, r in curves]))


def _curve(scores: np.ndarray, true: np.ndarray, objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at `SCORES`."""
    limits = SCORES.astype(np.float32)
    above = len(scores) - np.searchsorted(np.sort(scores), limits)
    right = int(true.sum()) - np.searchsorted(np.sort(scores[true]), limits)
    nothing = np.full(len(limits), np.nan)
    precision = np.divide(right, above, out=nothing.copy(), where=above > 0)
    return precision, right / objects if objects else nothing
