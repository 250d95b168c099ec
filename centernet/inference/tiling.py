"""Tiles of an image, and the merging of their detections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from centernet.errors import ConfigError
from centernet.models.test_time import TestTime
from centernet.ops.constants import Arrays
from centernet.ops.nms import SuppressionSettings, soft_nms

MOST_TILES = 4096  # of an image
MOST_DETECTIONS = 10_000  # of an image in tiles, and candidates of its soft-NMS: seconds of work
# A box that ends nearer to the border of its tile touches it; relative to the tile. With 0.02, AP of 300 small shapes
# is higher than with 0.01, and than with all boxes kept (tests/benchmarks/RESULTS.md).
TOUCHING = 0.02


class Span(NamedTuple):
    """A tile along one axis, in pixels.

    Attributes:
        start: First pixel.
        end: End, one after the last pixel.
        before: End of the tile before it; minus infinity at the border of the image.
        after: Start of the tile after it; infinity at the border of the image.
    """

    start: int
    end: int
    before: float
    after: float

    def cuts(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Boxes that touch an inner border of the tile, and lie in the neighbor beyond it, bool `(n,)`."""
        margin = TOUCHING * (self.end - self.start)
        at_start = (low < self.start + margin) & (high < self.before - margin)
        at_end = (high > self.end - margin) & (low > self.after + margin)
        return at_start | at_end


class Tile(NamedTuple):
    """A tile: its rows and columns."""

    rows: Span
    columns: Span

    def of(self, image: np.ndarray) -> np.ndarray:
        """The tile of an image `(height, width, 3)`, a view."""
        return image[self.rows.start : self.rows.end, self.columns.start : self.columns.end]

    def in_image(self, arrays: Arrays) -> Arrays:
        """Detections of the tile in pixels of the image, without those that a neighbor has uncut.

        A box at an inner border is that of an object which the border may cut. It is dropped where the neighbor sees
        all of it and what is beyond; boxes that are larger than the overlap stay, because no tile may have the whole
        object.
        """
        offset = np.array([self.columns.start, self.rows.start], np.float32)
        moved = dict(arrays, boxes=arrays["boxes"] + np.tile(offset, 2))
        if "keypoints" in arrays:
            moved["keypoints"] = arrays["keypoints"] + offset
        x0, y0, x1, y1 = moved["boxes"].T
        whole = ~(self.columns.cuts(x0, x1) | self.rows.cuts(y0, y1))
        return {name: values[whole] for name, values in moved.items()}


def tiles_of(size: tuple[int, ...], test_time: TestTime) -> list[Tile]:
    """Tiles that cover an image.

    All have the size that was asked for, or that of the image where it is smaller. The last row and column are moved
    inwards, to end with the image.

    Args:
        size: Height and width of the image in pixels.
        test_time: Its `tiles` and `overlap`.

    Returns:
        The tiles, row by row.

    Raises:
        ConfigError: If there are more than `MOST_TILES`.
    """
    assert test_time.tiles is not None
    steps = [int(tile * (1 - test_time.overlap)) for tile in test_time.tiles]
    counts = [
        1 + max(0, -(-(side - tile) // step)) for side, tile, step in zip(size, test_time.tiles, steps, strict=True)
    ]
    if math.prod(counts) > MOST_TILES:
        raise ConfigError(
            f"Expected tiles of which an image has at most {MOST_TILES}. Received: tiles={test_time.tiles}, "
            f"overlap={test_time.overlap:g}, which are {math.prod(counts)} of an image of {size[0]}×{size[1]} pixels. "
            "Choose larger tiles or less overlap."
        )
    rows, columns = (_spans(*one) for one in zip(size, test_time.tiles, steps, counts, strict=True))
    return [Tile(row, column) for row in rows for column in columns]


def _spans(side: int, tile: int, step: int, count: int) -> list[Span]:
    tile = min(tile, side)
    starts = [min(number * step, side - tile) for number in range(count)]
    ends = [-math.inf, *(start + tile for start in starts[:-1])]
    return [
        Span(start, start + tile, before, after)
        for start, before, after in zip(starts, ends, [*starts[1:], math.inf], strict=True)
    ]


def merge_tiles(parts: Sequence[Arrays], suppression: SuppressionSettings) -> Arrays:
    """Join the detections of tiles by soft-NMS.

    Args:
        parts: Arrays of `Network.decode` of each tile and of the whole image, without the batch axis, in pixels of the
            image.
        suppression: Settings of the soft-NMS.

    Returns:
        The arrays of the image, best first, at most `MOST_DETECTIONS` rows.
    """
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    best = np.argsort(-arrays["scores"], kind="stable")[:MOST_DETECTIONS]
    arrays = {name: values[best] for name, values in arrays.items()}
    left = soft_nms(arrays["boxes"], arrays["scores"], arrays["class_ids"], suppression)
    kept = {name: values[left.rows] for name, values in arrays.items()}
    return kept | {"boxes": left.boxes, "scores": left.scores}
