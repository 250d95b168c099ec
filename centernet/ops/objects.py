"""Boxes of a batch as targets need them: inside the input, without what is no object, and which cells they cover."""

from __future__ import annotations

from typing import Any

from keras import ops

from centernet.errors import ConfigError

# A background cell counts (1 - value)⁴: this is 1e-16, and not the 1 that an object is.
NEITHER = 0.9999


def objects_inside(boxes: Any, class_ids: Any, input_size: tuple[int, int], num_classes: int) -> tuple[Any, Any]:
    """Boxes clipped to the network's input, and which of them are objects.

    Args:
        boxes: `x0 y0 x1 y1` in pixels of the network's input, `(batch, n, 4)`.
        class_ids: Classes from 0, int32 `(batch, n)`; -1 is padding.
        input_size: Height and width of the network's input in pixels.
        num_classes: Number of classes.

    Returns:
        Boxes, float32 `(batch, n, 4)`, 0 where there is no object; and where there is one, bool `(batch, n)`: not
        where a box has no area inside the input (or isn't a number), nor where the class is unknown.

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
    mask = (class_ids >= 0) & (class_ids < num_classes) & has_area
    return ops.where(mask[..., None], boxes, 0.0), mask


def covered_cells(boxes: Any, channels: Any, size: tuple[int, int]) -> Any:
    """Which cells lie in boxes: those whose index is at least the box's start and less than its end.

    Args:
        boxes: `x0 y0 x1 y1` in cells, float32 `(batch, n, 4)`.
        channels: In which channels each box counts, bool `(batch, n, channels)`.
        size: Height and width in cells.

    Returns:
        bool `(batch, height, width, channels)`.
    """
    height, width = size
    batch, count, depth = ops.shape(channels)
    rows, columns = (_between(boxes[..., axis], boxes[..., axis + 2], side) for axis, side in ((1, height), (0, width)))
    # The sum over the boxes of rows × columns × channels, as one matrix product an image.
    planes = ops.cast(rows[..., None] & channels[:, :, None], "float32")
    planes = ops.transpose(ops.reshape(planes, (batch, count, height * depth)), (0, 2, 1))
    hits = ops.reshape(ops.matmul(planes, ops.cast(columns, "float32")), (batch, height, depth, width))
    return ops.transpose(hits, (0, 1, 3, 2)) > 0


def spare_cells(heatmap: Any, boxes: Any, ignored: Any, class_ids: Any) -> Any:
    """Mark where a heatmap's class is neither asked for nor wrong: in boxes that are to be ignored.

    Args:
        heatmap: Target, float32 `(batch, height, width, classes)`.
        boxes: `x0 y0 x1 y1` in cells, float32 `(batch, n, 4)`; see `covered_cells`.
        ignored: Which of them are to be ignored, bool `(batch, n)`.
        class_ids: Their classes, int `(batch, n)`.

    Returns:
        The heatmap with `NEITHER` in these boxes, in the channel of their class, except where an object is.
    """
    channels = ops.arange(heatmap.shape[-1], dtype="int32") == ops.cast(class_ids, "int32")[..., None]
    covered = covered_cells(boxes, ignored[..., None] & channels, heatmap.shape[1:3])
    return ops.where(covered & (heatmap < 1), NEITHER, heatmap)


def _between(start: Any, end: Any, count: int) -> Any:
    """Which of `count` cells in a line lie from `start` to `end`, both `(batch, n)`."""
    cell = ops.arange(count, dtype="float32")
    return (cell >= start[..., None]) & (cell < end[..., None])
