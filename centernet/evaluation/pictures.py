"""Pictures of mistakes: the objects of an image beside its detections."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from centernet.evaluation.matching import Outcome
from centernet.results.colors import Color, contrast_color
from centernet.results.draw_labels import Label, draw_labels
from centernet.results.draw_pose import draw_pose

# Distinguishable by lightness and hue, for all types of color vision.
TRUE: Color = (20, 200, 140)
FALSE: Color = (245, 105, 20)
MISSED: Color = (240, 210, 40)
IGNORED: Color = (150, 150, 150)
FONT_SIZE = 12.0
DASH = 6


def draw_outcome(outcome: Outcome, max_side: int = 560) -> tuple[Image.Image, Image.Image]:
    """Draw the objects and the detections of an image.

    Args:
        outcome: The image.
        max_side: Maximum pixels of the longer side; a larger image is reduced before drawing.

    Returns:
        Two pictures of the same size. The first has the objects: detected ones in green, missed ones dashed in yellow
        with their class, ignored ones in gray. The second has the detections with class and score: right ones in
        green, wrong ones in orange.

    Raises:
        SourceError: If the image can't be read.
    """
    sample = outcome.match.pair.sample
    image = Image.fromarray(sample.image)
    scale = min(1.0, max_side / max(image.size))
    size = (max(1, round(image.size[0] * scale)), max(1, round(image.size[1] * scale)))
    reduced = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    factors = np.tile(np.array(size) / image.size, 2)
    return _objects(reduced.copy(), outcome, factors), _detections(reduced, outcome, factors)


def _objects(picture: Image.Image, outcome: Outcome, factors: np.ndarray) -> Image.Image:
    match = outcome.match
    sample, names = match.pair.sample, match.pair.detections.class_names
    for row in np.flatnonzero(match.pair.usable & sample.ignore):
        _outline(picture, sample.boxes[row] * factors, IGNORED, 1)
    for row in match.objects[~outcome.missed]:
        _outline(picture, sample.boxes[row] * factors, TRUE, 2)
    missed = match.objects[outcome.missed]
    for row in missed:
        _outline(picture, sample.boxes[row] * factors, MISSED, 2, dashed=True)
    if sample.keypoints is not None:
        for points in sample.keypoints[match.objects]:
            _pose(picture, points[:, :2] * factors[:2], points[:, 2] > 0, outcome)
    labels = [_label(picture, sample.boxes[r] * factors, names[sample.class_ids[r]], MISSED) for r in missed]
    draw_labels(picture, labels)
    return picture


def _detections(picture: Image.Image, outcome: Outcome, factors: np.ndarray) -> Image.Image:
    detections = outcome.match.pair.detections
    labels = []
    for shown, color in ((detections[outcome.true], TRUE), (detections[outcome.false], FALSE)):
        for one in shown:
            _outline(picture, one.box * factors, color, 2)
            if one.keypoints is not None and one.keypoint_scores is not None:
                _pose(picture, one.keypoints * factors[:2], one.keypoint_scores >= 0.2, outcome)
            text = f"{one.class_name} {one.score:.2f}"
            labels.append(_label(picture, one.box * factors, text, color))
    # Mistakes come first: the last labels are left out if there is no room.
    draw_labels(picture, labels[::-1])
    return picture


def _pose(picture: Image.Image, points: np.ndarray, visible: np.ndarray, outcome: Outcome) -> None:
    detections = outcome.match.pair.detections
    draw_pose(picture, points, visible, detections.skeleton or (), detections.keypoint_names, 2)


def _label(picture: Image.Image, box: np.ndarray, text: str, color: Color) -> Label:
    return Label(text, _inside(picture, box), color, FONT_SIZE)


def _inside(picture: Image.Image, box: np.ndarray) -> tuple[int, int, int, int]:
    """First and last column and row of a box inside the picture."""
    limits = np.tile(np.array(picture.size) - 1, 2)
    left, top, right, bottom = np.clip(np.rint(box), 0, limits).astype(int).tolist()
    return left, top, max(left, right), max(top, bottom)


def _outline(picture: Image.Image, box: np.ndarray, color: Color, width: int, *, dashed: bool = False) -> None:
    draw, (left, top, right, bottom) = ImageDraw.Draw(picture, "RGBA"), _inside(picture, box)
    draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=(*contrast_color(color), 120), width=width + 2)
    if not dashed:
        draw.rectangle((left, top, right, bottom), outline=color, width=width)
        return
    for start in range(left, right + 1, 2 * DASH):
        for row in (top, bottom):
            draw.line((start, row, min(start + DASH, right), row), fill=color, width=width)
    for start in range(top, bottom + 1, 2 * DASH):
        for column in (left, right):
            draw.line((column, start, column, min(start + DASH, bottom)), fill=color, width=width)
