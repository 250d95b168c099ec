"""Gaussians on heatmaps: how wide an object's is, and drawing those of a whole batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

CHUNK = 65536  # cells drawn at a time; a batch of 8 images with 50 objects each has about as many
ALMOST = 1e-5  # float32 may land this much below a whole radius that float64 reaches


def gaussian_radius(height: Any, width: Any, min_overlap: float = 0.7) -> Any:
    """Radius of an object's Gaussian: CornerNet's, in the form that all published CenterNets were trained with.

    CornerNet (Law and Deng 2018, section 3.2) asks how far two corners may be off for the box to keep an overlap,
    in three arrangements, each a quadratic equation. Its first code took `(b + √(b² - 4ac)) / 2` as the root of
    each (the division by `a` is missing, and two of them are the larger root) and the least of the three. Keypoint
    Triplets, Objects as Points and the TensorFlow Object Detection API copied that. The first value is then at
    least `(height + width) / 2`, the second at least `height + width` and the third at most a quarter of that, so
    the third always wins. With `s = height + width`, `o = min_overlap` and `q = 4·o·(1 - o)·height·width` it is
    `√(o²s² + q) - o·s`, computed here as `q / (o·s + √(o²s² + q))`, which loses no digits.

    Args:
        height: Heights, float32 of any shape, in output cells (Keypoint Triplets and Objects as Points round them
            up, the TensorFlow API does not).
        width: Widths, likewise.
        min_overlap: Intersection over union to keep, between 0 and 1.

    Returns:
        Radii in cells, float32; 0 for a box without area.
    """
    side = min_overlap * (height + width)
    product = 4 * min_overlap * (1 - min_overlap) * (height * width)
    return product / ops.maximum(side + ops.sqrt(side * side + product), keras.config.epsilon())


def whole_radius(height: Any, width: Any, min_overlap: float = 0.7) -> Any:
    """`gaussian_radius`, rounded down to whole cells as float64 would do it: int32, at least 0."""
    return ops.cast(ops.floor(gaussian_radius(height, width, min_overlap) + ALMOST), "int32")


def draw_gaussians(
    centers: Sequence[Any],
    deviations: Sequence[Any],
    radii: Any,
    class_ids: Any,
    size: tuple[int, int],
    num_classes: int,
) -> list[Any]:
    """Draw every object's Gaussian into the channel of its class; where several meet, the highest value stays.

    A window of `2·radius + 1` cells a side around the center gets `exp(-(dx² + dy²) / (2σ²))`, exactly 1 at the
    center; the part outside the map is left out. Several heatmaps may share objects and radii (corners and
    centers of the same boxes): their windows are laid out once.

    The windows of all objects are strung together to one list of cells, which a loop draws `CHUNK` at a time. So
    the work follows the area that is drawn, while all shapes stay static. TensorFlow without XLA copies the heatmaps
    for each chunk; a `tf.function` of its own with `jit_compile=True` draws in place.

    Args:
        centers: A heatmap's centers as `x y` cells, int32 `(batch, n, 2)`, for each heatmap.
        deviations: A heatmap's standard deviations σ in cells, float32 `(batch, n)`, for each heatmap.
        radii: Half sides of the windows in cells, int32 `(batch, n)`, at least 0.
        class_ids: Channel of each object, int32 `(batch, n)`; less than 0: nothing is drawn.
        size: Height and width of the heatmaps.
        num_classes: Channels of the heatmaps; every class id is less.

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
    falls = [ops.reshape(-0.5 / ops.square(deviation), (-1,)) for deviation in deviations]

    def draw_chunk(first: Any, *maps: Any) -> tuple[Any, ...]:
        number, owner = _owners(first, ends)
        dx, dy = _window_cells(number - ops.take(ends - areas, owner), ops.take(radius, owner))
        squared = ops.cast(dx * dx + dy * dy, "float32")
        plane, channel = ops.take(image, owner), ops.take(class_id, owner)
        drawn = []
        for heatmap, point, fall in zip(maps, points, falls, strict=True):
            x, y = ops.take(point[:, 0], owner) + dx, ops.take(point[:, 1], owner) + dy
            inside = (number < total) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
            value = ops.where(inside, ops.exp(squared * ops.take(fall, owner)), 0.0)
            index = ops.where(inside, ((plane * height + y) * width + x) * num_classes + channel, 0)
            drawn.append(_scatter_max(heatmap, index, value))
        return (first + CHUNK, *drawn)

    flat = [ops.zeros((batch * height * width * num_classes,), "float32") for _ in centers]
    start = ops.zeros((), "int32")
    _, *maps = ops.while_loop(lambda first, *_: first < total, draw_chunk, (start, *flat))
    return [ops.reshape(heatmap, shape) for heatmap in maps]


def _owners(first: Any, ends: Any) -> tuple[Any, Any]:
    """Numbers of the chunk's cells, and the object whose window each is in: the first that ends behind it."""
    behind = ops.clip(ends - first, 0, CHUNK)
    marks = ops.zeros((CHUNK + 1,), "int32")
    marks = ops.scatter_update(marks, behind[:, None], ops.ones_like(behind), reduction="add")
    number = first + ops.arange(CHUNK, dtype="int32")
    return number, ops.minimum(ops.cumsum(marks)[:CHUNK], ops.shape(ends)[0] - 1)


def _window_cells(number: Any, radius: Any) -> tuple[Any, Any]:
    """`x` and `y`, from the center, of the cells of windows that are numbered row by row."""
    side = 2 * radius + 1
    row = number // side
    return number - row * side - radius, row - radius


def _scatter_max(values: Any, index: Any, updates: Any) -> Any:
    """`values` `(n,)`, not negative, raised to `updates` `(m,)` at `index` `(m,)`."""
    if keras.backend.backend() == "torch":  # there, scatter_update is a Python loop over the updates
        return values.scatter_reduce_(0, index.long(), updates, "amax")
    return ops.scatter_update(values, index[:, None], updates, reduction="max")
