"""Cells around a point, all of which are asked where it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops


def disc(radius: int) -> Any:
    """Rows and columns, from the center, of the cells within a radius: int32 `(d, 2)`."""
    rows, columns = np.indices((2 * radius + 1, 2 * radius + 1)) - radius
    inside = rows**2 + columns**2 <= radius**2
    return ops.convert_to_tensor(np.stack([rows[inside], columns[inside]], axis=-1), dtype="int32")


def seen_from(cells: Any, positions: Any, counts: Any, size: tuple[int, int]) -> tuple[Any, Any, Any]:
    """Points as seen from cells around them.

    Args:
        cells: Row and column of each cell, int32 `(..., d, 2)`.
        positions: `y x` of the points in cells, float32 `(..., 2)`.
        counts: Which points count, bool `(...)`.
        size: Height and width of the map in cells.

    Returns:
        What each cell's index lacks to its point, `y x`, float32 `(..., d, 2)`; numbers `y·width + x` of the cells,
        int32 `(..., d)`; which cells count, bool `(..., d)`: those inside the map of points that count. Vectors and
        numbers of others are 0.
    """
    inside = ops.all((cells >= 0) & (cells < ops.convert_to_tensor(size, dtype="int32")), axis=-1)
    mask = inside & counts[..., None]
    vectors = positions[..., None, :] - ops.cast(cells, "float32")
    number = cells[..., 0] * size[1] + cells[..., 1]
    return ops.where(mask[..., None], vectors, 0.0), ops.where(mask, number, 0), mask


def named(name: str, seen: tuple[Any, Any, Any]) -> dict[str, Any]:
    """What `seen_from` gives as the targets of a head: `{name}`, `{name}_cell` and `{name}_mask`."""
    return dict(zip((name, f"{name}_cell", f"{name}_mask"), seen, strict=True))
