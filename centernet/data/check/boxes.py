"""Boxes that are wrong one by one."""

from __future__ import annotations

import numpy as np

from centernet.data.check.objects import TOLERANCE, Objects, excess, is_sound, later
from centernet.data.check.problems import Problem, of_objects
from centernet.data.dataset import Dataset
from centernet.ops.overlaps import box_overlaps

STEPS = 10  # of a pixel, to which boxes that are the same agree
NEARLY = 0.9  # overlap (IoU) of boxes that were probably drawn for one object
BLOCK = 512  # boxes that are compared to all of their image at a time


def box_problems(dataset: Dataset, objects: Objects) -> list[Problem]:
    """What is wrong with single boxes, and objects that are there twice."""
    masks = box_flaws(objects) | repeats(objects)
    return [problem for kind, mask in masks.items() for problem in of_objects(dataset, kind, objects, mask)]


def repeats(objects: Objects) -> dict[str, np.ndarray]:
    """Kind of problem → which objects repeat an earlier one of their class and image, bool `(n,)`; crowds may."""
    twice = _repeated(objects)
    asked = ~twice & ~objects.ignore & is_sound(objects.boxes, objects.sizes)
    return {"twice": twice, "nearly twice": _overlapping(objects, asked)}


def box_flaws(objects: Objects) -> dict[str, np.ndarray]:
    """Kind of problem → which boxes have it, bool `(n,)`; of several kinds, a box has the first."""
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
    free = np.ones(len(boxes), bool)
    for kind, mask in flaws.items():
        flaws[kind] = mask & free
        free &= ~mask
    return flaws


def _repeated(objects: Objects) -> np.ndarray:
    """Which objects have box and class of an earlier one of their image, bool `(n,)`."""
    asked = np.flatnonzero(~objects.ignore)
    boxes = np.nan_to_num(np.rint(objects.boxes[asked] * STEPS))
    repeated = np.zeros(len(objects), bool)
    repeated[asked[later([objects.images[asked], objects.class_ids[asked], *boxes.T])]] = True
    return repeated


def _overlapping(objects: Objects, asked: np.ndarray) -> np.ndarray:
    """Which objects have nearly the box of an earlier one of their class, bool `(n,)`.

    Args:
        objects: All objects.
        asked: Which of them to look at, bool `(n,)`.
    """
    overlapping = np.zeros(len(objects), bool)
    rows = np.flatnonzero(asked)
    for image in np.split(rows, np.flatnonzero(np.diff(objects.images[rows])) + 1):
        if len(image) > 1:
            _mark_overlapping(objects, image[np.argsort(objects.boxes[image, 0], kind="stable")], overlapping)
    return overlapping


def _mark_overlapping(objects: Objects, image: np.ndarray, overlapping: np.ndarray) -> None:
    """Mark those of an image's objects, which are sorted by their left edge."""
    left, _, right, _ = objects.boxes[image].T
    for part in range(0, len(image), BLOCK):
        block = slice(part, part + BLOCK)
        # Farther to the left or right no box overlaps that much.
        reach = (right - left)[block].max() * (1 / NEARLY - 1)
        first, last = np.searchsorted(left, (left[block][0] - reach, left[block][-1] + reach))
        ours, others = image[block], image[first : last + 1]
        earlier = (objects.class_ids[ours, None] == objects.class_ids[others]) & (others < ours[:, None])
        near = box_overlaps(objects.boxes[ours], objects.boxes[others]) >= NEARLY
        overlapping[ours] = (near & earlier).any(axis=1)
