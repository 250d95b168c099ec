"""Which detections belong to which image, in the classes and the order of keypoints of the dataset."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from centernet.data.dataset import Dataset
from centernet.data.sample import Sample
from centernet.errors import ConfigError
from centernet.results.detections import Detections

logger = logging.getLogger("centernet")

MOST_NAMES = 5


@dataclass(frozen=True)
class Pair:
    """An image with what is in it and what was found in it.

    Attributes:
        sample: What is in it.
        found: What was found in it, best first; `class_ids` and keypoints are those of the dataset.
    """

    sample: Sample
    found: Detections

    @cached_property
    def usable(self) -> np.ndarray:
        """Objects that can be found, bool `(n,)`: those with a box that has an area, and a class of the dataset."""
        return self.sample.measurable & self.sample.known(len(self.found.class_names))

    def left_out(self) -> list[str]:
        """What is wrong with each of the objects that are not usable, by name."""
        sample, measurable = self.sample, self.sample.measurable
        return [
            f"{sample.name}: object {row + 1} has "
            + ("an unknown class" if measurable[row] else f"a box without area, {tuple(sample.boxes[row].tolist())}")
            for row in np.flatnonzero(~self.usable)
        ]


def pair_up(
    dataset: Dataset, detections: Sequence[Detections] | Mapping[Any, Detections]
) -> tuple[list[Pair], list[str]]:
    """Put detections beside the objects of their images.

    Classes are matched by name, so that a detector of 90 classes can be evaluated on 80 of them: what it found of
    others is left out, and classes that it doesn't know are never found. Detections without names of classes are
    taken to have the ids of the dataset.

    Args:
        dataset: The images with their objects.
        detections: Of each image, in the order of the dataset; or `image_id` → detections, where an image that is
            not in it is one in which nothing was found.

    Returns:
        The pairs, in the order of image ids; and why each of the other images was not read.

    Raises:
        ConfigError: If detections don't belong to the dataset.
    """
    check_fits(dataset, ())
    aligned = _aligned(dataset, detections)
    translators: dict[tuple[str, ...], np.ndarray | None] = {}
    pairs, skipped = [], []
    for sample, found in aligned:
        if found.error is not None:
            skipped.append(found.error if found.error.startswith(sample.name) else f"{sample.name}: {found.error}")
            continue
        names = found.class_names
        if names not in translators:
            check_fits(dataset, names)
            translators[names] = _translator(dataset.class_names, names)
        pairs.append(Pair(sample, _keypoints_in_order(dataset, _translated(dataset, found, translators[names]))))
    # Equal scores of different images are taken in this order, as pycocotools does.
    pairs.sort(key=lambda pair: _rank(pair.sample.image_id))
    return pairs, skipped


def check_fits(dataset: Dataset, class_names: Sequence[str]) -> None:
    """Refuse a dataset on which nothing could be found.

    Args:
        dataset: The images with their objects.
        class_names: Of the detector, or none if it doesn't name its classes.

    Raises:
        ConfigError: If there is no image, or no class has the same name.
    """
    if not len(dataset):
        raise ConfigError(f"Expected images to evaluate on. Received: an empty dataset ({dataset.name})")
    if class_names and not set(class_names) & set(dataset.class_names):
        raise ConfigError(
            f"Expected detections of the dataset's classes ({_some(dataset.class_names)}). Received classes of other "
            f"names: {_some(class_names)}. Load the detector with the dataset's names: classes=[...]."
        )


def _rank(image_id: int | str) -> tuple[bool, int, str]:
    """Orders numbers before names."""
    return (True, 0, image_id) if isinstance(image_id, str) else (False, int(image_id), "")


def _aligned(
    dataset: Dataset, detections: Sequence[Detections] | Mapping[Any, Detections]
) -> list[tuple[Sample, Detections]]:
    if isinstance(detections, Mapping):
        unknown = sorted(set(detections) - {sample.image_id for sample in dataset}, key=str)
        if unknown:
            raise ConfigError(
                f"Expected detections of images of {dataset.name}. Received {len(unknown)} image ids that it doesn't "
                f"have: {_some(unknown)}. Its own are like {dataset[0].image_id!r}."
            )
        nothing = Detections.empty(dataset[0].size or (1, 1))
        return [(sample, detections.get(sample.image_id, nothing)) for sample in dataset]
    if len(detections) != len(dataset):
        raise ConfigError(
            f"Expected detections of each of the {len(dataset)} images of {dataset.name}, in its order. "
            f"Received: {len(detections)}. Give a dictionary from image_id to Detections for some of them."
        )
    return list(zip(dataset, detections, strict=True))


def _translator(wanted: tuple[str, ...], given: tuple[str, ...]) -> np.ndarray | None:
    """Class id of the dataset for each class of the detections, −1 for none; None where both are the same."""
    if not given or given == wanted:
        return None
    ids = {name: index for index, name in enumerate(wanted)}
    translator = np.array([ids.get(name, -1) for name in given], np.int32)
    missing = [name for name in wanted if name not in given]
    if missing:
        logger.warning(
            "%d of the dataset's %d classes are none of the detector's, and count as never found: %s",
            len(missing),
            len(wanted),
            _some(missing),
        )
    return translator


def _translated(dataset: Dataset, found: Detections, translator: np.ndarray | None) -> Detections:
    class_ids = found.class_ids if translator is None else translator[found.class_ids]
    if len(class_ids) and class_ids.max() >= len(dataset.class_names):
        raise ConfigError(
            f"Expected class ids below {len(dataset.class_names)}, the number of classes of {dataset.name}. "
            f"Received: {class_ids.max()}"
        )
    known = class_ids >= 0
    rows = {name: getattr(found, name) for name in ("boxes", "scores", "keypoints", "keypoint_scores")}
    kept: dict[str, Any] = {name: value[known] for name, value in rows.items() if value is not None}
    kept |= {"class_ids": class_ids[known], "class_names": dataset.class_names, "dataset_ids": None}
    # The images of a whole dataset would fill the memory.
    return replace(found, **kept, image=None)


def _keypoints_in_order(dataset: Dataset, found: Detections) -> Detections:
    task = dataset.keypoints
    if task is None or found.keypoints is None or found.keypoint_scores is None or found.keypoint_names == task.names:
        return found
    names = found.keypoint_names or task.names
    missing = [name for name in task.names if name not in names]
    if missing or (found.keypoint_names is None and found.keypoints.shape[1] != len(task.names)):
        raise ConfigError(
            f"Expected the keypoints of {dataset.name} ({_some(task.names)}). Received {found.keypoints.shape[1]} "
            f"keypoints{', without ' + _some(missing) if missing else ''}."
        )
    order = [names.index(name) for name in task.names]
    return replace(
        found,
        keypoints=found.keypoints[:, order],
        keypoint_scores=found.keypoint_scores[:, order],
        keypoint_names=task.names,
        skeleton=task.skeleton or None,
    )


def _some(names: Sequence[Any]) -> str:
    more = len(names) - MOST_NAMES
    return ", ".join(map(str, names[:MOST_NAMES])) + (f" and {more} more" if more > 0 else "")
