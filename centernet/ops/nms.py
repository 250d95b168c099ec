"""Soft-NMS (Bodla 2017, arXiv 1704.04503) and voting of boxes, on the host (NumPy)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from centernet.errors import ConfigError
from centernet.ops.nms_exact import soft_nms_exact
from centernet.ops.suppression import SuppressionSettings

TINY = np.float32(1e-30)  # a score that is not above 0, and the union of two boxes without area


class Suppressed(NamedTuple):
    """What is left of boxes after soft-NMS, best first.

    `rows` are the rows of the input, int64 `(m,)`: by them keypoints, and whatever else belongs to a box, follow.
    `scores` float32 `(m,)`; `boxes` float32 `(m, 4)`, different from the input's only when boxes vote.
    """

    rows: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray


class Candidates(NamedTuple):
    """Boxes `(n, 4)`, their scores `(n,)` and the weights of their two corners `(n, 2)`, all float32."""

    boxes: np.ndarray
    scores: np.ndarray
    weights: np.ndarray

    def at(self, index: np.ndarray) -> Candidates:
        """The rows of an index."""
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
    """Lower the scores of boxes that overlap a better one of their class.

    The best box is picked, the others of its class lose score by how much they overlap it, and so on. The result
    doesn't depend on the order of the rows: equal scores go by class, then from left to right, then downwards.
    Rows with a score, coordinate or weight that is not finite are dropped.

    Args:
        boxes: `(n, 4)` as `x0 y0 x1 y1`, in any unit (with `exact`: pixels).
        scores: `(n,)`; boxes without a positive one are dropped.
        class_ids: `(n,)`; without them all boxes are of one class.
        settings: Method and limits; by default a Gaussian without voting.
        corner_scores: Weights of the upper left and of the lower right corner in votes, `(n, 2)`; by default
            the scores.
        max_detections: Keep this many of the best.
        exact: Do what the reference of Keypoint Triplets does, bit for bit (see `nms_exact`): by class, within it
            in the reference's order, stale rows included, so that `rows` may name a row twice. Where
            `max_detections` cuts, boxes with the score of the last one stay too.

    Returns:
        What is left.

    Raises:
        ConfigError: If the arrays don't fit each other, or `max_detections` is below 1.

    Example:
        >>> import numpy as np
        >>> boxes = np.float32([[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
        >>> left = soft_nms(boxes, np.float32([0.9, 0.8, 0.7]), settings=SuppressionSettings("hard"))
        >>> left.rows.tolist()
        [0, 2]
    """
    settings = settings or SuppressionSettings()
    rows, classes = _checked(boxes, scores, class_ids, corner_scores, max_detections)
    finite = np.flatnonzero(np.isfinite(np.column_stack(rows)).all(axis=1))
    # By class; within it in an order that follows from the values alone, best first.
    values = [] if exact else [*rows.weights.T, *rows.boxes.T[::-1], -rows.scores]
    order = finite[np.lexsort([key[finite] for key in (*values, classes)])]
    starts = np.flatnonzero(np.diff(classes[order], prepend=np.nan))
    ordered = rows.at(order)
    if exact:
        found = _suppress_exactly(ordered, starts, settings)
        best = np.flatnonzero(found.scores >= _lowest(found.scores, max_detections))
    else:
        found = _suppress(ordered, starts, settings, max_detections)
        best = np.lexsort([found.rows, -found.scores])[:max_detections]
    return Suppressed(order[found.rows[best]], found.scores[best], found.boxes[best])


def decay(iou: np.ndarray, settings: SuppressionSettings) -> np.ndarray:
    """Factors of the scores of boxes that have these overlaps with a better one (float32, same shape)."""
    if settings.method == "gaussian":
        return np.exp(iou * iou * np.float32(-1 / settings.sigma))
    lower = 1 - iou if settings.method == "linear" else np.float32(0)
    return np.where(iou > np.float32(settings.iou_threshold), lower, np.float32(1))


def _suppress(rows: Candidates, starts: np.ndarray, settings: SuppressionSettings, count: int | None) -> Suppressed:
    """Soft-NMS of the classes that begin at `starts`, at most `count` of each, in any order.

    Classes of similar size go together, because one step of many classes costs little more than that of one.
    """
    sizes = np.diff(starts, append=len(rows.scores))
    magnitudes = np.frexp(sizes)[1]
    parts = [Suppressed(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))]
    for magnitude in np.unique(magnitudes):
        start, size = starts[magnitudes == magnitude, None], sizes[magnitudes == magnitude, None]
        slots = np.arange(size.max())
        places = np.where(slots < size, start + slots, -1)
        parts.append(_suppress_classes(rows, places, settings, count))
    return Suppressed(*map(np.concatenate, zip(*parts, strict=True)))


def _suppress_classes(
    rows: Candidates, places: np.ndarray, settings: SuppressionSettings, count: int | None
) -> Suppressed:
    """Soft-NMS of some classes at once: `places` are their rows `(c, n)`, -1 where a class has fewer."""
    lowest = max(np.float32(settings.min_score), TINY)
    classes, steps = np.arange(len(places)), places.shape[1]
    boxes = _with_areas(np.moveaxis(rows.boxes, 1, 0)[:, places])
    scores = np.where(places < 0, np.float32(0), rows.scores[places])
    weights = np.moveaxis(rows.weights, 1, 0)[:, places]
    picked, left, votes = [], [], []
    for _ in range(steps if count is None else min(count, steps)):
        best = scores.argmax(axis=1)
        score = scores[classes, best]
        if score.max() < lowest:
            break
        picked.append(places[classes, best])
        left.append(score)
        factors = decay(_overlap(boxes[:, classes, best, None], boxes), settings)
        factors[classes, best] = 0
        if settings.voting_exponent is not None:
            loss = np.where(scores < lowest, 0, 1 - factors.astype(np.float64))
            votes.append(_votes(boxes[:4], weights, loss**settings.voting_exponent))
        scores *= factors
    scores, index = np.array(left, np.float32).ravel(), np.array(picked, np.int64).ravel()
    boxes = rows.boxes[index]
    if votes:
        boxes = _elected(boxes, np.concatenate(votes, axis=-1))
    alive = scores >= lowest
    return Suppressed(index[alive], scores[alive], boxes[alive])


def _with_areas(boxes: np.ndarray) -> np.ndarray:
    """Boxes `(4, ...)` and, as a fifth row, their areas."""
    x0, y0, x1, y1 = boxes
    return np.concatenate([boxes, (np.maximum(x1 - x0, 0) * np.maximum(y1 - y0, 0))[None]])


def _overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU of boxes as `_with_areas` gives them; 0 for boxes without area."""
    width = np.minimum(box[2], others[2]) - np.maximum(box[0], others[0])
    height = np.minimum(box[3], others[3]) - np.maximum(box[1], others[1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    return shared / np.maximum(box[4] + others[4] - shared, TINY)


def _votes(boxes: np.ndarray, weights: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Sums over the voters of each class: of the weights, and of the weighted coordinates; `(8, c)`."""
    weights = np.repeat(weights, 2, axis=0) * pull
    return np.concatenate([weights.sum(axis=-1), (weights * boxes).sum(axis=-1)])


def _elected(boxes: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Boxes at the weighted means of their voters; a corner without any weight stays."""
    weights, sums = votes[:4].T, votes[4:].T
    means = np.divide(sums, weights, out=boxes.astype(np.float64), where=weights > 0)
    return means.astype(np.float32)


def _suppress_exactly(rows: Candidates, starts: np.ndarray, settings: SuppressionSettings) -> Suppressed:
    """The reference's soft-NMS of each class that begins at one of `starts`."""
    parts = [Suppressed(np.zeros(0, np.int64), rows.scores[:0], rows.boxes[:0])]
    for start, size in zip(starts, np.diff(starts, append=len(rows.scores)), strict=True):
        one = rows.at(np.arange(start, start + size))
        left = soft_nms_exact(one.boxes, one.scores, settings, one.weights)
        parts.append(Suppressed(start + left.rows, left.scores, left.boxes))
    return Suppressed(*map(np.concatenate, zip(*parts, strict=True)))


def _lowest(scores: np.ndarray, count: int | None) -> float:
    """The score of the last of the `count` best."""
    return -np.inf if count is None or len(scores) <= count else float(np.partition(scores, -count)[-count])


def _checked(
    boxes: np.ndarray,
    scores: np.ndarray,
    class_ids: np.ndarray | None,
    corner_scores: np.ndarray | None,
    max_detections: int | None,
) -> tuple[Candidates, np.ndarray]:
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
        raise ConfigError(f"Expected max_detections of at least 1, or none. Received: {max_detections}")
    return Candidates(boxes, scores, weights), classes
