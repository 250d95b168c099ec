"""Bilinear resizing: batches onto a canvas (keras.ops), and OpenCV's resize bit for bit (NumPy)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from centernet.errors import SourceError
from centernet.ops.namespace import namespace

Sampling = Literal["legacy", "half_pixel"]
WEIGHT_BITS = 11  # OpenCV's fixed-point weights


def fitted_sizes(sizes: Any, canvas: tuple[int, int]) -> Any:
    """Sizes of images scaled to fit a canvas with their aspect ratio kept.

    Args:
        sizes: Height and width of each image in pixels, int32 `(batch, 2)`.
        canvas: Height and width to fit into.

    Returns:
        Height and width of each resized image, int32 `(batch, 2)`, rounded half to even.
    """
    ops = namespace(sizes)
    sizes = ops.cast(sizes, "float32")
    scale = ops.min(ops.convert_to_tensor(canvas, dtype="float32") / sizes, axis=-1, keepdims=True)
    return ops.cast(ops.maximum(ops.round(scale * sizes), 1.0), "int32")


def resize_to_canvas(
    images: Any, sizes: Any, new_sizes: Any, offsets: Any, canvas: tuple[int, int], sampling: Sampling = "legacy"
) -> Any:
    """Resize the images of a padded batch onto zero canvases, bilinearly and without antialiasing.

    Args:
        images: uint8 `(batch, height, width, 3)`; image `i` is its first `sizes[i]` rows and columns, zeros follow.
        sizes: Height and width of each image, int32 `(batch, 2)`.
        new_sizes: Height and width of each on the canvas, int32 `(batch, 2)`.
        offsets: Row and column of the canvas where each starts, int32 `(batch, 2)`.
        canvas: Height and width of the result.
        sampling: See `sample_positions`.

    Returns:
        float32 `(batch, *canvas, 3)` with values 0–255, zero outside the images.
    """
    from keras import ops

    # Columns first, then rows, as in the reference, for equal rounding. Both are gathered as rows, which copies whole
    # rows at a time.
    x = ops.transpose(images, (0, 2, 1, 3))
    columns = sample_positions(sizes[:, 1], new_sizes[:, 1], offsets[:, 1], canvas[1], sampling)
    x = ops.transpose(_interpolate(x, columns), (0, 2, 1, 3))
    rows = sample_positions(sizes[:, 0], new_sizes[:, 0], offsets[:, 0], canvas[0], sampling)
    return ops.reshape(_interpolate(x, rows), (-1, *canvas, 3))


def sample_positions(
    size: Any, new_size: Any, offset: Any, length: int, sampling: Sampling
) -> tuple[Any, Any, Any, Any]:
    """Source pixels of each canvas pixel along one axis.

    Args:
        size: Length of each image along the axis, int32 `(batch,)`.
        new_size: Its length on the canvas, int32 `(batch,)`.
        offset: Its start on the canvas, int32 `(batch,)`.
        length: Length of the canvas.
        sampling: Source position of resized pixel `i`. `"legacy"`: `i * size / new_size` (the published TensorFlow
            models). `"half_pixel"`: `(i + 0.5) * size / new_size - 0.5`.

    Returns:
        Index of the pixel before and after each position, int32 `(batch, length)`, the weight of the pixel after it,
        float32 `(batch, length)`, and 1 inside the image or 0 outside it, likewise.
    """
    from keras import ops

    ratio = (ops.cast(size, "float32") / ops.cast(new_size, "float32"))[:, None]
    index = ops.arange(length, dtype="int32")[None] - offset[:, None]
    inside = ops.logical_and(index >= 0, index < new_size[:, None])
    target = ops.cast(index, "float32")
    position = target * ratio if sampling == "legacy" else ops.maximum((target + 0.5) * ratio - 0.5, 0.0)
    before = ops.floor(position)
    last = size[:, None] - 1
    index = ops.cast(before, "int32")
    pixels = (ops.maximum(ops.minimum(index + step, last), 0) for step in (0, 1))
    return *pixels, position - before, ops.cast(inside, "float32")


def _interpolate(images: Any, positions: tuple[Any, Any, Any, Any]) -> Any:
    """Linear interpolation along axis 1 of `(batch, n, m, 3)`, as float32."""
    from keras import ops

    batch, count, other, channels = ops.shape(images)
    pixels = ops.reshape(images, (-1, other, channels))
    start = ops.arange(batch, dtype="int32")[:, None] * count

    def take(index: Any) -> Any:
        taken = ops.take(pixels, ops.reshape(index + start, (-1,)), axis=0)
        return ops.cast(ops.reshape(taken, (batch, -1, other, channels)), "float32")

    before, after, weight, inside = positions
    low, high = take(before), take(after)
    return (low + (high - low) * weight[:, :, None, None]) * inside[:, :, None, None]


def resize_like_opencv(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize as OpenCV does with `INTER_LINEAR`, bit for bit, as both PyTorch references do.

    Pixel centers lie at halves, there is no antialiasing, and weights are multiples of 1/2048.

    Args:
        image: uint8 `(height, width, channels)`.
        size: New height and width.

    Returns:
        uint8 `(*size, channels)`.

    Raises:
        SourceError: The image is not such an array, or has no pixels.
    """
    if getattr(image, "dtype", None) != np.uint8 or image.ndim != 3 or not image.size:
        raise SourceError(
            "Expected a uint8 image of shape (height, width, channels). Received: "
            f"dtype {getattr(image, 'dtype', type(image).__name__)}, shape {np.shape(image)}."
        )
    if image.shape[:2] == tuple(size):
        return image
    before, after, low, high = _opencv_samples(image.shape[1], size[1], clamp=True)
    pixels = image.astype(np.int32)
    # The rounding of OpenCV's vector instructions: 4 bits are cut here, 16 more per row below.
    rows = (pixels[:, before] * low[:, None] + pixels[:, after] * high[:, None]) >> 4
    before, after, low, high = _opencv_samples(image.shape[0], size[0], clamp=False)
    low, high = low[:, None, None], high[:, None, None]
    total = ((rows[before] * low) >> 16) + ((rows[after] * high) >> 16)
    return ((total + 2) >> 2).astype(np.uint8)


def _opencv_samples(size: int, new_size: int, *, clamp: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The two source pixels of each new pixel along an axis, and their weights in 1/2048.

    With `clamp`, one pixel gets the whole weight beyond the first and last (OpenCV's columns); without it, the same
    pixel is read with both weights, which rounds differently (OpenCV's rows).
    """
    position = ((np.arange(new_size) + 0.5) * (1.0 / (new_size / size)) - 0.5).astype(np.float32)
    before = np.floor(position).astype(np.int64)
    fraction = position - before.astype(np.float32)
    if clamp:
        fraction[(before < 0) | (before >= size - 1)] = 0
    one = 1 << WEIGHT_BITS
    low, high = (np.rint(weight * np.float32(one)).astype(np.int32) for weight in (1 - fraction, fraction))
    return before.clip(0, size - 1), (before + 1).clip(0, size - 1), low, high
