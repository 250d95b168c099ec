"""Images and objects fitted to a canvas on the host (NumPy), read straight to its size where possible."""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from centernet.data.dataset_base import DatasetBase
from centernet.data.sample import Sample
from centernet.errors import ConfigError, SourceError

SAMPLINGS = ("legacy", "half_pixel")
BLOCK = 1 << 16  # values of source rows processed at a time, few enough to stay in a core's cache
# Field of a batch → shape and type for one object, and padding value.
_FIELDS: dict[str, tuple[tuple[int, ...], Any, int]] = {
    "boxes": ((4,), np.float32, 0),
    "class_ids": ((), np.int32, -1),
    "ignore": ((), bool, 0),
    "keypoints": ((0, 3), np.float32, 0),
}
logger = logging.getLogger("centernet")


class Positions(NamedTuple):
    """The two source pixels of each resized pixel along one axis, int64 `(n,)`, and the weight of `after`, float32."""

    before: np.ndarray
    after: np.ndarray
    weight: np.ndarray


@functools.lru_cache(maxsize=256)
def fitted_size(size: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int]:
    """`centernet.ops.resize.fitted_sizes` for one image: height and width, scaled to fit a canvas."""
    sides = np.asarray(size, np.float32)
    scale = (np.asarray(canvas, np.float32) / sides).min()
    height, width = np.maximum(np.rint(scale * sides), 1).astype(int).tolist()
    return height, width


