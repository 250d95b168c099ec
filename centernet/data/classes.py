"""The order of a dataset's classes: the dataset's own, or the user's."""

from __future__ import annotations

import dataclasses
import difflib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Integral
from typing import Any

import numpy as np

from centernet.data.dataset import Dataset
from centernet.errors import ConfigError

UNKNOWN = -1
"""Class id of an object whose class the dataset doesn't name; checking finds it."""
FOUND_BY_CHECK = "found_by_check"
"""What records of the log have that say what checking a dataset finds anyway."""
logger = logging.getLogger("centernet")


def class_names(classes: int | Sequence[str]) -> tuple[str, ...]:
    """Names of classes from their names or their number.

    Raises:
        ConfigError: If there is no class, or two have the same name.
    """
    if isinstance(classes, Integral) and not isinstance(classes, bool):
        classes = [f"class_{index}" for index in range(int(classes))]
    names: list[Any] = [None]
    if isinstance(classes, Iterable) and not isinstance(classes, str | Mapping | Set):
        names = list(classes)
    if not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"Expected classes as a list of names or their number. Received: {classes!r}")
    doubles = sorted(name for name, count in Counter(names).items() if count > 1)
    if not names or doubles:
        raise ConfigError(f"Expected at least one class and no name twice. Received: {len(names)}, {doubles}")
    return tuple(map(str, names))


def with_classes(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """The same dataset with its classes in another order, or with more of them.

    Args:
        dataset: Any dataset.
        classes: Names; all classes that have objects are among them. Those that have none may be left out.

    Returns:
        The dataset. Class ids that none of its classes has become `UNKNOWN`. If it has dataset ids, its classes keep
        theirs and classes that are new get the next ones.

    Raises:
        ConfigError: If objects have another class; the message has the nearest name.
    """
    names = class_names(classes)
    _check_used(dataset, names)
    renumber = [names.index(name) if name in names else UNKNOWN for name in dataset.class_names]
    keypoints = dataset.keypoints if dataset.keypoints and dataset.keypoints.class_name in names else None
    samples = [
        dataclasses.replace(
            sample,
            class_ids=_renumbered(sample.class_ids, renumber),
            keypoints=sample.keypoints if keypoints else None,
        )
        for sample in dataset
    ]
    return dataclasses.replace(
        dataset,
        samples=tuple(samples),
        class_names=names,
        dataset_ids=_dataset_ids(dataset, names),
        keypoints=keypoints,
    )


def warn_of_unknown(dataset: Dataset) -> None:
    """Say how many objects have a class that the dataset doesn't name, if any have."""
    classes = len(dataset.class_names)
    unknown = sum(int(((one.class_ids < 0) | (one.class_ids >= classes)).sum()) for one in dataset)
    if unknown:
        logger.warning(
            "%s: %d of %d objects have a class that the dataset doesn't name; training takes them for background. "
            "Its check() names the images.",
            *(dataset.name, unknown, sum(len(one.boxes) for one in dataset)),
            extra={FOUND_BY_CHECK: True},
        )


def _check_used(dataset: Dataset, names: Sequence[str]) -> None:
    used = {int(class_id) for sample in dataset for class_id in np.unique(sample.class_ids)}
    for index, name in enumerate(dataset.class_names):
        if index in used and name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0) or ["none"]
            folded = [known for known in names if known.casefold() == name.casefold()]
            raise ConfigError(
                f"{dataset.name} has objects of class {name!r}, which is not one of classes={list(names)}. "
                f"The nearest is {(folded or near)[0]!r}. Add it, or correct the name."
            )


def _renumbered(class_ids: np.ndarray, renumber: Sequence[int]) -> np.ndarray:
    known = (class_ids >= 0) & (class_ids < len(renumber))
    table = np.asarray([*renumber, UNKNOWN], np.int32)
    return table[np.where(known, class_ids, len(renumber))]


def _dataset_ids(dataset: Dataset, names: Sequence[str]) -> tuple[int, ...]:
    if not dataset.dataset_ids:
        return ()
    known = dict(zip(dataset.class_names, dataset.dataset_ids, strict=True))
    for name in names:
        known.setdefault(name, max(known.values()) + 1)
    return tuple(known[name] for name in names)
