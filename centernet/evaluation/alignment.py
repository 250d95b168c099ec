"""Alignment of detections with the images, class ids and keypoint order of a dataset; COCO result files."""

from __future__ import annotations

import json
import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from centernet.data.dataset import Dataset
from centernet.data.sample import Sample
from centernet.errors import ConfigError, SourceError
from centernet.files.formatting import shortened_list
from centernet.results.detections import Detections

logger = logging.getLogger("centernet")


@dataclass(frozen=True)
class Pair:
    """The annotations and the detections of an image.

    Attributes:
        sample: The annotations.
        detections: The detections, best first; `class_ids` and keypoints are those of the dataset.
    """

    sample: Sample
    detections: Detections

    @cached_property
    def usable(self) -> np.ndarray:
        """Objects that can be detected, bool `(n,)`: those with a box with an area and a class of the dataset."""
        return self.sample.measurable & self.sample.known(len(self.detections.class_names))

    def labeled(self, class_id: int) -> np.ndarray:
        """Objects of a class to detect that have labeled keypoints, bool `(n,)`."""
        sample, points = self.sample, self.sample.keypoints
        chosen = self.usable & ~sample.ignore & (sample.class_ids == class_id)
        return chosen & (False if points is None else (points[..., 2] > 0).any(axis=1))

    def left_out(self) -> list[str]:
        """The objects that are not usable, by image name, with the reason."""
        sample, measurable = self.sample, self.sample.measurable
        return [
            f"{sample.name}: object {row + 1} has "
            + ("an unknown class" if measurable[row] else f"a box without area, {tuple(sample.boxes[row].tolist())}")
            for row in np.flatnonzero(~self.usable)
        ]


def align(
    dataset: Dataset, detections: Sequence[Detections] | Mapping[Any, Detections]
) -> tuple[list[Pair], list[str]]:
    """Pair detections with the annotations of their images.

    Classes are matched by name, so that a detector of 90 classes can be evaluated on 80 of them: detections of other
    classes are dropped, and classes that the detector lacks have no detections. Detections without class names
    must have the class ids of the dataset.

    Args:
        dataset: The annotated images.
        detections: One per image, in the order of the dataset; or `image_id` → detections, where a missing image
            has no detections.

    Returns:
        The pairs, in the order of image ids; and the images that could not be read, with the reason.

    Raises:
        ConfigError: If detections don't belong to the dataset.
    """
    check_evaluable(dataset, ())
    class_maps: dict[tuple[str, ...], np.ndarray | None] = {}
    pairs, skipped = [], []
    for sample, one in _by_image(dataset, detections):
        if one.error is not None:
            skipped.append(one.error if one.error.startswith(sample.name) else f"{sample.name}: {one.error}")
            continue
        names = one.class_names
        if names not in class_maps:
            check_evaluable(dataset, names)
            class_maps[names] = _class_map(dataset.class_names, names)
        pairs.append(Pair(sample, _in_keypoint_order(dataset, _in_classes(dataset, one, class_maps[names]))))
    # As in pycocotools, this order decides between equal scores of different images.
    pairs.sort(key=lambda pair: _sort_key(pair.sample.image_id))
    return pairs, skipped


def check_evaluable(dataset: Dataset, class_names: Sequence[str]) -> None:
    """Check that there are images, and that the dataset and the detector (if its classes are known) share a class.

    Raises:
        ConfigError: If not.
    """
    if not len(dataset):
        raise ConfigError(f"Expected images to evaluate on. Received: an empty dataset ({dataset.name})")
    if class_names and not set(class_names) & set(dataset.class_names):
        raise ConfigError(
            f"Expected detections of the dataset's classes ({shortened_list(dataset.class_names)}). Received classes "
            f"of other names: {shortened_list(class_names)}. Load the detector with the dataset's names: classes=[...]."
        )


def read_coco_results(path: str | os.PathLike[str], dataset: Dataset) -> dict[int | str, Detections]:
    """Read a COCO result file, as written by `Detections.to_coco` and `centernet detect --coco`.

    Args:
        path: The file: a list of `image_id`, `category_id`, `score`, `bbox` (x, y, width, height in pixels) and
            optionally `keypoints` (x, y, score …).
        dataset: The dataset of its images and classes.

    Returns:
        `image_id` → detections, for images with detections.

    Raises:
        SourceError: If it is not a COCO result file.
        ConfigError: If it has images or classes that are not in the dataset.
    """
    samples = {sample.image_id: sample for sample in dataset}
    rows: dict[int | str, list[dict[str, Any]]] = defaultdict(list)
    try:
        for row in json.loads(Path(path).read_text(encoding="utf-8")):
            rows[row["image_id"]].append(row)
        _check_image_ids(f"{path}: expected", dataset, rows)
        return {image_id: _from_coco(samples[image_id], of_image, dataset) for image_id, of_image in rows.items()}
    except ConfigError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path}: expected COCO's results, a list of image_id, category_id, bbox and score. "
            f"Received a file that fails with {type(error).__name__}: {error}"
        ) from error


