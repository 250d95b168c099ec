"""What makes a triplet of two corners and a center (Duan 2019, section 3.1), for NumPy arrays and for tensors.

The functions take the namespace of their arrays as `xp`: `keras.ops` in a graph, `numpy` on the host, where passes
over an image are joined. Both compute the same, in the order of the reference's operations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

MARGIN = 5  # pixels of the canvas that a box may reach beyond the image; a constant of the reference
NO_PAIR = -1.0  # score of two corners that don't belong together, or have no center


class Frame(NamedTuple):
    """How output cells lie in an image; each field is `x y` in its last axis and broadcasts with positions.

    `ratio`: cells to a pixel of the canvas (not 1/4: 128 cells are 511 pixels). `offset`: where the image starts on
    the canvas, in pixels. `size`: its width and height there. `scale`: pixels there to a pixel of the image.
    """

    ratio: Any
    offset: Any
    size: Any
    scale: Any

    def on_canvas(self, points: Any) -> Any:
        """Positions in cells `(..., 2)` → pixels of the canvas, from where the image starts."""
        return points / self.ratio - self.offset

    def in_image(self, points: Any) -> Any:
        """Positions in cells `(..., 2)` → pixels of the original image."""
        return self.on_canvas(points) / self.scale


def boxes_in_image(boxes: Any, scores: Any, frame: Frame, xp: Any) -> tuple[Any, Any]:
    """Boxes in pixels of the original image, clipped to it.

    Args:
        boxes: `(..., n, 4)` as `x0 y0 x1 y1` in output cells.
        scores: `(..., n)`.
        frame: Where the cells lie.
        xp: Namespace of the arrays.

    Returns:
        Boxes likewise, and the scores: `NO_PAIR` for boxes that are too far outside.
    """
    start, end = frame.on_canvas(boxes[..., :2]), frame.on_canvas(boxes[..., 2:])
    near = xp.all(xp.logical_and(start > -MARGIN, end < frame.size + MARGIN), axis=-1)
    clipped = [xp.clip(corner, 0.0, frame.size) / frame.scale for corner in (start, end)]
    return xp.concatenate(clipped, axis=-1), xp.where(near, scores, NO_PAIR)


def are_large(boxes: Any, large_area: float) -> Any:
    """Which boxes `(..., 4)` have more than `large_area` square pixels."""
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
        first: Take the first of several centers, as the reference, and not the best.

    Returns:
        Mean of the three keypoints' scores, or `NO_PAIR` where there is no triplet, `(..., n)`.
    """
    points, center_scores, center_ids = centers
    regions = central_regions(boxes, large_area, xp)
    meets = class_ids[..., None] == center_ids[..., None, :]
    for axis in (0, 1):  # a trailing axis of two would make comparing several times slower
        position = points[..., None, :, axis]
        inside = xp.logical_and(position > regions[..., axis, None], position < regions[..., 2 + axis, None])
        meets = xp.logical_and(meets, inside)
    found = xp.where(meets, center_scores[..., None, :], NO_PAIR)
    if first:
        found = xp.take_along_axis(found, xp.argmax(xp.where(meets, 1, 0), axis=-1)[..., None], axis=-1)
    center = xp.max(found, axis=-1)
    return xp.where(xp.logical_and(center > NO_PAIR, scores > NO_PAIR), (2 * scores + center) / 3, NO_PAIR)
