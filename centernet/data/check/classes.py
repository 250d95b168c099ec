"""Classes: unknown, unused, off by one, named in several ways."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from centernet.data.check.objects import Objects
from centernet.data.check.problems import Problem, of_objects, problem
from centernet.data.classes import UNKNOWN
from centernet.data.dataset import Dataset

FEW = 10  # objects of a class
_BACKGROUND = re.compile(r"_*(background|bg|void|none)_*")


def class_problems(dataset: Dataset, objects: Objects) -> list[Problem]:
    """What is wrong with classes, and which are hardly there."""
    names, ids = dataset.class_names, objects.class_ids
    counts = np.bincount(ids[_known(objects, len(names))], minlength=len(names))[: len(names)]
    return [
        *of_objects(dataset, "unknown class", objects, ~_known(objects, len(names)), detail=_beyond(ids, len(names))),
        *_off_by_one(dataset, objects, counts),
        *_alike(names),
        *_listed("background", [name for name in names[:1] if not counts[0] and _BACKGROUND.fullmatch(name.lower())]),
        *_listed("class unused", [name for name, count in zip(names, counts, strict=True) if not count]),
        *_listed(
            "class rare",
            [f"{names[i]} ({counts[i]})" for i in np.argsort(counts, kind="stable") if 0 < counts[i] < FEW],
        ),
    ]


def _known(objects: Objects, classes: int) -> np.ndarray:
    return np.asarray((objects.class_ids >= 0) & (objects.class_ids < classes))


def _beyond(ids: np.ndarray, classes: int) -> str:
    """The ids that no class has; those that the reader couldn't give one are left out."""
    beyond = np.unique(ids[((ids < 0) | (ids >= classes)) & (ids != UNKNOWN)])
    named = ", ".join(map(str, beyond[:3])) + (" …" if len(beyond) > 3 else "")
    return f" (ids {named} of {classes} names, from 0)" if len(beyond) else ""


def _off_by_one(dataset: Dataset, objects: Objects, counts: np.ndarray) -> list[Problem]:
    """Ids from 1 where they are to begin at 0; or, with other ids of the dataset's own, a sign of something alike."""
    classes = len(counts)
    if not len(objects) or not classes:
        return []
    lowest, highest = objects.class_ids.min(), objects.class_ids.max()
    everything = np.ones(len(objects), bool)
    if lowest >= 1 and highest == classes:
        detail = f": from 1 to {classes}, instead of from 0 to {classes - 1}"
        return of_objects(dataset, "class off by one", objects, everything, detail=detail)
    unknown = objects.class_ids == UNKNOWN
    unused = [name for name, count in ((dataset.class_names[i], counts[i]) for i in (0, -1)) if not count]
    if unknown.any() and unused and classes > 1:
        detail = f": some are unknown, and {' and '.join(dict.fromkeys(unused))} has no object"
        return of_objects(dataset, "class perhaps off by one", objects, unknown, detail=detail)
    return []


def _alike(names: tuple[str, ...]) -> list[Problem]:
    """Names that differ in case, blanks and the like only."""
    ways = defaultdict(list)
    for name in names:
        ways[re.sub(r"[\W_]+", "", name.casefold()) or name].append(name)
    return _listed("classes alike", [" = ".join(same) for same in ways.values() if len(same) > 1])


def _listed(kind: str, cases: list[str]) -> list[Problem]:
    return [problem(kind, len(cases), cases)] if cases else []
