"""Objects of a batch as targets need them: boxes inside the input, the cells they cover, the cells around a point."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from centernet.errors import ConfigError

# Heatmap value of an ignored cell: its weight (1 - value)⁴ is 1e-16, and it is not the 1 of an object.
IGNORED = 0.9999


class Objects(NamedTuple):
    """The objects of a batch.

    Attributes:
        boxes: `x0 y0 x1 y1`, float32 `(batch, n, 4)`, clipped to the network's input; 0 where there is no box.
        valid: Boxes of a known class with area, ignored ones included, bool `(batch, n)`.
        mask: Valid boxes that are not ignored: the objects to detect, bool `(batch, n)`.
        channels: Class of each object, -1 where `mask` is false, int32 `(batch, n)`.
    """

    boxes: Any
    valid: Any
    mask: Any
    channels: Any


def objects_inside(
    boxes: Any, class_ids: Any, input_size: tuple[int, int], num_classes: int, ignore: Any = None
) -> Objects:
    """Clip boxes to the network's input and drop what is no object.

    Args:
        boxes: `x0 y0 x1 y1` in pixels of the network's input, `(batch, n, 4)`.
        class_ids: Classes from 0, int32 `(batch, n)`; -1 is padding.
        input_size: Height and width of the network's input in pixels.
        num_classes: Number of classes.
        ignore: Boxes to ignore (crowds), bool `(batch, n)`; None for none.

    Returns:
        The objects. A box without area inside the input (or with NaN), or of an unknown class, is not valid.

    Raises:
        ConfigError: If the shapes don't belong together.
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
    """Cells inside boxes: those whose index is at least the box's start and less than its end.

    Args:
        boxes: `x0 y0 x1 y1` in cells, float32 `(batch, n, 4)`.
        channels: Channels in which each box counts, bool `(batch, n, channels)`.
        size: Height and width in cells.

    Returns:
        bool `(batch, height, width, channels)`.
    """
    height, width = size
    batch, count, depth = ops.shape(channels)
    rows, columns = (_between(boxes[..., axis], boxes[..., axis + 2], side) for axis, side in ((1, height), (0, width)))
    # The sum over the boxes of rows × columns × channels, as one matrix product per image.
    planes = ops.cast(rows[..., None] & channels[:, :, None], "float32")
    planes = ops.transpose(ops.reshape(planes, (batch, count, height * depth)), (0, 2, 1))
    hits = ops.reshape(ops.matmul(planes, ops.cast(columns, "float32")), (batch, height, depth, width))
    return ops.transpose(hits, (0, 1, 3, 2)) > 0


def ignore_cells(heatmap: Any, boxes: Any, ignored: Any, class_ids: Any) -> Any:
    """Mark the cells of ignored boxes as neither positive nor negative in the channel of their class.

    Args:
        heatmap: Target, float32 `(batch, height, width, classes)`.
        boxes: `x0 y0 x1 y1` in cells, float32 `(batch, n, 4)`; see `covered_cells`.
        ignored: Boxes that are ignored, bool `(batch, n)`.
        class_ids: Their classes, int `(batch, n)`.

    Returns:
        The heatmap with `IGNORED` in these cells, except where an object has its peak.
    """
    channels = ops.arange(heatmap.shape[-1], dtype="int32") == ops.cast(class_ids, "int32")[..., None]
    covered = covered_cells(boxes, ignored[..., None] & channels, heatmap.shape[1:3])
    return ops.where(covered & (heatmap < 1), IGNORED, heatmap)


def _between(start: Any, end: Any, count: int) -> Any:
    """Cells of a line of `count` that lie from `start` to `end`, both `(batch, n)`."""
    cell = ops.arange(count, dtype="float32")
    return (cell >= start[..., None]) & (cell < end[..., None])


def disc(radius: int) -> Any:
    """Row and column offsets of the cells within a radius of a cell: int32 `(d, 2)`."""
    rows, columns = np.indices((2 * radius + 1, 2 * radius + 1)) - radius
    inside = rows**2 + columns**2 <= radius**2
    return ops.convert_to_tensor(np.stack([rows[inside], columns[inside]], axis=-1), dtype="int32")


def regression_targets(name: str, cells: Any, points: Any, mask: Any, size: tuple[int, int]) -> dict[str, Any]:
    """Vectors from cells to points, as the targets of a head that regresses each point from several cells.

    Args:
        name: The head.
        cells: Row and column of each cell, int32 `(..., d, 2)`.
        points: `y x` of the points in cells, float32 `(..., 2)`.
        mask: Valid points, bool `(...)`.
        size: Height and width of the map in cells.

    Returns:
        `{name}`: the vectors, `y x` in cells, float32 `(..., d, 2)`; `{name}_cell`: cell numbers `y·width + x`, int32
        `(..., d)`; `{name}_mask`: cells inside the map whose point is valid, bool `(..., d)`. Vectors and numbers of
        invalid cells are 0.
    """
    inside = ops.all((cells >= 0) & (cells < ops.convert_to_tensor(size, dtype="int32")), axis=-1)
    valid = inside & mask[..., None]
    vectors = points[..., None, :] - ops.cast(cells, "float32")
    number = cells[..., 0] * size[1] + cells[..., 1]
    return {
        name: ops.where(valid[..., None], vectors, 0.0),
        f"{name}_cell": ops.where(valid, number, 0),
        f"{name}_mask": valid,
    }
