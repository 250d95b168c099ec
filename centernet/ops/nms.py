"""Soft-NMS (Bodla 2017, arXiv 1704.04503) and box voting on the host (NumPy, no Keras).

`exact` reproduces the reference of Keypoint Triplets bit for bit, defects included. It works on float32 rows
`x0 y0 x1 y1 score w0 w1`, in place:

- Box sides are one pixel longer than the difference of their coordinates.
- A row whose score falls below the limit is overwritten by the last one and the count shrinks, but the caller
  continues with all rows: the tail repeats rows as they were at that moment, and a low-scoring row that overlaps
  nothing stays.
- In a vote the weights `w0` and `w1` keep their places when boxes and scores are swapped.
- The order of operations, and so all rounding, is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from centernet.errors import ConfigError
from centernet.files.validation import check_types

TINY = np.float32(1e-30)  # scores below it count as 0; minimum union, for boxes without area


@dataclass(frozen=True)
class SuppressionSettings:
    """How a box that overlaps a better box of its class loses score.

    Attributes:
        method: Factor of the score: `"gaussian"`: exp(-IoU² / sigma); above `iou_threshold`, `"linear"`: 1 - IoU,
            `"hard"`: 0.
        sigma: Width of the Gaussian.
        iou_threshold: See `method`.
        min_score: Boxes are dropped when their score falls below it.
        voting_exponent: None: boxes are unchanged. A number: a picked box moves to the weighted mean of itself and the
            boxes that lose score to it, weighted by corner score times (1 - decay factor) to this power. The
            reference uses 10 with several scales.
    """

    method: Literal["gaussian", "linear", "hard"] = "gaussian"
    sigma: float = 0.5
    iou_threshold: float = 0.5
    min_score: float = 0.001
    voting_exponent: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_types(self)
        if self.sigma <= 0 or not 0 <= self.iou_threshold <= 1 or not 0 <= self.min_score <= 1:
            raise ConfigError(
                "Expected a positive sigma, and iou_threshold and min_score of 0–1. Received: "
                f"sigma={self.sigma}, iou_threshold={self.iou_threshold}, min_score={self.min_score}"
            )
        if self.voting_exponent is not None and self.voting_exponent <= 0:
            raise ConfigError(
                f"Expected a positive voting_exponent, or None. Received: voting_exponent={self.voting_exponent}"
            )


class Suppressed(NamedTuple):
    """Boxes after soft-NMS, best first.

    `rows` are indices into the input, int64 `(m,)`, to select keypoints and the like. `scores` is float32 `(m,)`;
    `boxes` is float32 `(m, 4)` and differs from the input only with voting.
    """

    rows: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray


class ExactRows(NamedTuple):
    """All rows after the reference's soft-NMS, the stale tail included.

    `rows` are indices into the input, int64 `(n,)`, repeated in the tail; `boxes` float32 `(n, 4)`; `scores` float32
    `(n,)`; `fresh` is the number of rows before the tail.
    """

    rows: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    fresh: int


class Candidates(NamedTuple):
    """Boxes `(n, 4)`, their scores `(n,)` and the weights of their two corners `(n, 2)`, all float32."""

    boxes: np.ndarray
    scores: np.ndarray
    weights: np.ndarray

    def take(self, index: np.ndarray) -> Candidates:
        """Select rows by index."""
        return Candidates(*(column[index] for column in self))


def soft_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray | None = None,
    settings: SuppressionSettings | None = None,
    *,
    corner_scores: np.ndarray | None = None,
    max_detections: int | None = None,
    exact: bool = False,
) -> Suppressed:
    """Lower the scores of boxes that overlap a better box of their class.

    The best box is picked, the rest of its class loses score by overlap with it, and so on. The result doesn't
    depend on the order of the rows: ties are broken by class, then from left to right, then top to bottom. Rows
    with a score, coordinate or weight that is NaN or infinite are dropped.

    Args:
        boxes: `(n, 4)` as `x0 y0 x1 y1`, in any unit (pixels if `exact`).
        scores: `(n,)`; boxes without a positive score are dropped.
        class_ids: `(n,)`; None: all boxes have the same class.
        settings: Method and limits; by default a Gaussian without voting.
        corner_scores: Voting weights of the top-left and the bottom-right corner, `(n, 2)`; the scores by default.
        max_detections: Maximum number of boxes to keep.
        exact: Reproduce the reference of Keypoint Triplets (see the module). Results are ordered by class, and within
            a class as in the reference, so `rows` may repeat a row. Ties with the last kept score are kept too.

    Raises:
        ConfigError: The shapes don't match, or `max_detections` is below 1.

    Example:
        >>> import numpy as np
        >>> boxes = np.float32([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
        >>> kept = soft_nms(boxes, np.float32([0.9, 0.8, 0.7]), settings=SuppressionSettings("hard"))
        >>> kept.rows.tolist()
        [0, 2]
    """
    settings = settings or SuppressionSettings()
    rows, classes = _candidates(boxes, scores, class_ids, corner_scores, max_detections)
    finite = np.flatnonzero(np.isfinite(np.column_stack(rows)).all(axis=1))
    # By class, and within a class by values alone, best first.
    values = [] if exact else [*rows.weights.T, *rows.boxes.T[::-1], -rows.scores]
    order = finite[np.lexsort([key[finite] for key in (*values, classes)])]
    starts = np.flatnonzero(np.diff(classes[order], prepend=np.nan))
    ordered = rows.take(order)
    if exact:
        kept = _suppress_exactly(ordered, starts, settings)
        best = np.flatnonzero(kept.scores >= _kth_best(kept.scores, max_detections))
    else:
        kept = _suppress(ordered, starts, settings, max_detections)
        best = np.lexsort([kept.rows, -kept.scores])[:max_detections]
    return Suppressed(order[kept.rows[best]], kept.scores[best], kept.boxes[best])


def _candidates(
    boxes: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray | None,
    corner_scores: np.ndarray | None,
    max_detections: int | None,
) -> tuple[Candidates, np.ndarray]:
    """Check the arguments of `soft_nms`; return its rows and their classes."""
    boxes, scores = np.asarray(boxes, np.float32), np.asarray(scores, np.float32)
    classes = np.zeros(scores.shape, int) if class_ids is None else np.asarray(class_ids)
    weights = np.stack([scores, scores], axis=-1) if corner_scores is None else np.asarray(corner_scores, np.float32)
    count = boxes.shape[0] if boxes.ndim else 0
    shapes = [array.shape for array in (boxes, scores, classes, weights)]
    if shapes != [(count, 4), (count,), (count,), (count, 2)]:
        raise ConfigError(
            "Expected boxes (n, 4), scores (n,), class_ids (n,) and corner_scores (n, 2). Received shapes: "
            + ", ".join(map(str, shapes))
        )
    if max_detections is not None and max_detections < 1:
        raise ConfigError(f"Expected max_detections of at least 1, or None. Received: {max_detections}")
    return Candidates(boxes, scores, weights), classes


def _kth_best(scores: np.ndarray, count: int | None) -> float:
    return -np.inf if count is None or len(scores) <= count else float(np.partition(scores, -count)[-count])


def _concatenate(parts: Sequence[Suppressed]) -> Suppressed:
    empty = Suppressed(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))
    return Suppressed(*map(np.concatenate, zip(empty, *parts, strict=True)))


def _suppress(rows: Candidates, starts: np.ndarray, settings: SuppressionSettings, count: int | None) -> Suppressed:
    """Soft-NMS of the classes that begin at `starts`: at most `count` boxes of each, unordered.

    Classes of similar size are processed together: a step of many classes costs little more than that of one.
    """
    sizes = np.diff(starts, append=len(rows.scores))
    magnitudes = np.frexp(sizes)[1]
    parts = []
    for magnitude in np.unique(magnitudes):
        start, size = starts[magnitudes == magnitude, None], sizes[magnitudes == magnitude, None]
        slots = np.arange(size.max())
        parts.append(_suppress_classes(rows, np.where(slots < size, start + slots, -1), settings, count))
    return _concatenate(parts)


def _suppress_classes(
    rows: Candidates, index: np.ndarray, settings: SuppressionSettings, count: int | None
) -> Suppressed:
    """Soft-NMS of several classes at once; `index` has the rows of each, `(c, n)`, padded with -1."""
    min_score = max(np.float32(settings.min_score), TINY)
    classes, steps = np.arange(len(index)), index.shape[1]
    boxes = _with_areas(np.moveaxis(rows.boxes, 1, 0)[:, index])
    scores = np.where(index < 0, np.float32(0), rows.scores[index])
    weights = np.moveaxis(rows.weights, 1, 0)[:, index]
    picked, kept_scores, votes = [], [], []
    for _ in range(steps if count is None else min(count, steps)):
        best = scores.argmax(axis=1)
        score = scores[classes, best]
        if score.max() < min_score:
            break
        picked.append(index[classes, best])
        kept_scores.append(score)
        factors = _decay(_iou(boxes[:, classes, best, None], boxes), settings)
        factors[classes, best] = 0
        if settings.voting_exponent is not None:
            loss = np.where(scores < min_score, 0, 1 - factors.astype(np.float64))
            votes.append(_vote_sums(boxes[:4], weights, loss**settings.voting_exponent))
        scores *= factors
    scores, source = np.array(kept_scores, np.float32).ravel(), np.array(picked, np.int64).ravel()
    boxes = rows.boxes[source]
    if votes:
        boxes = _weighted_means(boxes, np.concatenate(votes, axis=-1))
    alive = scores >= min_score
    return Suppressed(source[alive], scores[alive], boxes[alive])


def _with_areas(boxes: np.ndarray) -> np.ndarray:
    """Boxes `(4, ...)` with their areas as a fifth row."""
    x0, y0, x1, y1 = boxes
    return np.concatenate([boxes, (np.maximum(x1 - x0, 0) * np.maximum(y1 - y0, 0))[None]])


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """IoU of the results of `_with_areas`; 0 for boxes without area."""
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    return shared / np.maximum(a[4] + b[4] - shared, TINY)


def _decay(iou: np.ndarray, settings: SuppressionSettings) -> np.ndarray:
    """Score factors, float32, for the IoU with a better box."""
    if settings.method == "gaussian":
        return np.exp(iou * iou * np.float32(-1 / settings.sigma))
    lower = 1 - iou if settings.method == "linear" else np.float32(0)
    return np.where(iou > np.float32(settings.iou_threshold), lower, np.float32(1))


def _vote_sums(boxes: np.ndarray, weights: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Sums over the voters of each class, `(8, c)`: of the weights, and of the weighted coordinates."""
    weights = np.repeat(weights, 2, axis=0) * factors
    return np.concatenate([weights.sum(axis=-1), (weights * boxes).sum(axis=-1)])


def _weighted_means(boxes: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Move boxes to the weighted means of their voters; a corner with zero total weight is unchanged."""
    weights, sums = votes[:4].T, votes[4:].T
    means = np.divide(sums, weights, out=boxes.astype(np.float64), where=weights > 0)
    return means.astype(np.float32)


def _suppress_exactly(rows: Candidates, starts: np.ndarray, settings: SuppressionSettings) -> Suppressed:
    parts = []
    for start, size in zip(starts, np.diff(starts, append=len(rows.scores)), strict=True):
        one = rows.take(np.arange(start, start + size))
        kept = soft_nms_exact(one.boxes, one.scores, settings, one.weights)
        parts.append(Suppressed(start + kept.rows, kept.scores, kept.boxes))
    return _concatenate(parts)


def soft_nms_exact(
    boxes: np.ndarray, scores: np.ndarray, settings: SuppressionSettings, corner_scores: np.ndarray
) -> ExactRows:
    """The reference's soft-NMS of one class; arguments as in `soft_nms`, all float32, boxes in pixels."""
    source, weights = np.arange(len(boxes)), np.repeat(corner_scores, 2, axis=1)
    table = np.concatenate([boxes, scores[:, None]], axis=1, dtype=np.float32)
    voted, fresh = boxes.astype(np.float32), len(boxes)
    for place in range(len(boxes)):
        if place < fresh:
            best = place + int(table[place:fresh, 4].argmax())
            for column in (source, table):
                column[[place, best]] = column[[best, place]]
        behind = slice(place + 1, max(fresh, place + 1))
        rest = table[behind]
        overlaps, decay = _exact_decay(table[place, :4], rest[:, :4], settings)
        lowered = np.where(overlaps, decay * rest[:, 4], rest[:, 4])
        rows, places, count = _visits(overlaps & (lowered < np.float32(settings.min_score)))
        if settings.voting_exponent is not None:
            factors = np.where(overlaps, _float32_power(1 - decay, settings.voting_exponent), np.float32(0))
            voted[place] = _exact_vote(
                table[place, :4], weights[place], rest[rows, :4], weights[behind][places], factors[rows]
            )
        after = np.concatenate([rest[:, :4], lowered[:, None]], axis=1)
        last_visit = dict(zip(places, rows, strict=True))  # a place that is visited again keeps its last row
        places, rows = list(last_visit), list(last_visit.values())
        source[behind][places], table[behind][places] = source[behind][rows], after[rows]
        fresh = min(fresh, place + 1 + count)
    boxes = table[:, :4] if settings.voting_exponent is None else voted
    return ExactRows(source, boxes, table[:, 4], fresh)


def _exact_decay(box: np.ndarray, rest: np.ndarray, settings: SuppressionSettings) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes overlap one, and their score factors; the reference's 1 is a float64, its results are float32."""
    sides = np.minimum(box[2:], rest[:, 2:]) - np.maximum(box[:2], rest[:, :2])
    width, height = (sides.astype(np.float64) + 1).astype(np.float32).T
    own, sides = box[2:] - box[:2], rest[:, 2:] - rest[:, :2]
    own_area, areas = ((side.astype(np.float64) + 1).prod(axis=-1) for side in (own, sides))
    shared, overlaps = width * height, (width > 0) & (height > 0)
    union = (own_area + areas.astype(np.float32) - shared).astype(np.float32)
    iou = shared / np.where(overlaps, union, np.float32(1))
    if settings.method == "gaussian":
        return overlaps, np.exp((-(iou * iou) / np.float32(settings.sigma)).astype(np.float64)).astype(np.float32)
    return overlaps, _decay(iou, settings)


def _float32_power(base: np.ndarray, exponent: float) -> np.ndarray:
    """Powers as in the C library: computed in float64, rounded once."""
    return (base.astype(np.float64) ** np.float64(np.float32(exponent))).astype(np.float32)


def _exact_vote(
    box: np.ndarray, weight: np.ndarray, rest: np.ndarray, weights: np.ndarray, factors: np.ndarray
) -> np.ndarray:
    """Weighted mean of a box and its voters, summed one by one as in the reference."""
    moved = np.concatenate([(box * weight)[None], rest * weights * factors[:, None]])
    total = np.concatenate([weight[None], weights * factors[:, None]])
    moved, total = (np.cumsum(terms, axis=0, dtype=np.float32)[-1] for terms in (moved, total))
    # The reference divides by zero if all weights are 0.
    return np.where(total == 0, box, moved / np.where(total == 0, np.float32(1), total))


def _visits(dropped: np.ndarray) -> tuple[list[int], list[int], int]:
    """Rows in the reference's order of visit, the place of each visit, and the number of rows that remain.

    `dropped`, bool `(m,)`, marks the rows whose score falls below the limit.
    """
    end = len(dropped)
    if not dropped.any():
        return list(range(end)), list(range(end)), end
    rows, places, flags = [], [], dropped.tolist()
    place = row = 0
    while place < end:
        rows.append(row)
        places.append(place)
        if flags[row]:
            end -= 1
            row = end  # the last row moves to this place and is visited next
        else:
            place += 1
            row = place
    return rows, places, end
