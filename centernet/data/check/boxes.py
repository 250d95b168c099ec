"""Checks of boxes: invalid ones, duplicates, and boxes stored in the wrong format."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from centernet.data.check.objects import TOLERANCE, Objects, excess, is_valid, repeats
from centernet.data.check.problems import Problem, of_objects, problem
from centernet.data.dataset_base import DatasetBase
from centernet.ops.boxes import paired_overlaps

SUBPIXELS = 10  # boxes are the same if they agree to a tenth of a pixel
DUPLICATE_IOU = 0.9
MIN_INVALID = 3  # boxes that are invalid as read, for a search of their format
MIN_INVALID_IN_PART = 10  # the same, for a search in some images only
MIN_INVALID_SHARE = 0.02  # of all boxes
MAX_UNEXPLAINED = 0.1  # share of the invalid boxes that may stay invalid in the right format

Format = Callable[[np.ndarray, np.ndarray], np.ndarray]


def box_problems(dataset: DatasetBase, objects: Objects) -> list[Problem]:
    """Problems of single boxes, and duplicates."""
    masks = box_flaws(objects) | duplicates(objects)
    return [one for kind, mask in masks.items() for one in of_objects(dataset, kind, objects, mask)]


def box_flaws(objects: Objects) -> dict[str, np.ndarray]:
    """Kind of problem → boxes that have it, bool `(n,)`; each box has its first kind only."""
    boxes, sizes = objects.boxes, objects.sizes
    sides = boxes[:, 2:] - boxes[:, :2]
    flaws = {
        "no number": ~np.isfinite(boxes).all(axis=1),
        "reversed": (sides < 0).any(axis=1),
        "empty": (sides == 0).any(axis=1),
        "outside": ((boxes[:, 2:] <= 0) | (boxes[:, :2] >= sizes)).any(axis=1),
        "below a pixel": (sides < 1).any(axis=1),
        "over the edge": excess(boxes, sizes) > TOLERANCE,
    }
    unassigned = np.ones(len(boxes), bool)
    for kind, mask in flaws.items():
        flaws[kind] = mask & unassigned
        unassigned &= ~mask
    return flaws


def duplicates(objects: Objects) -> dict[str, np.ndarray]:
    """Kind of problem → objects that repeat an earlier one of their class and image, bool `(n,)`; crowds may."""
    same = np.zeros(len(objects), bool)
    rows = np.flatnonzero(~objects.ignore)
    boxes = np.nan_to_num(np.rint(objects.boxes[rows] * SUBPIXELS))
    same[rows] = repeats([objects.images[rows], objects.class_ids[rows], *boxes.T])
    return {"twice": same, "nearly twice": _near_duplicates(objects, ~same & ~objects.ignore & objects.valid)}


def _near_duplicates(objects: Objects, candidates: np.ndarray) -> np.ndarray:
    """Candidates (bool `(n,)`) whose IoU with an earlier candidate of their class and image is high, bool `(n,)`."""
    near = np.zeros(len(objects), bool)
    rows = np.flatnonzero(candidates)
    rows = rows[np.lexsort((rows, objects.class_ids[rows], objects.images[rows]))]  # each image's classes together
    groups = np.stack([objects.images[rows], objects.class_ids[rows]])
    first = np.arange(len(rows))
    for distance in range(1, len(rows)):  # pairs of objects of a group, by their distance in it
        first = first[first + distance < len(rows)]
        first = first[(groups[:, first] == groups[:, first + distance]).all(axis=0)]
        if not len(first):
            break
        later = rows[first + distance]
        near[later] |= paired_overlaps(objects.boxes[rows[first]], objects.boxes[later]) >= DUPLICATE_IOU
    return near


def _xyxy(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([first, second], axis=1)


# What was confused → the right corners from the two that were read. Distinctive formats come first: boxes that were
# selected because they are invalid as read rarely become valid in one of them by chance.
FORMATS: Mapping[str, Format] = {
    "": _xyxy,
    "xywh read as xyxy": lambda a, b: _xyxy(a, a + b),
    "xyxy read as xywh": lambda a, b: _xyxy(a, b - a),
    "xyxy read as cxcywh": lambda a, b: _xyxy((a + b) / 2, b - a),
    "xywh read as cxcywh": lambda a, b: _xyxy((a + b) / 2, (3 * b - a) / 2),
    "cxcywh read as xyxy": lambda a, b: _xyxy(a - b / 2, a + b / 2),
    "cxcywh read as xywh": lambda a, b: _xyxy((3 * a - b) / 2, (a + b) / 2),
    "yx read as xy": lambda a, b: _xyxy(a[:, ::-1], b[:, ::-1]),
}
DISTINCTIVE = 5
NORMALIZED, ABSOLUTE = "normalized read as absolute", "absolute read as normalized"
SCALES = ("", NORMALIZED, ABSOLUTE)


def format_problems(dataset: DatasetBase, objects: Objects) -> list[Problem]:
    """Detects boxes stored in the wrong format: all of them, or those of some images, are valid in another one."""
    known = objects[np.isfinite(objects.boxes).all(axis=1) & np.isfinite(objects.sizes).all(axis=1)]
    starts = known.boxes[:, :2]
    if dataset.format == "voc" and len(starts) and starts.min() == 1:
        return [problem("pixels from 1", 1)]
    if (~known.valid).sum() < max(MIN_INVALID, MIN_INVALID_SHARE * len(known)):
        return []
    in_part = known[np.isin(known.images, known.images[~known.valid])]
    for chosen, formats, min_invalid, level in (
        (known, len(FORMATS), MIN_INVALID, "fatal"),
        (in_part, DISTINCTIVE, MIN_INVALID_IN_PART, "problem"),
    ):
        if confused := _confused_format(chosen, formats, min_invalid):
            everything = np.ones(len(chosen), bool)
            return of_objects(dataset, "misread", chosen, everything, detail=f" ({confused})", level=level)
    return []


def _confused_format(objects: Objects, formats: int, min_invalid: int) -> str:
    """How boxes were misread, by the first so many of `FORMATS`; empty if they were not."""
    invalid = int((~objects.valid).sum())
    if invalid < min_invalid:
        return ""
    best, fewest = "", MAX_UNEXPLAINED * invalid
    for scale in SCALES:
        for name, form in list(FORMATS.items())[:formats]:
            left = int((~is_valid(_reread(objects, form, scale), objects.sizes)).sum())
            # The first of several equally good ones is the simplest.
            if left < fewest or (not best and left <= fewest):
                best, fewest = "; ".join(filter(None, (scale, name))), left
    return best


def _reread(objects: Objects, form: Format, scale: str) -> np.ndarray:
    sides = np.tile(objects.sizes, 2)
    boxes = objects.boxes / sides if scale == ABSOLUTE else objects.boxes
    boxes = form(boxes[:, :2], boxes[:, 2:])
    return boxes * sides if scale == NORMALIZED else boxes
