"""Heatmap Gaussians: radius of an object, and drawing a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

CHUNK = 65536  # cells drawn per step; about a batch of 8 images with 50 objects each
FLOOR_TOLERANCE = 1e-5  # float32 may fall this far below an integer radius that float64 reaches


def gaussian_radius(height: Any, width: Any, min_overlap: float = 0.7) -> Any:
    """Radius of an object's Gaussian, as all published CenterNets were trained.

    CornerNet (Law and Deng 2018, section 3.2) bounds the corner error that keeps an overlap in three arrangements,
    each a quadratic equation. Its first code, copied by Keypoint Triplets, Objects as Points and the TensorFlow Object
    Detection API, takes the minimum of `(b + √(b² - 4ac)) / 2` over the three (the division by `a` is missing, and two
    are the larger root). The third is always the minimum: the first is at least `(height + width) / 2`, the second at
    least `height + width`, the third at most a quarter of that. With `s = height + width`, `o = min_overlap` and
    `q = 4·o·(1 - o)·height·width` it equals `√(o²s² + q) - o·s`, computed as `q / (o·s + √(o²s² + q))` for precision.

    Args:
        height: Heights in output cells, float32 of any shape (rounded up by both papers' code, not by TensorFlow's).
        width: Widths, likewise.
        min_overlap: IoU to keep, between 0 and 1.

    Returns:
        Radii in cells, float32; 0 for a box without area.
    """
    side = min_overlap * (height + width)
    product = 4 * min_overlap * (1 - min_overlap) * (height * width)
    return product / ops.maximum(side + ops.sqrt(side * side + product), keras.config.epsilon())


def integer_radius(height: Any, width: Any, min_overlap: float = 0.7) -> Any:
    """`gaussian_radius` rounded down to cells as in float64, int32, at least 0."""
    return ops.cast(ops.floor(gaussian_radius(height, width, min_overlap) + FLOOR_TOLERANCE), "int32")


def draw_gaussians(
    centers: Sequence[Any],
    deviations: Sequence[Any],
    radii: Any,
    class_ids: Any,
    size: tuple[int, int],
    num_classes: int,
) -> list[Any]:
    """Draw each object's Gaussian into the channel of its class; overlapping Gaussians keep the maximum.

    A window of `2·radius + 1` cells per side around the center gets `exp(-(dx² + dy²) / (2σ²))`, exactly 1 at the
    center, cropped to the map. Several heatmaps (corners and centers of the same boxes) share one layout of windows.

    The cells of all windows form one list, which a loop draws `CHUNK` at a time: the work is proportional to the drawn
    area while all shapes stay static. TensorFlow copies the heatmaps for each chunk, unless XLA compiles the function.

    Args:
        centers: For each heatmap, centers as `x y` cells, int32 `(batch, n, 2)`.
        deviations: For each heatmap, standard deviations σ in cells, float32 `(batch, n)`.
        radii: Half sides of the windows in cells, int32 `(batch, n)`, at least 0.
        class_ids: Channel of each object, int32 `(batch, n)`; negative: not drawn.
        size: Height and width of the heatmaps.
        num_classes: Number of channels.

    Returns:
        The heatmaps, each float32 `(batch, height, width, num_classes)`.
    """
    batch, count = ops.shape(class_ids)
    height, width = size
    shape = (batch, height, width, num_classes)
    if class_ids.shape[1] == 0:
        return [ops.zeros(shape, "float32") for _ in centers]
    radius, class_id = ops.reshape(radii, (-1,)), ops.reshape(class_ids, (-1,))
    image = ops.repeat(ops.arange(batch, dtype="int32"), count)
    areas = ops.where(class_id >= 0, (2 * radius + 1) ** 2, 0)
    ends, total = ops.cumsum(areas), ops.sum(areas)
    points = [ops.reshape(center, (-1, 2)) for center in centers]
    exponents = [ops.reshape(-0.5 / ops.square(deviation), (-1,)) for deviation in deviations]

    def draw_chunk(first: Any, *maps: Any) -> tuple[Any, ...]:
        cell, owner = _owners(first, ends)
        dx, dy = _window_cells(cell - ops.take(ends - areas, owner), ops.take(radius, owner))
        squared = ops.cast(dx * dx + dy * dy, "float32")
        plane, channel = ops.take(image, owner), ops.take(class_id, owner)
        drawn = []
        for heatmap, point, exponent in zip(maps, points, exponents, strict=True):
            x, y = ops.take(point[:, 0], owner) + dx, ops.take(point[:, 1], owner) + dy
            inside = (cell < total) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            value = ops.where(inside, ops.exp(squared * ops.take(exponent, owner)), 0.0)
            index = ops.where(inside, ((plane * height + y) * width + x) * num_classes + channel, 0)
            drawn.append(_scatter_max(heatmap, index, value))
        return (first + CHUNK, *drawn)

    flat = [ops.zeros((batch * height * width * num_classes,), "float32") for _ in centers]
    start = ops.zeros((), "int32")
    _, *maps = ops.while_loop(lambda first, *_: first < total, draw_chunk, (start, *flat))
    return [ops.reshape(heatmap, shape) for heatmap in maps]


def _owners(first: Any, ends: Any) -> tuple[Any, Any]:
    """Indices of the chunk's cells, and the object that each belongs to: the first whose window ends after it."""
    behind = ops.clip(ends - first, 0, CHUNK)
    marks = ops.zeros((CHUNK + 1,), "int32")
    marks = ops.scatter_update(marks, behind[:, None], ops.ones_like(behind), reduction="add")
    cell = first + ops.arange(CHUNK, dtype="int32")
    return cell, ops.minimum(ops.cumsum(marks)[:CHUNK], ops.shape(ends)[0] - 1)


def _window_cells(cell: Any, radius: Any) -> tuple[Any, Any]:
    """Offsets `x` and `y` from the center of row-major cell indices of windows."""
    side = 2 * radius + 1
    row = cell // side
    return cell - row * side - radius, row - radius


def _scatter_max(values: Any, index: Any, updates: Any) -> Any:
    """Raise non-negative `values` `(n,)` to at least `updates` `(m,)` at `index` `(m,)`."""
    if keras.backend.backend() == "torch":  # there, scatter_update is a Python loop over the updates
        return values.scatter_reduce_(0, index.long(), updates, "amax")
    return ops.scatter_update(values, index[:, None], updates, reduction="max")