def _from_coco(sample: Sample, rows: list[dict[str, Any]], dataset: Dataset) -> Detections:
    ids = dataset.dataset_ids or tuple(range(1, len(dataset.class_names) + 1))
    class_of = {dataset_id: index for index, dataset_id in enumerate(ids)}
    unknown = {row["category_id"] for row in rows} - set(class_of)
    if unknown:
        raise ConfigError(
            f"Expected category ids of {dataset.name} ({min(ids)}–{max(ids)}). Received: {sorted(unknown)[:5]}"
        )
    rows = sorted(rows, key=lambda row: -row["score"])
    boxes = np.array([row["bbox"] for row in rows], np.float64)
    boxes[:, 2:] += boxes[:, :2]
    keypoints: dict[str, Any] = {}
    if all("keypoints" in row for row in rows):
        points = np.array([row["keypoints"] for row in rows], np.float64).reshape(len(rows), -1, 3)
        keypoints = {"keypoints": points[..., :2], "keypoint_scores": points[..., 2]}
    scores = np.array([row["score"] for row in rows])
    class_ids = np.array([class_of[row["category_id"]] for row in rows], np.int32)
    return Detections(boxes, scores, class_ids, sample.size or (1, 1), class_names=dataset.class_names, **keypoints)


def _check_image_ids(expected: str, dataset: Dataset, image_ids: Mapping[Any, Any]) -> None:
    known = dict.fromkeys(sample.image_id for sample in dataset)
    unknown = [image_id for image_id in image_ids if image_id not in known]
    if unknown:
        raise ConfigError(
            f"{expected} detections of images of {dataset.name}. Received {len(unknown)} image ids that it doesn't "
            f"have: {shortened_list(unknown)}; its own are like {next(iter(known), None)!r}."
        )


def _by_image(
    dataset: Dataset, detections: Sequence[Detections] | Mapping[Any, Detections]
) -> list[tuple[Sample, Detections]]:
    if isinstance(detections, Mapping):
        _check_image_ids("Expected", dataset, detections)
        empty = Detections.empty(dataset[0].size or (1, 1))
        return [(sample, detections.get(sample.image_id, empty)) for sample in dataset]
    if len(detections) != len(dataset):
        raise ConfigError(
            f"Expected detections of each of the {len(dataset)} images of {dataset.name}, in its order. "
            f"Received: {len(detections)}. Give a dictionary from image_id to Detections for some of them."
        )
    return list(zip(dataset, detections, strict=True))


def _sort_key(image_id: int | str) -> tuple[bool, int, str]:
    """Orders numbers before names."""
    return (True, 0, image_id) if isinstance(image_id, str) else (False, int(image_id), "")


def _class_map(wanted: tuple[str, ...], given: tuple[str, ...]) -> np.ndarray | None:
    """The dataset's class id of each class of the detections, −1 for none; None if they are identical."""
    if not given or given == wanted:
        return None
    missing = [name for name in wanted if name not in given]
    if missing:
        logger.warning(
            "%d of the dataset's %d classes are unknown to the detector and count as never detected: %s",
            len(missing),
            len(wanted),
            shortened_list(missing),
        )
    return np.array([wanted.index(name) if name in wanted else -1 for name in given], np.int32)


def _in_classes(dataset: Dataset, detections: Detections, class_map: np.ndarray | None) -> Detections:
    class_ids = detections.class_ids if class_map is None else class_map[detections.class_ids]
    if len(class_ids) and class_ids.max() >= len(dataset.class_names):
        raise ConfigError(
            f"Expected class ids below {len(dataset.class_names)}, the number of classes of {dataset.name}. "
            f"Received: {class_ids.max()}"
        )
    kept = class_ids >= 0
    # The images of a whole dataset would fill the memory.
    rows = replace(detections, class_names=(), dataset_ids=None, image=None)[kept]
    return replace(rows, class_ids=class_ids[kept], class_names=dataset.class_names)


def _in_keypoint_order(dataset: Dataset, detections: Detections) -> Detections:
    task, keypoints, scores = dataset.keypoints, detections.keypoints, detections.keypoint_scores
    if task is None or keypoints is None or scores is None or detections.keypoint_names == task.names:
        return detections
    names = detections.keypoint_names or task.names
    missing = [name for name in task.names if name not in names]
    if missing or (detections.keypoint_names is None and keypoints.shape[1] != len(task.names)):
        raise ConfigError(
            f"Expected the keypoints of {dataset.name} ({shortened_list(task.names)}). Received {keypoints.shape[1]} "
            f"keypoints{', without ' + shortened_list(missing) if missing else ''}."
        )
    order = [names.index(name) for name in task.names]
    return replace(
        detections,
        keypoints=keypoints[:, order],
        keypoint_scores=scores[:, order],
        keypoint_names=task.names,
        skeleton=task.skeleton or None,
    )
