"""Objects of a batch for target assignment: clipped boxes, covered cells, cells around a point."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from centernet.errors import ConfigError

# Heatmap value of an ignored cell: not positive (1), and its weight (1 - value)⁴ is only 1e-16.
IGNORED = 0.9999


class Objects(NamedTuple):
    """The objects of a batch.

    Attributes:
        boxes: `x0 y0 x1 y1`, float32 `(batch, n, 4)`, clipped to the network's input; 0 if not valid.
        valid: Boxes with area and a known class, including ignored ones, bool `(batch, n)`.
        mask: Positives: valid and not ignored, bool `(batch, n)`.
        channels: Class of each positive, otherwise -1, int32 `(batch, n)`.
    """

    boxes: Any
    valid: Any
    mask: Any
    channels: Any


def objects_inside(
    boxes: Any, class_ids: Any, input_size: tuple[int, int], num_classes: int, ignore: Any = None
) -> Objects:
    """Clip boxes to the network's input and mark the valid ones.

    Args:
        boxes: `x0 y0 x1 y1` in pixels of the network's input, `(batch, n, 4)`.
        class_ids: Classes from 0, int32 `(batch, n)`; -1 is padding.
        input_size: Height and width of the network's input in pixels.
        num_classes: Number of classes.
        ignore: Boxes to ignore (crowds), bool `(batch, n)`; None for none.

    Returns:
        The objects. Boxes with NaN, without area inside the input or of an unknown class are not valid.

    Raises:
        ConfigError: The shapes don't match.
    """
    if boxes.shape[-1] != 4 or tuple(boxes.shape[:-1]) != tuple(class_ids.shape):
        raise ConfigError(
            "Expected boxes (batch, n, 4) and class_ids (batch, n). "
            f"Received: {tuple(boxes.shape)} and {tuple(class_ids.shape)}"
        )
    limit = ops.convert_to_tensor([input_size[1], input_size[0]] * 2, dtype="float32")
    boxes = ops.clip(ops.cast(boxes, "float32"), 0.0, limit)
    has_area = ops.all(boxes[..., 2:] > boxes[..., :2], axis=-1)
    valid = (class_ids >= 0) & (class_ids < num_classes) & has_area
    mask = valid if ignore is None else valid & ~ops.cast(ignore, "bool")
    channels = ops.where(mask, ops.cast(class_ids, "int32"), -1)
    return Objects(ops.where(valid[..., None], boxes, 0.0), valid, mask, channels)


def cells_per_pixel(input_size: tuple[int, int], output_size: tuple[int, int]) -> Any:
    """Output cells per input pixel, `x y`, float32 `(2,)`; both sizes are height and width."""
    ratio = [output_size[1] / input_size[1], output_size[0] / input_size[0]]
    return ops.convert_to_tensor(ratio, dtype="float32")


def covered_cells(boxes: Any, channels: Any, size: tuple[int, int]) -> Any:
    """Cells inside boxes: start <= index < end.

    Args:
        boxes: `x0 y0 x1 y1` in cells, float32 `(batch, n, 4)`.
        channels: Channels of each box, bool `(batch, n, channels)`.
        size: Height and width in cells.

    Returns:
        bool `(batch, height, width, channels)`.
    """
    height, width = size
    batch, count, depth = ops.shape(channels)
    rows, columns = (_between(boxes[..., axis], boxes[..., axis + 2], side) for axis, side in ((1, height), (0, width)))
    # Sum of rows × columns × channels over the boxes: one matrix product per image.
    planes = ops.cast(rows[..., None] & channels[:, :, None], "float32")
    planes = ops.transpose(ops.reshape(planes, (batch, count, height * depth)), (0, 2, 1))
    hits = ops.reshape(ops.matmul(planes, ops.cast(columns, "float32")), (batch, height, depth, width))
    return ops.transpose(hits, (0, 1, 3, 2)) > 0


def ignore_cells(heatmap: Any, boxes: Any, ignored: Any, class_ids: Any) -> Any:
    """Mark the cells of ignored boxes as ignored in the channel of their class.

    Args:
        heatmap: Target, float32 `(batch, height, width, classes)`.
        boxes: `x0 y0 x1 y1` in cells, float32 `(batch, n, 4)`; see `covered_cells`.
        ignored: Ignored boxes, bool `(batch, n)`.
        class_ids: Class of each box, int `(batch, n)`.

    Returns:
        The heatmap with `IGNORED` in these cells, except at peaks of objects.
    """
    channels = ops.arange(heatmap.shape[-1], dtype="int32") == ops.cast(class_ids, "int32")[..., None]
    covered = covered_cells(boxes, ignored[..., None] & channels, heatmap.shape[1:3])
    return ops.where(covered & (heatmap < 1), IGNORED, heatmap)


def _between(start: Any, end: Any, count: int) -> Any:
    """Which of `count` cells lie in [start, end): bool `(batch, n, count)`."""
    cell = ops.arange(count, dtype="float32")
    return (cell >= start[..., None]) & (cell < end[..., None])


def cells_within(radius: int) -> Any:
    """Offsets `y x` of the cells within a radius of a cell, int32 `(d, 2)`."""
    rows, columns = np.indices((2 * radius + 1, 2 * radius + 1)) - radius
    inside = rows**2 + columns**2 <= radius**2
    return ops.convert_to_tensor(np.stack([rows[inside], columns[inside]], axis=-1), dtype="int32")


def regression_targets(name: str, cells: Any, points: Any, mask: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Targets of a head that regresses each point from several cells: vectors from the cells to the points.

    Args:
        name: Name of the head.
        cells: `y x` of each cell, int32 `(..., d, 2)`.
        points: `y x` of the points in cells, float32 `(..., 2)`.
        mask: Valid points, bool `(...)`.
        size: Height and width of the map in cells.

    Returns:
        `{name}`: vectors, `y x` in cells, float32 `(..., d, 2)`; `{name}_cell`: cell indices `y·width + x`, int32
        `(..., d)`; `{name}_mask`: cells inside the map with a valid point, bool `(..., d)`. The rest is 0.
    """
    inside = ops.all((cells >= 0) & (cells < ops.convert_to_tensor(size, dtype="int32")), axis=-1)
    valid = inside & mask[..., None]
    vectors = points[..., None, :] - ops.cast(cells, "float32")
    index = cells[..., 0] * size[1] + cells[..., 1]
    return {
        name: ops.where(valid[..., None], vectors, 0.0),
        f"{name}_cell": ops.where(valid, index, 0),
        f"{name}_mask": valid,
    }
