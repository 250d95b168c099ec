"""Precision and recall: over each other, and over the least score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from centernet.evaluation.outcomes import Match

SCORES = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class ScoreCurves:
    """What is right at each least score, at an overlap of 0.5; NaN where it is a part of nothing.

    Attributes:
        scores: Least scores, float64 `(101,)`, 0 to 1.
        precision: Part of the detections that found an object, `(classes + 1, 101)`; the last row is all classes.
        recall: Part of the objects that were found, same shape.
    """

    scores: np.ndarray
    precision: np.ndarray
    recall: np.ndarray

    @property
    def f1(self) -> np.ndarray:
        """Harmonic mean of both, `(classes + 1, 101)`; 0 where nothing is found."""
        precision, recall = np.nan_to_num(self.precision), np.nan_to_num(self.recall)
        total = precision + recall
        return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)

    @property
    def best_score(self) -> float:
        """The least score where F1 of all classes is highest, in hundredths; the middle one if there are several."""
        best = np.flatnonzero(self.f1[-1] == self.f1[-1].max())
        return float(self.scores[best[len(best) // 2]])

    def at(self, score: float, class_id: int = -1) -> tuple[float, float]:
        """Precision and recall at a least score, of one class or of all."""
        # Rounding must not take the next hundredth.
        index = min(int(np.searchsorted(self.scores, score - 1e-9)), len(self.scores) - 1)
        return float(self.precision[class_id, index]), float(self.recall[class_id, index])


def score_curves(matches: Sequence[Match], classes: int) -> ScoreCurves:
    """Precision and recall over the least score.

    Args:
        matches: All images.
        classes: Number of classes.

    Returns:
        The curves of each class, and of all together.
    """
    kept = [~match.ignored for match in matches]
    scores = _joined([match.pair.found.scores[keep] for match, keep in zip(matches, kept, strict=True)], np.float32)
    found = _joined([match.pair.found.class_ids[keep] for match, keep in zip(matches, kept, strict=True)], np.int32)
    true = _joined([match.object_of[keep] >= 0 for match, keep in zip(matches, kept, strict=True)], bool)
    objects = np.bincount(_joined([match.class_ids for match in matches], np.int32), minlength=classes)
    rows = [(found == class_id, objects[class_id]) for class_id in range(classes)]
    rows.append((np.ones(len(found), bool), objects.sum()))
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


def _joined(arrays: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *arrays])
