"""Box formats, scaling and overlaps. Datasets and evaluation use the NumPy part alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from centernet.ops.namespace import is_torch, namespace


def reverse(x: Any, axis: int = -1) -> Any:
    """An array with the order along an axis reversed.

    As a slice, since `ops.flip` is exported to ONNX as ReverseSequence, which few runtimes have.
    """
    if is_torch(x):
        return namespace(x).flip(x, axis=axis)
    axis %= len(x.shape)
    return x[(*[slice(None)] * axis, slice(None, None, -1))]


def from_center(center: Any, size: Any) -> Any:
    """Convert centers and sizes to corners.

    Args:
        center: `(..., 2)` as `y x`, in any unit.
        size: `(..., 2)` as height and width, in the same unit.

    Returns:
        Boxes `(..., 4)` as `x0 y0 x1 y1` in the same unit.
    """
    ops = namespace(center)
    top_left, bottom_right = center - size / 2, center + size / 2
    return ops.concatenate([reverse(top_left), reverse(bottom_right)], axis=-1)


def enlarge(boxes: Any, factor: float) -> Any:
    """Scale boxes `(..., 4)`, `x0 y0 x1 y1`, about their centers by `factor`."""
    ops = namespace(boxes)
    center = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = (boxes[..., 2:] - boxes[..., :2]) * (factor / 2)
    return ops.concatenate([center - half, center + half], axis=-1)


def box_overlaps(first: np.ndarray, second: np.ndarray, *, of_first: bool = False) -> np.ndarray:
    """Intersection over union (IoU) of every pair of boxes (NumPy).

    Args:
        first: Boxes `(n, 4)` as `x0 y0 x1 y1`.
        second: Boxes `(m, 4)`.
        of_first: Divide by the area of the first box instead of the union, as COCO does for crowds.

    Returns:
        float64 `(n, m)`; 0 where the area is 0.
    """
    return paired_overlaps(first[:, None], second[None], of_first=of_first)


def paired_overlaps(first: np.ndarray, second: np.ndarray, *, of_first: bool = False) -> np.ndarray:
    """IoU of boxes `(..., 4)` with others of the same or a broadcast shape; see `box_overlaps` (NumPy)."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).clip(0).prod(axis=-1) for box in (a, b)]
    whole = areas[0] + (0 if of_first else areas[1] - shared)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
