"""Resizing that keeps the aspect ratio, with the sampling rule that the weights were trained with."""

from __future__ import annotations

from typing import Any, Literal

Sampling = Literal["legacy", "half_pixel"]


def fitted_sizes(sizes: Any, canvas: tuple[int, int]) -> Any:
    """Sizes of images that are scaled to fit a canvas and keep their aspect ratio.

    Args:
        sizes: Height and width of each image in pixels, int32 `(batch, 2)`.
        canvas: Height and width to fit into.

    Returns:
        Height and width of each resized image, int32 `(batch, 2)`, rounded half to even.
    """
    from keras import ops

    sizes = ops.cast(sizes, "float32")
    scale = ops.min(ops.convert_to_tensor(canvas, dtype="float32") / sizes, axis=-1, keepdims=True)
    return ops.cast(ops.maximum(ops.round(scale * sizes), 1.0), "int32")


def sample_positions(size: Any, new_size: Any, offset: Any, length: int, sampling: Sampling) -> tuple[Any, Any, Any]:
    """Where along one axis each pixel of a canvas is read from.

    Args:
        size: Length of each image along the axis, int32 `(batch,)`.
        new_size: Its length on the canvas, int32 `(batch,)`.
        offset: Where on the canvas it starts, int32 `(batch,)`.
        length: Length of the canvas.
        sampling: `"legacy"`: pixel `i` of the resized image is read at `i * size / new_size` (the rule of the
            published TensorFlow models). `"half_pixel"`: at `(i + 0.5) * size / new_size - 0.5`.

    Returns:
        Index of the pixel before and after each position, int32 `(batch, length)`, which is `size` beyond the
        image, and the weight of the one after, float32 `(batch, length)`.
    """
    from keras import ops

    ratio = (ops.cast(size, "float32") / ops.cast(new_size, "float32"))[:, None]
    index = ops.arange(length, dtype="int32")[None] - offset[:, None]
    beyond = ops.logical_or(index < 0, index >= new_size[:, None])
    target = ops.cast(index, "float32")
    if sampling == "legacy":
        position = target * ratio
    else:
        position = ops.maximum((target + 0.5) * ratio - 0.5, 0.0)
    before = ops.floor(position)
    last = size[:, None] - 1
    index = ops.cast(before, "int32")
    pixels = (ops.where(beyond, size[:, None], ops.minimum(index + step, last)) for step in (0, 1))
    return *pixels, ops.where(beyond, 0.0, position - before)


def resize_to_canvas(
    images: Any, sizes: Any, new_sizes: Any, offsets: Any, canvas: tuple[int, int], sampling: Sampling = "legacy"
) -> Any:
    """Put every image of a padded batch on a canvas of zeros, resized bilinearly without antialiasing.

    Args:
        images: uint8 `(batch, height, width, 3)`; image `i` is its first `sizes[i]` rows and columns, and what
            lies beyond is zero.
        sizes: Height and width of each image, int32 `(batch, 2)`.
        new_sizes: Height and width that it has on the canvas, int32 `(batch, 2)`.
        offsets: Row and column of the canvas where it starts, int32 `(batch, 2)`.
        canvas: Height and width of the result.
        sampling: See `sample_positions`.

    Returns:
        float32 `(batch, *canvas, 3)` with values 0–255, zero outside the images.
    """
    from keras import ops

    # Columns first, then rows: the order of the reference, and so its rounding. Both are read as rows of
    # a transposed image, because copying whole rows is several times faster than copying single pixels.
    # What lies beyond an image on the canvas is read from one more row and column of zeros.
    x = _with_zeros(ops.transpose(_with_zeros(images), (0, 2, 1, 3)))
    columns = sample_positions(sizes[:, 1], new_sizes[:, 1], offsets[:, 1], canvas[1], sampling)
    x = ops.transpose(_interpolate(x, columns), (0, 2, 1, 3))
    rows = sample_positions(sizes[:, 0], new_sizes[:, 0], offsets[:, 0], canvas[0], sampling)
    return ops.reshape(_interpolate(x, rows), (-1, *canvas, 3))


def _with_zeros(images: Any) -> Any:
    """Images with one more row of zeros; concatenated, because LiteRT can't pad uint8."""
    from keras import ops

    return ops.concatenate([images, ops.zeros_like(images[:, :1])], axis=1)


def _interpolate(images: Any, positions: tuple[Any, Any, Any]) -> Any:
    """Linear interpolation along axis 1 of `(batch, n, m, 3)`, as float32."""
    from keras import ops

    before, after, weight = positions
    low = ops.cast(_take_rows(images, before), "float32")
    high = ops.cast(_take_rows(images, after), "float32")
    return low + (high - low) * weight[:, :, None, None]


def _take_rows(images: Any, index: Any) -> Any:
    from keras import ops

    batch, count, other, channels = ops.shape(images)
    flat = index + ops.arange(batch, dtype="int32")[:, None] * count
    rows = ops.take(ops.reshape(images, (-1, other, channels)), ops.reshape(flat, (-1,)), axis=0)
    return ops.reshape(rows, (batch, -1, other, channels))
