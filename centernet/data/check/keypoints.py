"""Keypoints: outside, at 0, 0, far from their object, labeled nowhere, without a counterpart when mirrored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from centernet.data.check.objects import TOLERANCE, Objects, is_sound
from centernet.data.check.problems import Problem, of_images, of_objects, problem
from centernet.data.dataset import Dataset
from centernet.data.keypoints import KeypointTask, flip_of
from centernet.data.sample import Sample
from centernet.ops.preprocessing import KEYPOINT_BOX_SCALE


def keypoint_problems(dataset: Dataset, objects: Objects) -> list[Problem]:
    """What is wrong with keypoints; nothing where the dataset has none."""
    task = dataset.keypoints
    if task is None:
        return []
    count = len(task.names)
    unfit = [number for number, sample in enumerate(dataset) if not _fits(sample, count)]
    points = _keypoints(dataset, count)
    labeled = points[..., 2] > 0
    finite = np.isfinite(points[..., :2]).all(axis=-1)
    origin = ~points[..., :2].any(axis=-1)
    outside = ((points[..., :2] < -TOLERANCE) | (points[..., :2] > objects.sizes[:, None] + TOLERANCE)).any(axis=-1)
    sound = is_sound(objects.boxes, objects.sizes)
    masks = {
        "keypoint no number": labeled & ~finite,
        "keypoint outside": labeled & finite & outside,
        "keypoint at 0, 0": labeled & origin,
        "visibility": ~np.isin(points[..., 2], (0, 1, 2)),
        "keypoint far": sound[:, None] & labeled & finite & ~outside & ~origin & _far(points, objects.boxes),
    }
    found = [
        one
        for kind, mask in masks.items()
        for one in of_objects(dataset, kind, objects, mask.any(axis=1), int(mask.sum()))
    ]
    return [*of_images(dataset, "keypoint count", unfit), *found, *_schema_problems(task, labeled)]


def _fits(sample: Sample, count: int) -> bool:
    return sample.keypoints is None or not len(sample.boxes) or sample.keypoints.shape[1] == count


def _keypoints(dataset: Dataset, count: int) -> np.ndarray:
    """Keypoints of all objects, float64 `(n, count, 3)`; zeros where an image has none, or another number of them."""
    parts = [np.zeros((len(sample.boxes), count, 3)) for sample in dataset]
    for part, sample in zip(parts, dataset, strict=True):
        if sample.keypoints is not None and sample.keypoints.shape == part.shape:
            part[...] = sample.keypoints
    return np.concatenate([np.zeros((0, count, 3)), *parts])


def _far(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which keypoints lie outside of their scaled box, in which alone a decoder looks for them, bool `(n, k)`."""
    centers, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    distance = abs(points[..., :2] - centers[:, None])
    return np.asarray((distance > KEYPOINT_BOX_SCALE * halves[:, None] + TOLERANCE).any(axis=-1))


def _schema_problems(task: KeypointTask, labeled: np.ndarray) -> list[Problem]:
    unused = [name for name, used in zip(task.names, np.atleast_1d(labeled.any(axis=0)), strict=True) if not used]
    found = [("keypoint unused", unused, ""), ("flip", *_flip(task))]
    return [problem(kind, len(cases), cases, detail=detail) for kind, cases, detail in found if cases]


def _flip(task: KeypointTask) -> tuple[list[str], str]:
    """Keypoints whose counterpart in a mirrored image is missing or wrong, and why."""
    count, flip = len(task.names), task.flip
    if not flip:
        return list(task.names), " (no flip at all)"
    rules: list[tuple[str, Callable[[int], bool]]] = [
        (" (two of them have the same)", lambda i: flip.count(flip[i]) > 1),
        (" (the counterpart has another one)", lambda i: flip[flip[i]] != i),
        (" (their names say left and right)", lambda i: flip_of(task.names)[i] not in (i, flip[i])),
    ]
    for why, is_wrong in rules:
        wrong = [task.names[i] for i in range(count) if is_wrong(i)]
        if wrong:
            return wrong, why
    unnamed = count > 1 and flip == tuple(range(count)) and all(name.startswith("keypoint_") for name in task.names)
    return (list(task.names), " (they have no names, and each stays what it is)") if unnamed else ([], "")
