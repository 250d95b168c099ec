"""Soft-NMS of one class exactly as the reference of Keypoint Triplets does it, mistakes included (NumPy).

The reference walks with scalars over float32 rows `x0 y0 x1 y1 score w0 w1`, in place. What is kept of it:

- The sides of a box count one pixel more than the difference of its coordinates.
- A row whose score falls below the limit is overwritten by the last one, and their count shrinks; but the
  caller goes on with all rows, so the tail repeats rows as they were at that moment. A row with a low score that
  overlaps nothing stays.
- In a vote the weights `w0` and `w1` stay at their place when boxes and scores change places.
- The order of operations, and so every rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from centernet.ops.suppression import SuppressionSettings


class ExactRows(NamedTuple):
    """Rows after the reference's soft-NMS, as many as there were before.

    `rows` are the rows of the input that they came from, int64 `(n,)` (those of the tail are there already);
    `boxes` float32 `(n, 4)`; `scores` float32 `(n,)`; `fresh` is the number of rows before the tail.
    """

    rows: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    fresh: int


def soft_nms_exact(
    boxes: np.ndarray, scores: np.ndarray, settings: SuppressionSettings, corner_scores: np.ndarray
) -> ExactRows:
    """The reference's soft-NMS of one class.

    Args:
        boxes: float32 `(n, 4)` as `x0 y0 x1 y1`, in pixels.
        scores: float32 `(n,)`.
        settings: Method and limits, and whether boxes vote.
        corner_scores: Weights of the first and of the second corner in votes, float32 `(n, 2)`.

    Returns:
        All rows, the stale ones included.
    """
    origin, weights = np.arange(len(boxes)), np.repeat(corner_scores, 2, axis=1)
    table = np.concatenate([boxes, scores[:, None]], axis=1, dtype=np.float32)
    voted, fresh = boxes.astype(np.float32), len(boxes)
    for place in range(len(boxes)):
        if place < fresh:
            best = place + int(table[place:fresh, 4].argmax())
            for column in (origin, table):
                column[[place, best]] = column[[best, place]]
        others = slice(place + 1, max(fresh, place + 1))
        rest = table[others]
        meets, decay = _meet(table[place, :4], rest[:, :4], settings)
        scored = np.where(meets, decay * rest[:, 4], rest[:, 4])
        rows, places, left = _walk(meets & (scored < np.float32(settings.min_score)))
        if settings.voting_exponent is not None:
            pull = np.where(meets, _power(1 - decay, settings.voting_exponent), np.float32(0))
            voted[place] = _vote(table[place, :4], weights[place], rest[rows, :4], weights[others][places], pull[rows])
        after = np.concatenate([rest[:, :4], scored[:, None]], axis=1)
        if left < len(rest):
            places, rows = _settled(places, rows)
        origin[others][places], table[others][places] = origin[others][rows], after[rows]
        fresh = min(fresh, place + 1 + left)
    boxes = table[:, :4] if settings.voting_exponent is None else voted
    return ExactRows(origin, boxes, table[:, 4], fresh)


def _meet(box: np.ndarray, others: np.ndarray, settings: SuppressionSettings) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes overlap one, and the factor of their scores.

    The reference's compiler takes the constant 1 as float64, and assigns to float32.
    """
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    width, height = (sides.astype(np.float64) + 1).astype(np.float32).T
    own, sides = box[2:] - box[:2], others[:, 2:] - others[:, :2]
    own_area, areas = ((side.astype(np.float64) + 1).prod(axis=-1) for side in (own, sides))
    shared, meets = width * height, (width > 0) & (height > 0)
    union = (own_area + areas.astype(np.float32) - shared).astype(np.float32)
    return meets, _decay(shared / np.where(meets, union, np.float32(1)), settings)


def _decay(iou: np.ndarray, settings: SuppressionSettings) -> np.ndarray:
    if settings.method == "gaussian":
        return np.exp((-(iou * iou) / np.float32(settings.sigma)).astype(np.float64)).astype(np.float32)
    lower = np.float32(1) - iou if settings.method == "linear" else np.float32(0)
    return np.where(iou > np.float32(settings.iou_threshold), lower, np.float32(1))


def _power(base: np.ndarray, exponent: float) -> np.ndarray:
    """float32 powers as the C library has them: rounded once, from float64."""
    return (base.astype(np.float64) ** np.float64(np.float32(exponent))).astype(np.float32)


def _vote(box: np.ndarray, weight: np.ndarray, others: np.ndarray, weights: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """Weighted mean of a box and those that it met, summed one after the other as the reference does."""
    moved = np.concatenate([(box * weight)[None], others * weights * pull[:, None]])
    total = np.concatenate([weight[None], weights * pull[:, None]])
    moved, total = (np.cumsum(terms, axis=0, dtype=np.float32)[-1] for terms in (moved, total))
    # Where all weights are 0 the reference stops with a division by zero.
    return np.where(total == 0, box, moved / np.where(total == 0, np.float32(1), total))


def _settled(places: list[int], rows: list[int]) -> tuple[list[int], list[int]]:
    """Of several rows that came to one place, the last one stays there."""
    came = dict(zip(places, rows, strict=True))
    return list(came), list(came.values())


def _walk(dropped: np.ndarray) -> tuple[list[int], list[int], int]:
    """The reference's way over the rows behind the picked one.

    Args:
        dropped: Whether each row's score falls below the limit, bool `(m,)`.

    Returns:
        The rows in the order of visit; the place where each was visited; and how many rows are left.
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
            row = end  # the last row comes to this place, and is visited next
        else:
            place += 1
            row = place
    return rows, places, end