@functools.lru_cache(maxsize=256)
def sample_positions(size: int, new_size: int, sampling: str) -> Positions:
    """`centernet.ops.resize.sample_positions` for one axis that is resized from `size` to `new_size` pixels."""
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
    """Resize an image bilinearly, without antialiasing, into an array; values are rounded to the nearest.

    Rows are interpolated before columns, the reverse of `centernet.ops.resize`: the same in float32, and faster where
    pixels of a row are contiguous.

    Args:
        out: uint8 `(height, width, 3)` to fill, such as a part of a canvas.
        image: uint8 RGB `(height, width, 3)` of any size.
        sampling: `"legacy"` or `"half_pixel"`, see `centernet.ops.resize.sample_positions`.

    Raises:
        ConfigError: If the sampling is unknown.
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
    """Equally spaced indices as a slice."""
    first, last = int(index[0]), int(index[-1])
    return slice(first, last + 1, (last - first) // max(len(index) - 1, 1) or 1)


def _pick(out: np.ndarray, image: np.ndarray, rows: slice, columns: slice) -> None:
    """Copy pixels, such as every second one; four times faster channel by channel."""
    for channel in range(3):
        out[..., channel] = image[rows, columns, channel]


def _average(out: np.ndarray, image: np.ndarray, rows: Positions, columns: Positions) -> None:
    """Mean of four pixels, rounded to the nearest; five times faster in integers than `_interpolate`."""
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
        # The indices are in range: "clip" only skips the check.
        values = _between(lines.take(before, 1, mode="clip"), lines.take(after, 1, mode="clip"), weight)
        values += 0.5  # the conversion rounds down
        out[part] = values.reshape(-1, *out.shape[1:])


def _between(low: np.ndarray, high: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """`low + (high - low) * weight` in float32; float32 arguments are overwritten."""
    low, high = low.astype(np.float32, copy=False), high.astype(np.float32, copy=False)
    high -= low
    high *= weight
    high += low
    return high


def fit_objects(sample: Sample, factor: tuple[float, float], max_objects: int) -> dict[str, np.ndarray]:
    """`boxes`, `class_ids`, `ignore` and `keypoints` (if any) of a sample, in pixels of a canvas.

    The canvas has `factor` pixels per pixel of the image, along `y x`. Of more than `max_objects`, the largest are
    kept, ignored ones last.
    """
    scale = np.array(factor[::-1], np.float32)
    fields = {"boxes": sample.boxes * np.tile(scale, 2), "class_ids": sample.class_ids, "ignore": sample.ignore}
    if sample.keypoints is not None:
        fields["keypoints"] = sample.keypoints * np.append(scale, np.float32(1))
    if len(sample.boxes) <= max_objects:
        return fields
    kept = np.sort(np.lexsort((-sample.areas, sample.ignore))[:max_objects])
    return {name: values[kept] for name, values in fields.items()}


def pad_objects(max_objects: int, **fields: Sequence[Any]) -> dict[str, np.ndarray]:
    """Objects of several images as one batch, padded with class id -1 and zeros elsewhere.

    Args:
        max_objects: Maximum number of objects per image.
        **fields: For each image `boxes` `(n, 4)`, `class_ids` `(n,)`, `ignore` `(n,)` or `keypoints` `(n, k, 3)`.

    Returns:
        The given fields: `boxes` float32 `(batch, max_objects, 4)`, `class_ids` int32 `(batch, max_objects)`, `ignore`
        bool `(batch, max_objects)`, `keypoints` float32 `(batch, max_objects, k, 3)`.

    Raises:
        ConfigError: If an image has too many objects, or its fields differ in length.
    """
    for image, counts in enumerate(zip(*(map(len, values) for values in fields.values()), strict=True)):
        if len(set(counts)) > 1 or counts[0] > max_objects:
            received = ", ".join(f"{count} {name}" for name, count in zip(fields, counts, strict=True))
            raise ConfigError(
                f"Expected at most {max_objects} objects per image and fields of equal length. Received: {received} in "
                f"image {image} of the batch. Raise max_objects, or leave out objects."
            )
    return {name: _pad(name, values, max_objects) for name, values in fields.items()}


def _pad(name: str, values: Sequence[Any], count: int) -> np.ndarray:
    shape, dtype, fill = _FIELDS[name]
    arrays = [np.asarray(value, dtype) for value in values]
    shape = next((array.shape[1:] for array in arrays if len(array)), shape)
    padded = np.full((len(arrays), count, *shape), fill, dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array.reshape(-1, *shape)
    return padded


class Placed(NamedTuple):
    """An image on a canvas."""

    sample_index: int  # in the dataset
    fitted: tuple[int, int]  # height and width on the canvas
    factor: tuple[float, float]  # pixels of the canvas per pixel of the image, along y x


@dataclass(frozen=True)
class CanvasReader:
    """Reads images of a dataset; safe to use from several threads."""

    dataset: DatasetBase
    sampling: str  # see centernet.ops.resize.sample_positions
    unreadable: dict[int, str] = field(default_factory=dict)  # index in the dataset → why it can't be read

    def read(self, out: np.ndarray, place: int, order: np.ndarray) -> Placed:
        """Read the image at a place in the order of an epoch; if it can't be read, one half an epoch later.

        It is written to `out`, a canvas of zeros, uint8 `(height, width, 3)`.

        Raises:
            SourceError: If no image of the epoch can be read.
        """
        later = place + len(order) // 2
        for position in itertools.chain([place], range(later, later + len(order))):
            index = int(order[position % len(order)])
            if index in self.unreadable:
                continue
            try:
                image = self.dataset[index].image
            except (SourceError, OSError) as error:
                self._mark_unreadable(index, str(error))
                continue
            height, width = fitted_size(image.shape[:2], out.shape[:2])
            resize_into(out[:height, :width], image, self.sampling)
            return Placed(index, (height, width), (height / image.shape[0], width / image.shape[1]))
        raise SourceError(
            f"None of the {len(order)} images of {self.dataset.name} can be read. The first: "
            f"{self.unreadable[int(order.min())]} `centernet check` lists the others."
        )

    def _mark_unreadable(self, index: int, reason: str) -> None:
        # Only the thread that stores the reason logs it.
        if self.unreadable.setdefault(index, reason) is reason:
            logger.warning("skipped, another image replaces it (%d so far): %s", len(self.unreadable), reason)
