"""Geometry of triplets (Duan 2019, section 3.1) and of the canvases of test-time passes.

Functions with an argument `xp` take the namespace of their arrays: `keras.ops` in a graph, `numpy` on the host, where
passes are merged. Both compute the same, in the order of the reference's operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from centernet.errors import ConfigError
from centernet.models.test_time import check_canvas
from centernet.ops.constants import STRIDE
from centernet.ops.preprocessing import Preprocessing
from centernet.ops.resize import resize_like_opencv

MARGIN = 5  # pixels of the canvas by which a box may exceed the image; a constant of the reference
NO_PAIR = -1.0  # score of corners that are no pair, or have no center


class Frame(NamedTuple):
    """Mapping of output cells to an image; each field has `x y` in its last axis and broadcasts with positions.

    `ratio`: cells per pixel of the canvas (not 1/4: 128 cells are 511 pixels). `offset`: position of the image on the
    canvas, in pixels. `size`: its width and height there. `scale`: pixels of the canvas per pixel of the image.
    """

    ratio: Any
    offset: Any
    size: Any
    scale: Any

    def on_canvas(self, points: Any) -> Any:
        """Positions in cells `(..., 2)` → pixels of the canvas, relative to the image's origin."""
        return points / self.ratio - self.offset

    def in_image(self, points: Any) -> Any:
        """Positions in cells `(..., 2)` → pixels of the original image."""
        return self.on_canvas(points) / self.scale


def boxes_in_image(boxes: Any, scores: Any, frame: Frame, xp: Any) -> tuple[Any, Any]:
    """Boxes in pixels of the original image, clipped to it.

    Args:
        boxes: `(..., n, 4)` as `x0 y0 x1 y1` in output cells.
        scores: `(..., n)`.
        frame: Mapping of the cells to the image.
        xp: Namespace of the arrays.

    Returns:
        Boxes, and scores: `NO_PAIR` for boxes that are too far outside.
    """
    start, end = frame.on_canvas(boxes[..., :2]), frame.on_canvas(boxes[..., 2:])
    near = xp.all(xp.logical_and(start > -MARGIN, end < frame.size + MARGIN), axis=-1)
    clipped = [xp.clip(corner, 0.0, frame.size) / frame.scale for corner in (start, end)]
    return xp.concatenate(clipped, axis=-1), xp.where(near, scores, NO_PAIR)


