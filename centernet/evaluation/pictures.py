"""Pictures of mistakes: the objects of an image beside its detections."""

from __future__ import annotations

import numpy as np
from PIL import Image

from centernet.evaluation.matching import Outcome
from centernet.results.colors import Color
from centernet.results.draw import draw_box, pixel_area
from centernet.results.draw_labels import Label, draw_labels
from centernet.results.draw_pose import draw_pose

# Distinguishable by lightness and hue, for all types of color vision.
TRUE: Color = (20, 200, 140)
FALSE: Color = (245, 105, 20)
MISSED: Color = (240, 210, 40)
IGNORED: Color = (150, 150, 150)
FONT_SIZE = 12.0
MIN_KEYPOINT_SCORE = 0.2


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
    image = Image.fromarray(outcome.match.pair.sample.image)
    scale = min(1.0, max_side / max(image.size))
    size = (max(1, round(image.size[0] * scale)), max(1, round(image.size[1] * scale)))
    reduced = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    factors = np.tile(np.array(size) / image.size, 2)
    return _objects(reduced.copy(), outcome, factors), _detections(reduced, outcome, factors)


def _objects(picture: Image.Image, outcome: Outcome, factors: np.ndarray) -> Image.Image:
    match = outcome.match
    sample, names = match.pair.sample, match.pair.detections.class_names
    boxes, missed = sample.boxes * factors, match.objects[outcome.missed]
    for row in np.flatnonzero(match.pair.usable & sample.ignore):
        draw_box(picture, boxes[row], IGNORED, 1)
    for row in match.objects[~outcome.missed]:
        draw_box(picture, boxes[row], TRUE, 2)
    for row in missed:
        draw_box(picture, boxes[row], MISSED, 2, dashed=True)
    if sample.keypoints is not None:
        for points in sample.keypoints[match.objects]:
            draw_pose(picture, points[:, :2] * factors[:2], points[:, 2] > 0, match.pair.detections, 2)
    _draw_labels(picture, [(boxes[row], names[sample.class_ids[row]], MISSED) for row in missed])
    return picture


def _detections(picture: Image.Image, outcome: Outcome, factors: np.ndarray) -> Image.Image:
    detections = outcome.match.pair.detections
    labels = []
    for shown, color in ((detections[outcome.true], TRUE), (detections[outcome.false], FALSE)):
        for one in shown:
            draw_box(picture, one.box * factors, color, 2)
            if one.keypoints is not None and one.keypoint_scores is not None:
                visible = one.keypoint_scores >= MIN_KEYPOINT_SCORE
                draw_pose(picture, one.keypoints * factors[:2], visible, detections, 2)
            labels.append((one.box * factors, f"{one.class_name} {one.score:.2f}", color))
    # Mistakes come first: the last labels are left out if there is no room.
    _draw_labels(picture, labels[::-1])
    return picture


def _draw_labels(picture: Image.Image, labels: list[tuple[np.ndarray, str, Color]]) -> None:
    placed = [(pixel_area(box, picture.size), text, color) for box, text, color in labels]
    draw_labels(picture, [Label(text, area, color, FONT_SIZE) for area, text, color in placed if area])
