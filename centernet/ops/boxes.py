"""Boxes: forms, and maps between coordinate systems."""

from __future__ import annotations

from typing import Any

from keras import ops


def from_center(center: Any, size: Any) -> Any:
    """Corners of boxes from centers and sizes.

    Args:
        center: `(..., 2)`, row (y) first, in any unit.
        size: `(..., 2)`, height first, in the same unit.

    Returns:
        Boxes `(..., 4)` as `x0 y0 x1 y1` in the same unit.
    """
    top_left, bottom_right = center - size / 2, center + size / 2
    return ops.concatenate([ops.flip(top_left, axis=-1), ops.flip(bottom_right, axis=-1)], axis=-1)


def enlarge(boxes: Any, factor: float) -> Any:
    """Boxes `(..., 4)` as `x0 y0 x1 y1`, scaled about their centers by `factor`."""
    center = (boxes[..., :2] + boxes[..., 2:]) / 2
    half = (boxes[..., 2:] - boxes[..., :2]) * (factor / 2)
    return ops.concatenate([center - half, center + half], axis=-1)
