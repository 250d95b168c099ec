"""Resizing that keeps the aspect ratio, with the sampling rule that the weights were trained with."""

from __future__ import annotations

from typing import Any, Literal

from keras import ops

Sampling = Literal["legacy", "half_pixel"]


def fitted_sizes(sizes: Any, canvas: tuple[int, int]) -> Any:
    """Sizes of images that are scaled to fit a canvas and keep their aspect ratio.

    Args:
        sizes: Height and width of each image in pixels, int32 `(batch, 2)`.
        canvas: Height and width to fit into.

    Returns:
        Height and width of each resized image, int32 `(batch, 2)`, rounded half to even.
    """
    sizes = ops.cast(sizes, "float32")
    scale = ops.min(ops.convert_to_tensor(canvas, dtype="float32") / sizes, axis=-1, keepdims=True)
    return ops.cast(ops.maximum(ops.round(scale * sizes), 1.0), "int32")


def sample_positions(size: Any, new_size: Any, length: int, sampling: Sampling) -> tuple[Any, Any, Any]:
    """Where along one axis each pixel of the resized image is read from.

    Args:
        size: Length of each image along the axis, int32 `(batch,)`.
        new_size: Its length after resizing, int32 `(batch,)`.
        length: Number of positions to compute (the length of the canvas).
        sampling: `"legacy"`: pixel `i` is read at `i * size / new_size` (the rule of the published
            TensorFlow models). `"half_pixel"`: at `(i + 0.5) * size / new_size - 0.5`.

    Returns:
        Index of the pixel before and after each position, int32 `(batch, length)`, and the weight of the
        one after, float32 `(batch, length)`.
    """
    ratio = (ops.cast(size, "float32") / ops.cast(new_size, "float32"))[:, None]
    target = ops.arange(length, dtype="float32")[None]
    if sampling == "legacy":
        position = target * ratio
    else:
        position = ops.maximum((target + 0.5) * ratio - 0.5, 0.0)
    before = ops.floor(position)
    last = size[:, None] - 1
    index = ops.cast(before, "int32")
    return ops.minimum(index, last), ops.minimum(index + 1, last), position - before


def resize_to_canvas(
    images: Any, sizes: Any, canvas: tuple[int, int], sampling: Sampling = "legacy"
) -> tuple[Any, Any]:
    """Scale every image of a padded batch to fit the canvas, at its top left, bilinearly without antialiasing.

    Args:
        images: uint8 `(batch, height, width, 3)`; image `i` is its first `sizes[i]` rows and columns.
        sizes: Height and width of each image, int32 `(batch, 2)`.
        canvas: Height and width of the result.
        sampling: See `sample_positions`.

    Returns:
        float32 `(batch, *canvas, 3)` with values 0–255, zero outside the images; and the sizes of the
        resized images, int32 `(batch, 2)`.
    """
    new_sizes = fitted_sizes(sizes, canvas)
    # Columns first, then rows: the order of the reference, and so its rounding. Both are read as rows of
    # a transposed image, because copying whole rows is several times faster than copying single pixels.
    # What lies beyond an image on the canvas is read from one more row and column of zeros.
    x = ops.transpose(ops.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0))), (0, 2, 1, 3))
    x = _interpolate(x, sizes[:, 1], new_sizes[:, 1], canvas[1], sampling)
    x = _interpolate(ops.transpose(x, (0, 2, 1, 3)), sizes[:, 0], new_sizes[:, 0], canvas[0], sampling)
    return ops.reshape(x, (-1, *canvas, 3)), new_sizes


def _interpolate(images: Any, size: Any, new_size: Any, length: int, sampling: Sampling) -> Any:
    """Linear interpolation along axis 1 of `(batch, n + 1, m, 3)` to `length`, as float32.

    Beyond `new_size` it gives the last row, which is zero.
    """
    before, after, weight = sample_positions(size, new_size, length, sampling)
    last = ops.shape(images)[1] - 1
    beyond = ops.arange(length, dtype="int32")[None] >= new_size[:, None]
    low = ops.cast(_take_rows(images, ops.where(beyond, last, before)), "float32")
    high = ops.cast(_take_rows(images, ops.where(beyond, last, after)), "float32")
    return low + (high - low) * weight[:, :, None, None]


def _take_rows(images: Any, index: Any) -> Any:
    batch, count, other, channels = ops.shape(images)
    flat = index + ops.arange(batch, dtype="int32")[:, None] * count
    rows = ops.take(ops.reshape(images, (-1, other, channels)), ops.reshape(flat, (-1,)), axis=0)
    return ops.reshape(rows, (batch, -1, other, channels))
