"""Soft-NMS as part of a graph (keras.ops), for exported detectors; `centernet.ops.nms` is that of the host."""

from __future__ import annotations

from typing import Any

from keras import ops

from centernet.ops.nms import TINY, SuppressionSettings
from centernet.ops.peaks import gather_cells


def soft_nms_in_graph(
    boxes: Any, scores: Any, class_ids: Any, weights: Any, settings: SuppressionSettings, count: int
) -> tuple[Any, Any, Any]:
    """Lower the scores of boxes that overlap a better box of their class, as `soft_nms` does.

    The best box of all classes is picked again and again, so the first `count` picks are the best of all. Of equal
    scores the first row is picked.

    Args:
        boxes: float32 `(batch, n, 4)` as `x0 y0 x1 y1`, in any unit.
        scores: float32 `(batch, n)`; 0 for rows that are no detections.
        class_ids: int32 `(batch, n)`.
        weights: Voting weights of the top-left and the bottom-right corner, `(batch, n, 2)`.
        settings: Method and limits.
        count: Number of boxes to keep.

    Returns:
        Rows of the input, int32 `(batch, count)`, their scores `(batch, count)`, 0 where there are fewer boxes, and
        their boxes `(batch, count, 4)`, which differ from the input only with voting.
    """
    min_score = max(float(settings.min_score), float(TINY))
    votes = settings.voting_exponent is not None
    places = ops.arange(ops.shape(scores)[1], dtype="int32")[None]
    slots = ops.arange(count, dtype="int32")[None]
    classes = ops.cast(class_ids, "float32")
    sides = [boxes[..., side] for side in range(4)]
    areas = _area(*sides)
    corner_weights = [weights[..., corner] for corner in (0, 0, 1, 1)]

    def goes_on(step: Any, left: Any, *_: Any) -> Any:
        return ops.logical_and(step < count, ops.max(left) >= min_score)

    def pick(step: Any, left: Any, *found: Any) -> tuple[Any, ...]:
        best, row = ops.top_k(left, 1)
        row = ops.cast(row, "int32")
        itself = _one_if(places == row)

        def at_row(values: Any) -> Any:  # a masked sum: a gather is dozens of operations in other runtimes
            return ops.sum(itself * values, axis=1, keepdims=True)

        box = [at_row(side) for side in sides]
        start = [ops.maximum(side, own) for side, own in zip(sides[:2], box[:2], strict=True)]
        end = [ops.minimum(side, own) for side, own in zip(sides[2:], box[2:], strict=True)]
        shared = _area(*start, *end)
        iou = shared / ops.maximum(_area(*box) + areas - shared, float(TINY))
        same = _one_if(classes == at_row(classes))
        factors = (1 + same * (_decay(iou, settings) - 1)) * (1 - itself)
        moved = []
        if votes:
            loss = (_one_if(left >= min_score) * (1.0 - factors)) ** settings.voting_exponent
            moved = [
                _mean(side, weight * loss, own) for side, weight, own in zip(sides, corner_weights, box, strict=True)
            ]
        here = _one_if(slots == step) * _one_if(best >= min_score)
        changes = zip((ops.cast(row, "float32"), best, *moved), found, strict=True)
        return step + 1, left * factors, *(old + here * new for new, old in changes)

    empty = ops.zeros_like(scores[:, :1]) + ops.zeros((1, count), "float32")
    state = (0, scores, *[empty] * (6 if votes else 2))
    _, _, picked, kept, *moved = ops.while_loop(goes_on, pick, state)
    rows = ops.cast(picked, "int32")
    return rows, kept, ops.stack(moved, axis=-1) if votes else gather_cells(boxes, rows)


def _one_if(condition: Any) -> Any:
    """1 or 0 as float32: products with it are one operation in every runtime, a choice is several."""
    return ops.cast(condition, "float32")


def _area(x0: Any, y0: Any, x1: Any, y1: Any) -> Any:
    """Areas of boxes; 0 if a side is negative."""
    return ops.maximum(x1 - x0, 0.0) * ops.maximum(y1 - y0, 0.0)


def _mean(values: Any, weights: Any, otherwise: Any) -> Any:
    """Weighted mean of `(batch, n)`, `(batch, 1)`; `otherwise` where all weights are 0."""
    total = ops.sum(weights, axis=1, keepdims=True)
    mean = ops.sum(values * weights, axis=1, keepdims=True) / ops.maximum(total, float(TINY))
    return ops.where(total > 0, mean, otherwise)


def _decay(iou: Any, settings: SuppressionSettings) -> Any:
    """Score factors for the IoU with a better box."""
    if settings.method == "gaussian":
        return ops.exp(iou * iou * (-1 / settings.sigma))
    return ops.where(iou > settings.iou_threshold, 1 - iou if settings.method == "linear" else 0.0, 1.0)
