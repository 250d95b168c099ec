"""Bilinear resampling of images to a canvas, once per pixel."""

from __future__ import annotations

from typing import Any, NamedTuple

from keras import ops

from centernet.ops.resize import Sampling
from centernet.training.augmentation.windows import Windows

CHANNELS = 3


class _Taps(NamedTuple):
    """The two rows (or columns) of the source pixels along one axis, and their weights, `(batch, parts, n)`.

    Outside the image both weights are 0.
    """

    before: Any
    after: Any
    weight_before: Any
    weight_after: Any


def resample(images: Any, windows: Windows, canvas: tuple[int, int], sampling: Sampling) -> tuple[Any, Any]:
    """Resample the images in windows.

    Args:
        images: uint8 `(batch, height, width, 3)`.
        windows: The windows.
        canvas: Height and width of the result.
        sampling: See `centernet.ops.resize.sample_positions`.

    Returns:
        float32 `(batch, height, width * 3)` with values 0–255; and, same shape, 1 inside the images and 0 outside.
    """
    height, width = ops.shape(images)[1:3]
    pixels = ops.reshape(images, (-1, CHANNELS))
    rows, columns = (_taps(windows, axis, canvas[axis], sampling) for axis in (0, 1))
    first = windows.sources[:, :, None] * height
    tops = [_by_row((first + index) * width, windows, canvas, 1) for index in rows[:2]]
    lefts = [_by_column(index, windows, canvas, 1) for index in columns[:2]]
    down = [_by_row(weight, windows, canvas, CHANNELS) for weight in rows[2:]]
    across = [_by_column(_three(weight), windows, canvas, CHANNELS) for weight in columns[2:]]

    def row(top: Any) -> Any:
        read = (ops.take(pixels, ops.reshape(top + left, (-1,)), axis=0) for left in lefts)
        left, right = (ops.cast(ops.reshape(x, (-1, canvas[0], canvas[1] * CHANNELS)), "float32") for x in read)
        return left * across[0] + right * across[1]

    upper, lower = map(row, tops)
    return upper * down[0] + lower * down[1], (down[0] + down[1]) * (across[0] + across[1])


def _taps(windows: Windows, axis: int, length: int, sampling: Sampling) -> _Taps:
    size, start, ratio = (x[:, :, axis, None] for x in (windows.sizes, windows.starts, windows.ratios))
    target = ops.cast(ops.arange(length), "float32")
    center = (target + 0.5) * ratio + start
    inside = ops.cast((center >= 0) & (center < size), "float32")
    # Exactly as in `sample_positions`: at a large gradient a rounding difference would show.
    position = target * ratio + start if sampling == "legacy" else (target + 0.5) * ratio + (start - 0.5)
    last = size - 1
    position = ops.maximum(position, 0.0)
    before = ops.floor(position)
    weight = position - before
    pair = ops.minimum(before, last), ops.minimum(before + 1, last)
    mirrored = windows.mirrored[:, :, axis, None]
    before, after = (ops.cast(ops.maximum(ops.where(mirrored, last - x, x), 0.0), "int32") for x in pair)
    return _Taps(before, after, (1 - weight) * inside, weight * inside)


def _three(values: Any) -> Any:
    return ops.repeat(values, CHANNELS, axis=-1)


def _by_row(values: Any, windows: Windows, canvas: tuple[int, int], channels: int) -> Any:
    """Values of a canvas's rows `(batch, parts, height)`, broadcast over its pixels."""
    if values.shape[1] == 1:
        return values[:, 0, :, None]
    above, left_of = _sides(windows, canvas, channels)
    left, right = (ops.where(above[:, 0], values[:, side], values[:, side + 2])[:, :, None] for side in (0, 1))
    return ops.where(left_of, left, right)


def _by_column(values: Any, windows: Windows, canvas: tuple[int, int], channels: int) -> Any:
    """Values of a canvas's columns `(batch, parts, width * channels)`, broadcast over its pixels."""
    if values.shape[1] == 1:
        return values[:, 0, None]
    above, left_of = _sides(windows, canvas, channels)
    top, bottom = (ops.where(left_of, values[:, half, None], values[:, half + 1, None]) for half in (0, 2))
    return ops.where(ops.transpose(above, (0, 2, 1)), top, bottom)


def _sides(windows: Windows, canvas: tuple[int, int], channels: int) -> tuple[Any, Any]:
    """Rows above the cut, `(batch, 1, height)`, and values left of it, `(batch, 1, width * channels)`, bool."""
    cut = windows.high[:, 0, :, None, None]
    above = ops.cast(ops.arange(canvas[0]), "float32") < cut[:, 0]
    left_of = ops.cast(ops.repeat(ops.arange(canvas[1]), channels), "float32") < cut[:, 1]
    return above, left_of
