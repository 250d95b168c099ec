"""Fitting images to a canvas on the host: the same pixels as `centernet.ops.resize` gives, as uint8 (NumPy)."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from centernet.errors import ConfigError

SAMPLINGS = ("legacy", "half_pixel")
BLOCK = 1 << 16  # values of source rows that are worked on at a time, few enough to stay in a core's cache


class Positions(NamedTuple):
    """Where along one axis each pixel of a resized image is read: between two pixels, and at which part of the way.

    `before` and `after` are int64 `(new_size,)`, `weight`, that of `after`, float32 `(new_size,)`.
    """

    before: np.ndarray
    after: np.ndarray
    weight: np.ndarray


@functools.lru_cache(maxsize=256)
def fitted_size(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image that is scaled to fit a canvas: `centernet.ops.resize.fitted_sizes` of one image.

    Args:
        size: Height and width of the image in pixels.
        canvas: Height and width to fit into.
    """
    sides = np.asarray(size, np.float32)
    scale = (np.asarray(canvas, np.float32) / sides).min()
    height, width = np.maximum(np.rint(scale * sides), 1).astype(int).tolist()
    return height, width


@functools.lru_cache(maxsize=256)
def sample_positions(size: int, new_size: int, sampling: str) -> Positions:
    """As `centernet.ops.resize.sample_positions`, of one image without an offset.

    Args:
        size: Length of the image along the axis.
        new_size: Length of the resized image.
        sampling: `"legacy"` or `"half_pixel"`, see there.
    """
    ratio, target = np.float32(size) / np.float32(new_size), np.arange(new_size, dtype=np.float32)
    if sampling == "legacy":
        position = target * ratio
    else:
        half = np.float32(0.5)
        position = np.maximum((target + half) * ratio - half, 0)
    before = np.floor(position)
    index = before.astype(np.int64)
    return Positions(np.minimum(index, size - 1), np.minimum(index + 1, size - 1), position - before)


def resize_into(out: np.ndarray, image: np.ndarray, sampling: str = "legacy") -> None:
    """Resize an image bilinearly, without antialiasing, to where it is to be.

    Columns are read from rows that were interpolated before, the other way round than in `centernet.ops.resize`: in
    float32 it is the same, and it is quicker where pixels of a row lie side by side. Values are rounded to the
    nearest.

    Args:
        out: uint8 `(height, width, 3)`, which is filled; its rows may lie apart, as in a part of a canvas.
        image: uint8 RGB `(height, width, 3)` of any size.
        sampling: `"legacy"` or `"half_pixel"`, see `centernet.ops.resize.sample_positions`.

    Raises:
        ConfigError: If the sampling is neither.
    """
    if sampling not in SAMPLINGS:
        raise ConfigError(f"Expected a sampling of {SAMPLINGS}. Received: sampling={sampling!r}")
    if out.shape == image.shape:
        out[...] = image
        return
    rows, columns = (sample_positions(image.shape[axis], out.shape[axis], sampling) for axis in (0, 1))
    weights = {*rows.weight.tolist(), *columns.weight.tolist()}
    if weights == {0.0}:
        _pick(out, image, _every(rows.before), _every(columns.before))
    elif weights == {0.5}:
        _average(out, image, rows, columns)
    else:
        _interpolate(out, image, rows, columns)


def _every(index: np.ndarray) -> slice:
    """The slice that reads pixels at equal distances."""
    first, last = int(index[0]), int(index[-1])
    return slice(first, last + 1, (last - first) // max(len(index) - 1, 1) or 1)


def _pick(out: np.ndarray, image: np.ndarray, rows: slice, columns: slice) -> None:
    """Every second pixel, say; channel by channel it is four times quicker."""
    for channel in range(3):
        out[..., channel] = image[rows, columns, channel]


def _average(out: np.ndarray, image: np.ndarray, rows: Positions, columns: Positions) -> None:
    """Means of four pixels, rounded to the nearest; in integers, five times quicker than `_interpolate`."""
    lines = np.add(image[_every(rows.before)], image[_every(rows.after)], dtype=np.uint16)
    before, after = _every(columns.before), _every(columns.after)
    for channel in range(3):
        sums = lines[:, before, channel] + lines[:, after, channel]
        sums += 2
        out[..., channel] = sums >> 2


def _interpolate(out: np.ndarray, image: np.ndarray, rows: Positions, columns: Positions) -> None:
    flat = image.reshape(len(image), -1)
    before, after = ((index[:, None] * 3 + np.arange(3)).ravel() for index in columns[:2])
    weight = np.repeat(columns.weight, 3)
    count = max(BLOCK // flat.shape[1], 1)
    for first in range(0, len(out), count):
        part = slice(first, first + count)
        lines = _between(flat[rows.before[part]], flat[rows.after[part]], rows.weight[part, None])
        # The indices are in range: "clip" only spares the check.
        values = _between(lines.take(before, 1, mode="clip"), lines.take(after, 1, mode="clip"), weight)
        values += 0.5  # to the nearest, as the conversion rounds down
        out[part] = values.reshape(-1, *out.shape[1:])


def _between(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`low + (high - low) * weight` in float32; float32 arguments are overwritten."""
    low, high = low.astype(np.float32, copy=False), high.astype(np.float32, copy=False)
    high -= low
    high *= weight
    high += low
    return high