def are_large(boxes: Any, large_area: float) -> Any:
    """Boxes `(..., 4)` of more than `large_area` square pixels, bool `(...)`."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]) > large_area


def central_regions(boxes: Any, large_area: float, xp: Any) -> Any:
    """Central regions of boxes: a third of each side, a fifth for boxes of more than `large_area` (equation 1).

    Args:
        boxes: `(..., 4)` as `x0 y0 x1 y1` in pixels of the original image.
        large_area: In square pixels.
        xp: Namespace of the arrays.

    Returns:
        Regions `(..., 4)` likewise.
    """
    start, end = boxes[..., :2], boxes[..., 2:]
    thirds = xp.concatenate([(2 * start + end) / 3, (start + 2 * end) / 3], axis=-1)
    fifths = xp.concatenate([(3 * start + 2 * end) / 5, (2 * start + 3 * end) / 5], axis=-1)
    return xp.where(are_large(boxes, large_area)[..., None], fifths, thirds)


def triplet_scores(
    boxes: Any, scores: Any, class_ids: Any, centers: tuple[Any, Any, Any], large_area: float, xp: Any, first: bool
) -> Any:
    """Scores of pairs with the center of their class in their central region.

    Args:
        boxes: `(..., n, 4)` as `x0 y0 x1 y1` in pixels of the original image.
        scores: Mean of the two corners' scores, or `NO_PAIR`, `(..., n)`.
        class_ids: Their classes `(..., n)`.
        centers: Points `(..., m, 2)` as `x y` in the same pixels, scores and class ids `(..., m)`; m is not 0.
        large_area: See `central_regions`.
        xp: Namespace of the arrays.
        first: Use the first of several centers, as the reference, instead of the best.

    Returns:
        Mean of the three keypoints' scores, or `NO_PAIR` where there is no triplet, `(..., n)`.
    """
    points, center_scores, center_ids = centers
    regions = central_regions(boxes, large_area, xp)
    meets = class_ids[..., None] == center_ids[..., None, :]
    for axis in (0, 1):  # a trailing axis of length 2 would be several times slower
        position = points[..., None, :, axis]
        inside = xp.logical_and(position > regions[..., axis, None], position < regions[..., 2 + axis, None])
        meets = xp.logical_and(meets, inside)
    found = xp.where(meets, center_scores[..., None, :], NO_PAIR)
    if first:
        found = xp.take_along_axis(found, xp.argmax(xp.where(meets, 1, 0), axis=-1)[..., None], axis=-1)
    center = xp.max(found, axis=-1)
    return xp.where(xp.logical_and(center > NO_PAIR, scores > NO_PAIR), (2 * scores + center) / 3, NO_PAIR)


@dataclass(frozen=True)
class Canvas:
    """Position of an image on the network's input; pairs are height, width, in pixels.

    Attributes:
        scale: Factor of the image size of a plain `detect`.
        image_size: Size of the original image.
        new_size: Size of the scaled image.
        size: Size of the canvas.
        border: Rows above and columns left of the image.
        factor: Pixels of the canvas per pixel of the original image, along both axes.
    """

    scale: float
    image_size: tuple[int, int]
    new_size: tuple[int, int]
    size: tuple[int, int]
    border: tuple[int, int]
    factor: tuple[float, float]

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output grid, in cells."""
        return -(-self.size[0] // STRIDE), -(-self.size[1] // STRIDE)

    @property
    def frame(self) -> Frame:
        """Mapping of output cells to the image; float32 arrays `(2,)`."""
        ratio = np.divide(self.output_size, self.size)
        pairs = (ratio, self.border, self.new_size, self.factor)
        return Frame(*(np.array(pair[::-1], np.float32) for pair in pairs))


def fit_canvas(preprocessing: Preprocessing, image_size: tuple[int, int], scale: float = 1.0) -> Canvas:
    """The canvas of a pass.

    With `fit="original"` the image is scaled and the canvas follows; positions are divided by the nominal scale, as in
    the reference, not by the rounded one. With `fit="canvas"` the canvas was scaled (see `Preprocessing.scaled`), and
    the image is fitted to it.

    Args:
        preprocessing: Preprocessing of the pass.
        image_size: Height and width in pixels.
        scale: Factor of both with `fit="original"` (rounded down, at least 1 pixel).

    Returns:
        The canvas.

    Raises:
        ConfigError: If the size or the scale is not positive, or the canvas too large.
    """
    from keras import ops

    if min(image_size) < 1 or not 0 < scale < np.inf:
        raise ConfigError(f"Expected a positive image size and scale. Received: size={image_size}, scale={scale}")
    original = preprocessing.fit == "original"
    seen = [[max(int(side * scale), 1) if original else side for side in image_size]]
    check_canvas(scale, preprocessing.canvas(np.array(seen, object)))
    size = preprocessing.canvas(np.array(seen))
    placed = preprocessing.place(ops.convert_to_tensor(np.array(seen, np.int32)), size)
    (height, width), (top, left) = (ops.convert_to_numpy(value)[0].tolist() for value in placed)
    factor = (scale, scale) if original else (height / image_size[0], width / image_size[1])
    return Canvas(scale, image_size, (height, width), size, (top, left), factor)


def scale_image(image: np.ndarray, canvas: Canvas, *, exact: bool = False) -> np.ndarray:
    """The scaled image of a pass, for preprocessing with `fit="original"`.

    If a side is already 128 m - 1, the reference loses the last row (column): it copies half a canvas to either side of
    the image's center, and half of 127 is 63. The border is 0 in both cases, so dropping the row moves nothing.

    Args:
        image: uint8 `(height, width, channels)`.
        canvas: From `fit_canvas` of its size.
        exact: Drop the row (column) that the reference loses.

    Returns:
        uint8 `(*canvas.new_size, channels)`, possibly without a row or column.
    """
    scaled = resize_like_opencv(image, canvas.new_size)
    rows, columns = (side - (exact and side == full) for side, full in zip(canvas.new_size, canvas.size, strict=True))
    return scaled[:rows, :columns]
