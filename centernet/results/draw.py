"""Pictures of detections: boxes with labels, keypoints with their skeleton, heatmaps."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from centernet.errors import ConfigError
from centernet.images.reading import read_image
from centernet.results.base import UNTRACKED, Detection, DetectionsBase
from centernet.results.draw_labels import (
    DARK,
    HEAT,
    LIGHT,
    Color,
    Label,
    Rectangle,
    class_color,
    contrast_color,
    draw_labels,
)
from centernet.results.rows import check_min_score

DASH = 6  # pixels
GRAY: Color = (190, 190, 190)
LEFT: Color = (255, 140, 0)
RIGHT: Color = (0, 180, 255)
MIDDLE: Color = (190, 235, 90)
SUPERSAMPLING = 4
MAX_LAYER_PIXELS = 2**21


def draw_detections(
    image: np.ndarray | Image.Image,
    detections: DetectionsBase,
    *,
    min_score: float = 0.0,
    labels: bool = True,
    scores: bool = True,
    keypoints: bool = True,
    keypoint_min_score: float = 0.2,
    line_width: int | None = None,
    font_size: float | None = None,
) -> Image.Image:
    """Draw boxes, labels and keypoints; the best detection is on top.

    The color is that of the class, with tracking that of the track (gray if it is not confirmed), and the label starts
    with its number: `#7 car 0.83`.

    Args:
        image: The original image, uint8 `(height, width, 3)` RGB or PIL; it is not changed.
        detections: Its detections.
        min_score: Minimum score of a box.
        labels: Whether to write class names and numbers of tracks.
        scores: Whether to write scores.
        keypoints: Whether to draw keypoints and their skeleton.
        keypoint_min_score: Minimum score of a keypoint.
        line_width: Of boxes, in pixels; by default proportional to the image size.
        font_size: In pixels; by default proportional to the image size.

    Returns:
        A new RGB picture of the image's size.

    Raises:
        ConfigError: The image size is not that of the detections.
        SourceError: The image can't be read.
    """
    picture = Image.fromarray(read_image(image).image)
    height, width = detections.image_size
    if picture.size != (width, height):
        raise ConfigError(
            f"draw_detections expected the image of the detections, {width}x{height}. "
            f"Received: {picture.size[0]}x{picture.size[1]}."
        )
    check_min_score(min_score)
    line_width = line_width or max(1, round((height * width) ** 0.5 / 320))
    shown = [one for one in detections if one.score >= np.float32(min_score)]
    for one in reversed(shown):
        draw_box(picture, one.box, _color_of(one), line_width)
        if keypoints and one.keypoints is not None and one.keypoint_scores is not None:
            visible = one.keypoint_scores >= np.float32(keypoint_min_score)
            draw_pose(picture, one.keypoints, visible, detections, line_width)
    if labels or scores:
        draw_labels(picture, _labels(shown, picture.size, labels, scores, font_size))
    return picture


def draw_heatmap(image: np.ndarray | Image.Image, heatmap: np.ndarray, alpha: float = 0.5) -> Image.Image:
    """Blend a heatmap over an image.

    Args:
        image: uint8 `(height, width, 3)` RGB or PIL; it is not changed.
        heatmap: `(h, w)` of any size, probabilities 0–1, covering the whole image; for several classes their
            maximum, for instance.
        alpha: Weight of the heatmap's color at probability 0, 0–1; at probability 1 it is `alpha * (2 - alpha)`.

    Returns:
        A new RGB picture of the image's size.

    Raises:
        ConfigError: The heatmap is not `(h, w)`, or values or `alpha` are not 0–1.
        SourceError: The image can't be read.
    """
    heat = np.asarray(heatmap, np.float32)
    # Tolerates the rounding of resampled probabilities.
    if heat.ndim != 2 or not heat.size or not (heat.min() >= -1e-3 and heat.max() <= 1 + 1e-3):
        span = f", values {heat.min():.4g} to {heat.max():.4g}" if heat.size else ""
        raise ConfigError(
            "draw_heatmap expected probabilities 0–1 of shape (h, w): sigmoid(logits).max(-1), for instance. "
            f"Received: shape {heat.shape}{span}."
        )
    if not 0 <= alpha <= 1:
        raise ConfigError(f"draw_heatmap expected alpha from 0 to 1. Received: {alpha!r}.")
    photo = Image.fromarray(read_image(image).image)
    resized = np.asarray(Image.fromarray(heat).resize(photo.size, Image.Resampling.BILINEAR))
    level = np.rint(resized.clip(0, 1) * 255).astype(np.uint8)
    steps = np.linspace(0, 1, 256)
    palette = [np.interp(steps, np.linspace(0, 1, len(HEAT)), channel) for channel in np.transpose(HEAT)]
    colors = np.rint(np.stack(palette, axis=-1)).astype(np.uint8)
    weights = np.rint(255 * alpha * (1 + (1 - alpha) * steps)).astype(np.uint8)
    return Image.composite(Image.fromarray(colors[level]), photo, Image.fromarray(weights[level]))


def draw_box(picture: Image.Image, box: np.ndarray, color: Color, line_width: int, *, dashed: bool = False) -> None:
    """Draw a box `(4,)`, x_min, y_min, x_max, y_max in pixels, with a translucent outline onto an RGB picture."""
    area = pixel_area(box, picture.size)
    if area is None:
        return
    # The mode "RGBA" blends the translucent outline.
    draw, (left, top, right, bottom) = ImageDraw.Draw(picture, "RGBA"), area
    halo = max(1, line_width // 2)
    outer = (left - halo, top - halo, right + halo, bottom + halo)
    draw.rectangle(outer, outline=(*contrast_color(color), 130), width=line_width + 2 * halo)
    if not dashed:
        draw.rectangle(area, outline=color, width=line_width)
        return
    for x in range(left, right + 1, 2 * DASH):
        for y in (top, bottom):
            draw.line((x, y, min(x + DASH, right), y), fill=color, width=line_width)
    for y in range(top, bottom + 1, 2 * DASH):
        for x in (left, right):
            draw.line((x, y, x, min(y + DASH, bottom)), fill=color, width=line_width)


def pixel_area(box: np.ndarray, size: tuple[int, int]) -> Rectangle | None:
    """First and last column and row of a box, clipped to an image of size (width, height); None if it is outside."""
    (width, height), (x1, y1, x2, y2) = size, box.tolist()
    left, right = max(0, round(min(x1, x2))), min(width, round(max(x1, x2))) - 1
    top, bottom = max(0, round(min(y1, y2))), min(height, round(max(y1, y2))) - 1
    if left >= width or top >= height or right < 0 or bottom < 0:
        return None
    return left, top, max(left, right), max(top, bottom)


def _labels(
    shown: list[Detection], size: tuple[int, int], labels: bool, scores: bool, font_size: float | None
) -> list[Label]:
    largest = max(11.0, (size[0] * size[1]) ** 0.5 / 42)
    made = []
    for one in shown:
        area = pixel_area(one.box, size)
        track = [f"#{one.track_id}"] if one.track_id is not None and one.track_id >= 0 else []
        text = " ".join([*track, one.class_name] * labels + [f"{one.score:.2f}"] * scores)
        if area is not None:
            # Small objects get smaller labels, which keeps crowds visible.
            side = ((area[2] - area[0]) * (area[3] - area[1])) ** 0.5
            fitting = round(min(max(side / 5, 0.75 * largest, 10.0), largest))
            made.append(Label(text, area, _color_of(one), font_size or fitting))
    return made


def _color_of(one: Detection) -> Color:
    if one.track_id == UNTRACKED:
        return GRAY
    return class_color(one.class_id if one.track_id is None else one.track_id)


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
