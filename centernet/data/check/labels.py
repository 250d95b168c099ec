"""Checks of labels: class ids, class names, keypoints and their schema."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from centernet.data.check.objects import TOLERANCE, Objects
from centernet.data.check.problems import Problem, of_images, of_objects, problem
from centernet.data.classes import UNKNOWN
from centernet.data.dataset_base import DatasetBase
from centernet.data.keypoints import KeypointTask, flip_of
from centernet.ops.constants import KEYPOINT_BOX_SCALE

RARE = 10  # objects below which a class is rare
_BACKGROUND = re.compile(r"_*(background|bg|void|none)_*")


def class_problems(dataset: DatasetBase, objects: Objects) -> list[Problem]:
    """Unknown, shifted, unused, rare and ambiguous classes."""
    names, ids = dataset.class_names, objects.class_ids
    known = (ids >= 0) & (ids < len(names))
    counts = np.bincount(ids[known], minlength=len(names))
    rarest = [index for index in np.argsort(counts, kind="stable") if 0 < counts[index] < RARE]
    background = [name for name in names[:1] if not counts[0] and _BACKGROUND.fullmatch(name.lower())]
    return [
        *of_objects(dataset, "unknown class", objects, ~known, detail=_unknown_ids(ids, len(names))),
        *_off_by_one(dataset, objects, counts),
        *_named("classes alike", _spellings(names)),
        *_named("background", background),
        *_named("class unused", [name for name, count in zip(names, counts, strict=True) if not count]),
        *_named("class rare", [f"{names[index]} ({counts[index]})" for index in rarest]),
    ]


def _named(kind: str, cases: list[str], detail: str = "") -> list[Problem]:
    return [problem(kind, len(cases), cases, detail=detail)] if cases else []


def _unknown_ids(ids: np.ndarray, classes: int) -> str:
    """The ids without a class name, except those that the reader could not map to a class."""
    unknown = np.unique(ids[((ids < 0) | (ids >= classes)) & (ids != UNKNOWN)])
    named = ", ".join(map(str, unknown[:3])) + (" …" if len(unknown) > 3 else "")
    return f" (ids {named} of {classes} names, from 0)" if len(unknown) else ""


def _off_by_one(dataset: DatasetBase, objects: Objects, counts: np.ndarray) -> list[Problem]:
    """1-based class ids; or unknown ids beside an unused first or last class, which suggests shifted dataset ids."""
    classes = len(counts)
    if not len(objects) or not classes:
        return []
    if objects.class_ids.min() >= 1 and objects.class_ids.max() == classes:
        detail = f": from 1 to {classes}, instead of from 0 to {classes - 1}"
        return of_objects(dataset, "class off by one", objects, np.ones(len(objects), bool), detail=detail)
    unknown = objects.class_ids == UNKNOWN
    unused = [dataset.class_names[index] for index in (0, -1) if not counts[index]]
    if unknown.any() and unused and classes > 1:
        detail = f": some are unknown, and {' and '.join(dict.fromkeys(unused))} has no object"
        return of_objects(dataset, "class perhaps off by one", objects, unknown, detail=detail)
    return []


def _spellings(names: tuple[str, ...]) -> list[str]:
    """Groups of names that differ only in case and punctuation."""
    groups = defaultdict(list)
    for name in names:
        groups[re.sub(r"[\W_]+", "", name.casefold()) or name].append(name)
    return [" = ".join(same) for same in groups.values() if len(same) > 1]


def keypoint_problems(dataset: DatasetBase, objects: Objects) -> list[Problem]:
    """Misplaced, invalid and unused keypoints, and flaws of the flip; empty if the dataset has no keypoints."""
    task = dataset.keypoints
    if task is None:
        return []
    count = len(task.names)
    arrays = [sample.keypoints if len(sample.boxes) else None for sample in dataset]
    mismatched = [number for number, array in enumerate(arrays) if array is not None and array.shape[1] != count]
    points = _keypoints(dataset, count)
    positions, labeled = points[..., :2], points[..., 2] > 0
    finite, origin = np.isfinite(positions).all(axis=-1), ~positions.any(axis=-1)
    outside = ((positions < -TOLERANCE) | (positions > objects.sizes[:, None] + TOLERANCE)).any(axis=-1)
    searched = objects.valid[:, None] & labeled & finite & ~outside & ~origin
    masks = {
        "keypoint no number": labeled & ~finite,
        "keypoint outside": labeled & finite & outside,
        "keypoint at 0, 0": labeled & origin,
        "visibility": ~np.isin(points[..., 2], (0, 1, 2)),
        "keypoint far": searched & _far(positions, objects.boxes),
    }
    unused = [name for name, used in zip(task.names, np.atleast_1d(labeled.any(axis=0)), strict=True) if not used]
    return [
        *of_images(dataset, "keypoint count", mismatched),
        *(
            one
            for kind, mask in masks.items()
            for one in of_objects(dataset, kind, objects, mask.any(axis=1), int(mask.sum()))
        ),
        *_named("keypoint unused", unused),
        *_named("flip", *_flip_flaw(task)),
    ]


def _keypoints(dataset: DatasetBase, count: int) -> np.ndarray:
    """Keypoints of all objects, float64 `(n, count, 3)`; zeros for images without, or with a different number."""
    parts = [np.zeros((len(sample.boxes), count, 3)) for sample in dataset]
    for part, sample in zip(parts, dataset, strict=True):
        if sample.keypoints is not None and sample.keypoints.shape == part.shape:
            part[...] = sample.keypoints
    return np.concatenate([np.zeros((0, count, 3)), *parts])


def _far(positions: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Keypoints `(n, k, 2)` outside the enlarged box in which a decoder searches them, bool `(n, k)`."""
    centers, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    distance = abs(positions - centers[:, None])
    return np.asarray((distance > KEYPOINT_BOX_SCALE * halves[:, None] + TOLERANCE).any(axis=-1))


def _flip_flaw(task: KeypointTask) -> tuple[list[str], str]:
    """Keypoints whose counterpart in a mirrored image is missing or wrong, and why."""
    names, flip, indices = task.names, task.flip, range(len(task.names))
    if not flip:
        return list(names), " (no flip at all)"
    expected = flip_of(names)
    rules: dict[str, Callable[[int], bool]] = {
        " (several have the same counterpart)": lambda i: flip.count(flip[i]) > 1,
        " (their counterparts have a different one)": lambda i: flip[flip[i]] != i,
        " (contrary to left and right in their names)": lambda i: expected[i] not in (i, flip[i]),
    }
    for why, is_wrong in rules.items():
        if wrong := [names[index] for index in indices if is_wrong(index)]:
            return wrong, why
    if len(names) > 1 and flip == tuple(indices) and all(name.startswith("keypoint_") for name in names):
        return list(names), " (they have no names, and mirroring exchanges none)"
    return [], ""
