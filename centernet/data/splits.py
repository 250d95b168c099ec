"""Splits of a dataset: their names, and several of them as one dataset."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError

ALL = "all"
NAMES = ("train", "training", "trainval", "val", "valid", "validation", "test")
_SYNONYMS = (("train", "training"), ("val", "valid", "validation"))
_VALIDATION = ("val", "valid", "validation", "test")
# Split to train on → splits to validate on, best first. trainval contains val, so it goes with test only.
_PAIRS: Mapping[str, Sequence[str]] = {"train": _VALIDATION, "training": _VALIDATION, "trainval": ("test",)}
_WORD = re.compile(rf"(?:^|[^a-z])({'|'.join(sorted(NAMES, key=len, reverse=True))})\d*(?![a-z0-9])")


def split_in(name: str) -> str | None:
    """The split that a file or folder is named after; the last one if its name has several.

    >>> split_in("instances_train2017.json"), split_in("valid"), split_in("latest.csv")
    ('train', 'valid', None)
    """
    words = _WORD.findall(name.lower())
    return words[-1] if words else None


def conflict(a: str, b: str) -> bool:
    """Whether two splits have different images; `ALL` and `trainval` may share those of others.

    >>> conflict("train", "valid"), conflict("val", "valid"), conflict("trainval", "train")
    (True, False, False)
    """
    groups = [next((names for names in _SYNONYMS if name in names), (name,)) for name in (a, b)]
    return groups[0] != groups[1] and not {a, b} & {ALL, "trainval"}


def train_and_validation(splits: Iterable[str]) -> tuple[str, str] | None:
    """The split to train on and the first of val, valid, validation, test to validate on; None if there is no pair."""
    available = set(splits)
    pairs = ((first, second) for first, seconds in _PAIRS.items() for second in seconds)
    return next((pair for pair in pairs if available.issuperset(pair)), None)


def find_split(wanted: str, splits: Sequence[str], where: str) -> str:
    """The split with a name or a synonym of it (val, valid, validation).

    Raises:
        ConfigError: If there is no such split.
    """
    synonyms = next((names for names in _SYNONYMS if wanted in names), ())
    for name in (wanted, *synonyms):
        if name == ALL or name in splits:
            return name
    has = f"It has {', '.join(splits)}" if splits else "It has no splits of its own"
    raise ConfigError(
        f"Expected a split of {where}. Received: split={wanted!r}. {has}; split='all' gives everything, which "
        "Dataset.split() divides."
    )


def disjoint(splits: Iterable[str]) -> list[str]:
    """The splits without duplicates: trainval is left out if train and val are there."""
    names = list(splits)
    return [name for name in names if name != "trainval" or not {"train", "val"} <= set(names)]


def merge_splits(parts: Mapping[str, Dataset], name: str) -> Dataset:
    """All images of one or more splits as one dataset; a single one is returned unchanged.

    If image ids repeat, the split is put before each id (`train/12`).

    Raises:
        ConfigError: If classes or keypoints of the parts differ.
    """
    datasets = list(parts.values())
    if len(datasets) == 1:
        return datasets[0]
    check_compatible(datasets)
    ids = [sample.image_id for dataset in datasets for sample in dataset]
    repeated = len(set(ids)) < len(ids)
    samples = [
        dataclasses.replace(sample, image_id=f"{part}/{sample.image_id}") if repeated else sample
        for part, dataset in parts.items()
        for sample in dataset
    ]
    return dataclasses.replace(datasets[0], samples=tuple(samples), name=name)


def check_compatible(datasets: Sequence[Dataset]) -> None:
    """Check that datasets have the same classes and keypoints.

    Raises:
        ConfigError: If they differ.
    """
    first = datasets[0]
    for second in datasets[1:]:
        if second.class_names != first.class_names:
            only = [sorted(set(a.class_names) - set(b.class_names)) for a, b in ((first, second), (second, first))]
            differ = f"Only the first has {only[0]}, only the second {only[1]}" if any(only) else "Their order differs"
            raise ConfigError(
                f"Expected the same classes in {first.name} and {second.name}. {differ}. Give the classes and their "
                "order: classes=[...]."
            )
        if _schema(second.keypoints) != _schema(first.keypoints):
            raise ConfigError(
                f"Expected the same keypoints of the same class with the same flip in {first.name} and {second.name}. "
                f"Received: {_described(first.keypoints)}, and {_described(second.keypoints)}. Make them the same."
            )


def _schema(task: KeypointTask | None) -> Any:
    return task and (task.class_name, task.names, task.flip)


def _described(task: KeypointTask | None) -> str:
    if task is None:
        return "none"
    return f"{list(task.names)} of {task.class_name!r}" + (f" with flip {list(task.flip)}" if task.flip else "")
