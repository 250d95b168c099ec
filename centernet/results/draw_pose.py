"""Keypoints and their skeleton, anti-aliased."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from centernet.results.base import DetectionsBase
from centernet.results.colors import DARK, LIGHT, Color

LEFT: Color = (255, 140, 0)
RIGHT: Color = (0, 180, 255)
MIDDLE: Color = (190, 235, 90)
SUPERSAMPLING = 4
MAX_LAYER_PIXELS = 2**21


def draw_pose(
    picture: Image.Image,
    points: np.ndarray,
    visible: np.ndarray,
    detections: DetectionsBase,
    line_width: int,
) -> None:
    """Draw the visible keypoints of one object, and the edges between visible keypoints.

    Args:
        picture: RGB; changed in place.
        points: `(k, 2)`, x and y in pixels.
        visible: `(k,)` bool, the keypoints to draw.
        detections: Give the skeleton and the keypoint names, whose prefixes `left` and `right` select the color.
        line_width: Of boxes, in pixels; the skeleton of a small object is thinner.
    """
    if not visible.any():
        return
    extent = float(np.ptp(points[visible], axis=0).max())
    radius = float(np.clip(extent / 60, 1.0, 1.5 * line_width))
    margin = 2 * radius + 2
    first = np.floor(np.clip(points[visible].min(0) - margin, 0, picture.size)).astype(int)
    last = np.ceil(np.clip(points[visible].max(0) + margin, 0, picture.size)).astype(int)
    if (last <= first).any():
        return
    # Pillow draws without anti-aliasing: draw enlarged, then reduce.
    scale = max(1, min(SUPERSAMPLING, int((MAX_LAYER_PIXELS / np.prod(last - first)) ** 0.5)))
    size = (int(last[0] - first[0]), int(last[1] - first[1]))
    layer = Image.new("RGBA", (size[0] * scale, size[1] * scale), (0, 0, 0, 0))
    # Far outside the picture only the direction matters; larger coordinates overflow Pillow's integers.
    limit = 4 * max(picture.size)
    scaled = (np.clip(points, -limit, limit) - first) * scale
    sides = _sides(detections.keypoint_names, len(points))
    edges = [(start, end) for start, end in detections.skeleton or () if visible[start] and visible[end]]
    _draw_edges(layer, scaled, sides, edges, radius * scale)
    _draw_dots(layer, scaled[visible], sides[visible], radius * scale)
    layer = layer.resize(size, Image.Resampling.BOX)
    picture.paste(layer, (int(first[0]), int(first[1])), layer)


def _sides(names: tuple[str, ...] | None, count: int) -> np.ndarray:
    """−1 for keypoints of the left side, 1 for the right side, 0 for the rest."""
    if names is None:
        return np.zeros(count, int)
    return np.array([name.lower().startswith("right") * 1 - name.lower().startswith("left") for name in names])


def _draw_edges(
    layer: Image.Image, points: np.ndarray, sides: np.ndarray, edges: list[tuple[int, int]], radius: float
) -> None:
    draw = ImageDraw.Draw(layer)
    for width, halo in ((2.1 * radius, True), (1.2 * radius, False)):
        for start, end in edges:
            color = _color(int(sides[start]) if sides[start] == sides[end] else 0)
            line = [tuple(points[start]), tuple(points[end])]
            draw.line(line, fill=(*DARK, 160) if halo else color, width=max(1, round(width)))


def _draw_dots(layer: Image.Image, points: np.ndarray, sides: np.ndarray, radius: float) -> None:
    draw = ImageDraw.Draw(layer)
    for (x, y), side in zip(points.tolist(), sides.tolist(), strict=True):
        for size, color in ((1.7, DARK), (1.4, LIGHT), (1.0, _color(side))):
            reach = size * radius
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), fill=color)


def _color(side: int) -> Color:
    return {-1: LEFT, 0: MIDDLE, 1: RIGHT}[side]
