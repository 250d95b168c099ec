"""Reads COCO's result files: detections that any software wrote down."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from centernet.data.dataset import Dataset
from centernet.data.sample import Sample
from centernet.errors import ConfigError, SourceError
from centernet.results.detections import Detections

if TYPE_CHECKING:
    import os


def read_coco_results(path: str | os.PathLike[str], dataset: Dataset) -> dict[int | str, Detections]:
    """Read the rows that `Detections.to_coco` and `centernet detect --coco` write.

    Args:
        path: The file: a list of `image_id`, `category_id`, `score`, `bbox` (x, y, width, height in pixels) and
            possibly `keypoints` (x, y, score …).
        dataset: Which images and classes they are of.

    Returns:
        `image_id` → detections, of each image that has some.

    Raises:
        SourceError: If it is no such file.
        ConfigError: If its rows are of other images or classes.
    """
    samples = {sample.image_id: sample for sample in dataset}
    rows: dict[int | str, list[dict[str, Any]]] = defaultdict(list)
    try:
        for row in json.loads(Path(path).read_text(encoding="utf-8")):
            rows[row["image_id"]].append(row)
        unknown = [image_id for image_id in rows if image_id not in samples]
        if unknown:
            raise ConfigError(
                f"{path}: expected detections of images of {dataset.name}. Received {len(unknown)} image ids that it "
                f"doesn't have, as {unknown[0]!r}; its own are like {next(iter(samples), None)!r}."
            )
        return {image_id: _detections(samples[image_id], of_image, dataset) for image_id, of_image in rows.items()}
    except ConfigError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(
            f"{path}: expected COCO's results, a list of image_id, category_id, bbox and score. "
            f"Received something that fails with {type(error).__name__}: {error}"
        ) from error


def _detections(sample: Sample, rows: list[dict[str, Any]], dataset: Dataset) -> Detections:
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
    return Detections(
        boxes,
        np.array([row["score"] for row in rows]),
        np.array([class_of[row["category_id"]] for row in rows], np.int32),
        sample.size or (1, 1),
        class_names=dataset.class_names,
        **keypoints,
    )
