"""Several parts of a dataset as one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError


def merged(parts: Mapping[str, Dataset], name: str) -> Dataset:
    """All images of several parts; where parts share an image id, ids get the name of their part (`train/12`).

    Args:
        parts: Split → dataset; at least one, which is returned as it is if there is no other.
        name: What to call the whole.

    Returns:
        One dataset.

    Raises:
        ConfigError: If their classes or keypoints differ.
    """
    datasets = list(parts.values())
    if len(datasets) == 1:
        return datasets[0]
    check_same(datasets)
    ids = [sample.image_id for dataset in datasets for sample in dataset]
    shared = len(set(ids)) < len(ids)
    samples = [
        dataclasses.replace(sample, image_id=f"{part}/{sample.image_id}") if shared else sample
        for part, dataset in parts.items()
        for sample in dataset
    ]
    return dataclasses.replace(datasets[0], samples=tuple(samples), name=name)


def check_same(datasets: Sequence[Dataset]) -> None:
    """Check that datasets have the same classes and keypoints.

    Raises:
        ConfigError: If they don't.
    """
    first = datasets[0]
    for other in datasets[1:]:
        if other.class_names != first.class_names:
            only = [sorted(set(a.class_names) - set(b.class_names)) for a, b in ((first, other), (other, first))]
            differ = f"Only the first has {only[0]}, only the second {only[1]}" if any(only) else "Their order differs"
            raise ConfigError(
                f"Expected the same classes in {first.name} and {other.name}. {differ}. Give the classes and their "
                "order: classes=[...]."
            )
        if _meaning(other.keypoints) != _meaning(first.keypoints):
            raise ConfigError(
                f"Expected the same keypoints of the same class, which mirror alike, in {first.name} and {other.name}. "
                f"Received: {_in_words(first.keypoints)}, and {_in_words(other.keypoints)}. Make them the same."
            )


def _meaning(task: KeypointTask | None) -> Any:
    return task and (task.class_name, task.names, task.flip)


def _in_words(task: KeypointTask | None) -> str:
    if task is None:
        return "none"
    return f"{list(task.names)} of {task.class_name!r}" + (f" with flip {list(task.flip)}" if task.flip else "")
