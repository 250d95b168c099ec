"""The content of a report: the variables of the template `report.html`, and its pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from centernet.evaluation.base import EvaluationBase, figure
from centernet.evaluation.matching import MISTAKES, Outcome
from centernet.files.formatting import pluralize
from centernet.results.draw import draw_box, draw_pose, pixel_area
from centernet.results.draw_labels import Color, Label, draw_labels

# Okabe and Ito, "Color Universal Design", 2008, without the yellow, which is too light for a line.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#555555")
RIGHT, WRONG, MISSED_BAR = "#009e73", "#d55e00", "#e0b000"
SMALL, LARGE = 32**2, 96**2  # square pixels
MAX_CONFUSED_CLASSES = 20
# Distinguishable by lightness and hue, for all types of color vision.
TRUE: Color = (20, 200, 140)
FALSE: Color = (245, 105, 20)
MISSED: Color = (240, 210, 40)
IGNORED: Color = (150, 150, 150)
FONT_SIZE = 12.0
MIN_KEYPOINT_SCORE = 0.2


def page_content(e: EvaluationBase) -> dict[str, Any]:
    """Variables of the template, except for pictures and footer."""
    return {
        "e": e,
        "title": f"{e.model} on {e.dataset}",
        "counts": ", ".join(map(pluralize, (e.images, e.objects, len(e.class_names)), ("image", "object", "class"))),
        "at_score": e.score_curves.at(e.score),
        "sizes": _sizes(e),
        "classes": sorted(e.classes, key=lambda one: (one.objects == 0, -one.ap if one.objects else 0)),
        "class_curves": _class_curves(e),
        "palette": PALETTE,
        "mistakes": _mistakes(e),
        "confused": _most_confused(e.confusion.counts),
        "notes": e.notes(),
        "settings": _settings(e),
    }


def percent(value: float) -> str:
    """A width in percent; NaN gives 0."""
    return f"{100 * min(max(np.nan_to_num(value), 0.0), 1.0):.1f}"


def path(values: np.ndarray) -> str:
    """SVG path of values 0–1 over 0–1 in the template's chart, whose axes span 46–508 and 298–12; NaN leaves a gap."""
    steps, pen = [], "M"
    for x, y in zip(np.linspace(46, 508, len(values)), 298 - 286 * values, strict=True):
        steps.append("" if math.isnan(y) else f"{pen}{x:.1f} {y:.1f}")
        pen = "M" if math.isnan(y) else "L"
    return "".join(steps)


def _class_curves(e: EvaluationBase) -> dict[str, np.ndarray]:
    """Precision over recall of each class; empty if lines would hide each other."""
    present = [class_id for class_id, one in enumerate(e.classes) if one.objects]
    names = [f"{e.class_names[k]} (AP50 {figure(e.classes[k].ap50)})" for k in present]
    curves = [e.precision_recall(0.5, k) for k in present]
    return dict(zip(names, curves, strict=True)) if 1 < len(present) <= len(PALETTE) else {}


def _sizes(e: EvaluationBase) -> list[tuple[str, int, float, float]]:
    """Name, number of objects, AP and AR of each size."""
    areas = np.concatenate([match.pair.sample.areas[match.objects] for match in e.matches])
    groups = {"small": areas < SMALL, "medium": (areas >= SMALL) & (areas < LARGE), "large": areas >= LARGE}
    return [(k, int(mask.sum()), getattr(e, f"ap_{k}"), getattr(e, f"ar_{k}")) for k, mask in groups.items()]


def _mistakes(e: EvaluationBase) -> list[tuple[str, int, float, str, str]]:
    """Name, number, share of the longest possible bar, color and meaning of each kind of detection."""
    true, missed = (sum(int(getattr(o, name).sum()) for o in e.outcomes) for name in ("true", "missed"))
    counts = e.confusion.mistakes
    total = max(true + sum(counts.values()), e.objects, 1)
    rows = [("right", true, RIGHT, "overlaps an object of its class by 0.5 or more")]
    rows += [(kind, counts[kind], WRONG, text) for kind, text in MISTAKES.items()]
    rows.append(("missed objects", missed, MISSED_BAR, "matched by no detection of their class"))
    return [(name, count, count / total, color, text) for name, count, color, text in rows]


def _most_confused(counts: np.ndarray) -> list[int]:
    """Class ids to show in the confusion matrix: all, or those confused most often."""
    classes = len(counts) - 1
    if classes <= MAX_CONFUSED_CLASSES:
        return list(range(classes))
    between = counts[:-1, :-1] * ~np.eye(classes, dtype=bool)
    often = (between + between.T).sum(axis=0)
    ranked = np.lexsort((-counts[:-1].sum(axis=1), -often))
    return sorted(ranked[:MAX_CONFUSED_CLASSES].tolist())


def _settings(e: EvaluationBase) -> list[tuple[str, str]]:
    rows = [(name.replace("_", " "), _as_words(value)) for name, value in e.settings.items()]
    if e.keypoints:
        rows.append(("σ of keypoints", _as_words(e.keypoints.sigmas)))
    if e.seconds:
        detecting, counting = e.seconds
        each = f"{detecting / max(e.images, 1) * 1e3:.0f} ms per image"
        rows.append(("time", f"{detecting:.1f} s for detection ({each}), {counting:.1f} s for counting"))
    return rows


def _as_words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_as_words(item)}" for name, item in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return " ".join(map(_as_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


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
