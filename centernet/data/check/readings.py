"""Boxes that were written in another form than they are read: the form in which nearly all of them make sense."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from centernet.data.check.objects import Objects, is_sound
from centernet.data.check.problems import Problem, of_objects
from centernet.data.dataset import Dataset

FEWEST = 3  # boxes that make no sense as they are read
FEWEST_IN_PART = 10
LEAST_PART = 0.02  # of all boxes
LEFT = 0.1  # of these boxes that may make no sense in the other form either

Form = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _corners(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([first, second], axis=1)


# What boxes were taken for → the right corners from the two that were read. The telling ones come first: boxes that
# make sense in them by chance are rare, even among boxes that were chosen because they make none as they are read.
FORMS: Mapping[str, Form] = {
    "": _corners,
    "x, y, width, height were taken for two corners": lambda a, b: _corners(a, a + b),
    "two corners were taken for x, y, width, height": lambda a, b: _corners(a, b - a),
    "two corners were taken for center, width, height": lambda a, b: _corners((a + b) / 2, b - a),
    "x, y, width, height were taken for center, width, height": lambda a, b: _corners((a + b) / 2, (3 * b - a) / 2),
    "center, width, height were taken for two corners": lambda a, b: _corners(a - b / 2, a + b / 2),
    "center, width, height were taken for x, y, width, height": lambda a, b: _corners((3 * a - b) / 2, (a + b) / 2),
    "y was taken for x": lambda a, b: _corners(a[:, ::-1], b[:, ::-1]),
}
TELLING = 5
PARTS, PIXELS = "parts of width and height were taken for pixels", "pixels were taken for parts of width and height"
SCALES = ("", PARTS, PIXELS)


def misread(dataset: Dataset, objects: Objects) -> list[Problem]:
    """Whether all boxes, or those of some images, make sense in another form."""
    known = objects[np.isfinite(objects.boxes).all(axis=1) & np.isfinite(objects.sizes).all(axis=1)]
    wrong = ~is_sound(known.boxes, known.sizes)
    if wrong.sum() < max(FEWEST, LEAST_PART * len(known)):
        return []
    for part in (False, True):
        chosen = known[np.isin(known.images, known.images[wrong])] if part else known
        name = _form(chosen, part=part)
        if name:
            level = "problem" if part else "fatal"
            everything = np.ones(len(chosen), bool)
            return of_objects(dataset, "misread", chosen, everything, detail=f" ({name})", level=level)
    return []


def _form(objects: Objects, *, part: bool) -> str:
    """What boxes were taken for; empty if they were not."""
    wrong = int((~is_sound(objects.boxes, objects.sizes)).sum())
    if wrong < (FEWEST_IN_PART if part else FEWEST):
        return ""
    forms = list(FORMS.items())[: TELLING if part else None]
    best, fewest = "", LEFT * wrong
    for scale in SCALES:
        for name, form in forms:
            left = int((~is_sound(_reread(objects, form, scale), objects.sizes)).sum())
            # Where several do as well, the first is the simplest.
            if left < fewest or (not best and left <= fewest):
                best, fewest = "; ".join(filter(None, (scale, name))), left
    return best


def _reread(objects: Objects, form: Form, scale: str) -> np.ndarray:
    sides = np.tile(objects.sizes, 2)
    boxes = objects.boxes / sides if scale == PIXELS else objects.boxes
    boxes = form(boxes[:, :2], boxes[:, 2:])
    return boxes if scale != PARTS else boxes * sides
