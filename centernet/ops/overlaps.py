"""Overlaps of boxes (NumPy)."""

from __future__ import annotations

import numpy as np


def box_overlaps(first: np.ndarray, second: np.ndarray, *, of_first: bool = False) -> np.ndarray:
    """Intersection over union (IoU) of every pair of boxes.

    Args:
        first: Boxes `(n, 4)` as `x0 y0 x1 y1`.
        second: Boxes `(m, 4)`.
        of_first: Divide the intersection by the area of the first box instead, as COCO does for crowds.

    Returns:
        float64 `(n, m)`; 0 where the area is 0.
    """
    a, b = first.astype(np.float64)[:, None], second.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).clip(0).prod(axis=-1) for box in (a, b)]
    whole = areas[0] + (0 if of_first else areas[1] - shared)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
