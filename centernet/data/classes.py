"""Class names, and changing the order of a dataset's classes."""

from __future__ import annotations

import dataclasses
import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Integral
from typing import Any

import numpy as np

from centernet.data.dataset_base import AnyDataset, DatasetBase
from centernet.errors import ConfigError
from centernet.files.validation import check_at_most

MAX_CLASSES = 50_000
UNKNOWN = -1
"""Class id of objects whose class the dataset doesn't name; checking reports them."""
REPORTED_BY_CHECK = "reported_by_check"
"""Attribute of log records about problems that checking a dataset reports as well."""


def class_names(classes: int | Sequence[str]) -> tuple[str, ...]:
    """Names of classes from a list of names, or from their number.

    Raises:
        ConfigError: If there is no class, there are more than `MAX_CLASSES`, or a name repeats.
    """
    if isinstance(classes, Integral) and not isinstance(classes, bool):
        check_at_most("a model", MAX_CLASSES, classes=classes)
        classes = [f"class_{index}" for index in range(int(classes))]
    names: list[Any] = [None]
    if isinstance(classes, Iterable) and not isinstance(classes, str | Mapping | Set):
        names = list(classes)
    check_at_most("a model", MAX_CLASSES, classes=len(names))
    if not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"Expected classes as a list of names or their number. Received: {classes!r}")
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if not names or repeated:
        raise ConfigError(
            f"Expected at least one class and no repeated name. Received: {len(names)} classes, repeated: {repeated}"
        )
    return tuple(map(str, names))


def with_classes(dataset: AnyDataset, classes: Sequence[str]) -> AnyDataset:
    """The dataset with its classes in another order, or with additional ones.

    Args:
        dataset: Any dataset.
        classes: Names. Only classes without objects may be left out.

    Returns:
        The dataset. Class ids outside its class names become `UNKNOWN`. If it has dataset ids, its classes keep theirs
        and new classes get the next free ones.

    Raises:
        ConfigError: If a class with objects is missing; the message names the nearest class.
    """
    names = class_names(classes)
    _check_used(dataset, names)
    new_ids = [names.index(name) if name in names else UNKNOWN for name in dataset.class_names]
    keypoints = dataset.keypoints if dataset.keypoints and dataset.keypoints.class_name in names else None
    samples = tuple(
        dataclasses.replace(
            sample,
            class_ids=_renumbered(sample.class_ids, new_ids),
            keypoints=sample.keypoints if keypoints else None,
        )
        for sample in dataset
    )
    ids = _dataset_ids(dataset, names)
    return dataclasses.replace(dataset, samples=samples, class_names=names, dataset_ids=ids, keypoints=keypoints)


def _check_used(dataset: DatasetBase, names: Sequence[str]) -> None:
    used = {int(class_id) for sample in dataset for class_id in np.unique(sample.class_ids)}
    for index, name in enumerate(dataset.class_names):
        if index in used and name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0) or ["none"]
            folded = [candidate for candidate in names if candidate.casefold() == name.casefold()]
            raise ConfigError(
                f"{dataset.name} has objects of class {name!r}, which is not one of classes={list(names)}. "
                f"The nearest is {(folded or near)[0]!r}. Add it, or correct the name."
            )


def _renumbered(class_ids: np.ndarray, new_ids: Sequence[int]) -> np.ndarray:
    known = (class_ids >= 0) & (class_ids < len(new_ids))
    return np.asarray([*new_ids, UNKNOWN], np.int32)[np.where(known, class_ids, len(new_ids))]


def _dataset_ids(dataset: DatasetBase, names: Sequence[str]) -> tuple[int, ...]:
    if not dataset.dataset_ids:
        return ()
    known = dict(zip(dataset.class_names, dataset.dataset_ids, strict=True))
    for name in names:
        known.setdefault(name, max(known.values()) + 1)
    return tuple(known[name] for name in names)
