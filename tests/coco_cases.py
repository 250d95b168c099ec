"""Datasets with detections to evaluate, drawn from a seed, and what pycocotools says about such."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from typing import Any

import numpy as np

from centernet import Detections, KeypointTask
from centernet.data.dataset import Dataset
from centernet.data.sample import Sample

SIZE = (240, 320)
NAMES = ("cat", "dog", "bird", "never there")
TASK = KeypointTask("dog", ("head", "tail", "left_paw", "right_paw"), ((0, 1),), (0, 1, 3, 2), (0.4, 0.6, 0.9, 0.9))
SIGMAS = (0.04, 0.06, 0.09, 0.09)


def scenes(seed: int, images: int = 14) -> tuple[Dataset, list[Detections]]:
    """Images without objects, without detections, with crowds, areas that aren't the boxes', and equal scores."""
    rng = np.random.default_rng(seed)
    samples, found = [], []
    for number in range(images):
        count = int(rng.integers(0, 7)) if number else 0
        sides = np.exp(rng.uniform(np.log(8), np.log(160), (count, 2)))
        boxes = _boxes(rng.uniform(0, 200, (count, 2)), sides)
        points = _points(boxes, rng.random((count, len(TASK.names), 2)))
        sample = Sample(
            np.zeros((*SIZE, 3), np.uint8),
            boxes,
            rng.integers(0, 3, count),
            image_id=int(1000 - 7 * number),
            keypoints=np.concatenate([points, rng.integers(0, 3, (count, len(TASK.names), 1))], axis=-1),
            ignore=rng.random(count) < 0.15,
            areas=sides.prod(axis=1) * rng.uniform(0.4, 1, count),
            size=SIZE,
        )
        samples.append(sample)
        found.append(guesses(sample, rng, others=0 if number == 1 else int(rng.integers(0, 5))))
    dataset = Dataset(tuple(samples), NAMES, (3, 7, 8, 11), TASK, name="scenes")
    return dataset, found


def guesses(
    sample: Sample, rng: np.random.Generator, *, others: int, classes: int = 3, kinds: int = 4, noise: float = 0.08
) -> Detections:
    """What a mediocre detector might find: most objects, displaced, some of them twice, and others that aren't there.

    Args:
        sample: The image.
        rng: RandomNumbers.
        others: Number of detections where nothing is.
        classes: Number of classes to take an object for.
        kinds: Number of keypoints.
        noise: Displacement as a part of an object's scale.
    """
    rows = np.flatnonzero(np.tile(rng.random(len(sample.boxes)) < 0.85, 2) & (rng.random(2 * len(sample.boxes)) < 0.8))
    rows = rows % max(len(sample.boxes), 1)
    scale = np.sqrt(sample.areas[rows].astype(np.float64))
    boxes = sample.boxes[rows] + noise * scale[:, None] * rng.standard_normal((len(rows), 4))
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    boxes = np.concatenate([boxes, _boxes(rng.uniform(0, 200, (others, 2)), rng.uniform(10, 90, (others, 2)))])
    wrong = rng.random(len(rows)) < 0.1
    taken = np.where(wrong, rng.integers(0, classes, len(rows)), sample.class_ids[rows])
    taken = np.concatenate([taken, rng.integers(0, classes, others)])
    scores = np.round(rng.uniform(0.05, 1, len(boxes)), 2)
    order = np.argsort(-scores, kind="stable")
    points = np.zeros((0, kinds, 2)) if sample.keypoints is None else sample.keypoints[rows, :, :2]
    points = points + noise * scale[:, None, None] * rng.standard_normal((len(rows), kinds, 2))
    points = np.concatenate([points, rng.uniform(0, 240, (others, kinds, 2))])
    size = sample.size or SIZE
    return Detections(boxes[order], scores[order], taken[order], size, keypoints=points[order])


def perfect(dataset: Dataset) -> list[Detections]:
    """Detections that are the objects."""
    return [
        Detections(
            sample.boxes[keep],
            np.ones(keep.sum()),
            sample.class_ids[keep],
            sample.size or SIZE,
            keypoints=None if sample.keypoints is None else sample.keypoints[keep, :, :2],
        )
        for sample in dataset
        for keep in [~sample.ignore]
    ]


def reference(dataset: Dataset, found: list[Detections], kind: str, sigmas: Any = None) -> list[float]:
    """What pycocotools prints, from rows that are made without the package's evaluation.

    Args:
        dataset: The images.
        found: Of each image.
        kind: `bbox` or `keypoints`.
        sigmas: COCO's σ of each keypoint, if they aren't COCO's.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    ids = dataset.dataset_ids
    rows = [row for sample, one in zip(dataset, found, strict=True) for row in _rows(sample, one, ids, kind)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = _truth(dataset)
        truth.createIndex()
        evaluator = COCOeval(truth, truth.loadRes(rows), kind)
        if kind == "keypoints":
            assert dataset.keypoints is not None
            evaluator.params.catIds = [ids[dataset.class_names.index(dataset.keypoints.class_name)]]
        if sigmas is not None:
            evaluator.params.kpt_oks_sigmas = np.array(sigmas)
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return [float(value) for value in evaluator.stats]


def _rows(sample: Sample, found: Detections, ids: tuple[int, ...], kind: str) -> list[dict[str, Any]]:
    named = dataclasses.replace(found, class_names=(), dataset_ids=ids)
    assert isinstance(sample.image_id, int)
    rows = named.to_coco(sample.image_id)
    for row in rows:
        row.pop("bbox" if kind == "keypoints" else "keypoints", None)
    return rows


def _truth(dataset: Dataset) -> dict[str, Any]:
    annotations = []
    for sample in dataset:
        for row, (x0, y0, x1, y1) in enumerate(sample.boxes.astype(np.float64).tolist()):
            one = {
                "id": len(annotations) + 1,
                "image_id": sample.image_id,
                "category_id": dataset.dataset_ids[sample.class_ids[row]],
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "area": float(sample.areas[row]),
                "iscrowd": int(sample.ignore[row]),
            }
            if sample.keypoints is not None:
                points = sample.keypoints[row].astype(np.float64)
                one |= {"keypoints": points.ravel().tolist(), "num_keypoints": int((points[:, 2] > 0).sum())}
            annotations.append(one)
    return {
        "images": [{"id": sample.image_id} for sample in dataset],
        "categories": [
            {"id": number, "name": name} for number, name in zip(dataset.dataset_ids, dataset.class_names, strict=True)
        ],
        "annotations": annotations,
    }


def _boxes(corners: np.ndarray, sides: np.ndarray) -> np.ndarray:
    return np.concatenate([corners, corners + sides], axis=1)


def _points(boxes: np.ndarray, parts: np.ndarray) -> np.ndarray:
    return boxes[:, None, :2] + parts * (boxes[:, None, 2:] - boxes[:, None, :2])
