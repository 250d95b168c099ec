"""COCO's average precision and recall, of boxes and of keypoints, as pycocotools counts them.

The counting is that of faster-coco-eval. COCO's rules are those of https://cocodataset.org/#detection-eval and
https://cocodataset.org/#keypoints-eval: 10 thresholds of overlap, precision at 101 recalls, at most 100 boxes (20 sets
of keypoints) an image, crowds neither asked for nor wrong, sizes by the areas that the dataset states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from centernet.data.keypoints import SIGMA_SCALE, KeypointTask
from centernet.errors import ConfigError
from centernet.evaluation.samples import Pair

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
BOX_SIZES = ("all", "small", "medium", "large")
KEYPOINT_SIZES = ("all", "medium", "large")

# https://github.com/cocodataset/cocoapi, PythonAPI/pycocotools/cocoeval.py, kpt_oks_sigmas.
COCO_SIGMAS = {
    "nose": 0.026,
    **{f"{side}_eye": 0.025 for side in ("left", "right")},
    **{f"{side}_ear": 0.035 for side in ("left", "right")},
    **{f"{side}_shoulder": 0.079 for side in ("left", "right")},
    **{f"{side}_elbow": 0.072 for side in ("left", "right")},
    **{f"{side}_wrist": 0.062 for side in ("left", "right")},
    **{f"{side}_hip": 0.107 for side in ("left", "right")},
    **{f"{side}_knee": 0.087 for side in ("left", "right")},
    **{f"{side}_ankle": 0.089 for side in ("left", "right")},
}
DEFAULT_SIGMA = 0.067  # the mean of COCO's


@dataclass(frozen=True)
class Counted:
    """What COCO's evaluation counts; NaN where there is no object.

    Attributes:
        precision: float64 `(overlaps, recalls, classes, sizes, limits)`, the best precision at that recall or more.
        recall: float64 `(overlaps, classes, sizes, limits)`, the highest that is reached.
        scores: float64, as `precision`: the score above which the recall is reached; 0 where it isn't.
    """

    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray

    def ap(self, overlap: float | None = None, size: int = 0, class_id: int | None = None) -> float:
        """Average precision, 0–1, at the greatest limit; NaN without objects.

        Args:
            overlap: One of `OVERLAPS`; None for the mean of all.
            size: Index of the size.
            class_id: One class; None for the mean of those that have objects.

        Raises:
            ConfigError: If the overlap is none of these.
        """
        return _mean(self.precision[at(overlap), :, _only(class_id), size, -1])

    def ar(self, limit: int = -1, size: int = 0, class_id: int | None = None, overlap: float | None = None) -> float:
        """Average recall, 0–1; NaN without objects.

        Args:
            limit: Index of the limit, the number of detections an image that are looked at.
            size: Index of the size.
            class_id: One class; None for the mean of those that have objects.
            overlap: One of `OVERLAPS`; None for the mean of all.

        Raises:
            ConfigError: If the overlap is none of these.
        """
        return _mean(self.recall[at(overlap), _only(class_id), size, limit])


def count_boxes(pairs: Sequence[Pair], class_names: Sequence[str]) -> Counted:
    """COCO's evaluation of boxes.

    Args:
        pairs: Images; objects that are not usable are left out.
        class_names: Of the dataset.

    Returns:
        Sizes are `BOX_SIZES`; the limits 1, 10 and 100.
    """
    objects, found = [], []
    for number, pair in enumerate(pairs, 1):
        objects += _objects(number, pair, pair.usable)
        found += _boxes_found(number, pair)
    return _count("bbox", len(pairs), range(1, len(class_names) + 1), objects, found)


def count_keypoints(pairs: Sequence[Pair], class_id: int, sigmas: Sequence[float]) -> Counted:
    """COCO's evaluation of keypoints by their similarity (OKS), of one class.

    Objects without labeled keypoints are neither asked for nor wrong. As in COCO's result files, the size of a
    detection is that of the rectangle around its keypoints.

    Args:
        pairs: Images; objects that are not usable are left out.
        class_id: Class that has the keypoints.
        sigmas: COCO's σ of each keypoint, a part of the object's scale; the similarity falls with 2σ.

    Returns:
        Sizes are `KEYPOINT_SIZES`; the limit is 20.
    """
    objects, found = [], []
    for number, pair in enumerate(pairs, 1):
        objects += _keypoint_objects(number, pair, class_id, len(sigmas))
        found += _keypoints_found(number, pair, class_id)
    return _count("keypoints", len(pairs), [class_id + 1], objects, found, list(sigmas))


def keypoint_sigmas(task: KeypointTask) -> tuple[float, ...]:
    """COCO's σ of each keypoint.

    Args:
        task: The keypoints.

    Returns:
        COCO's own, if all names are COCO's; otherwise a tenth of each deviation, or 0.067 where there are none.
    """
    if all(name in COCO_SIGMAS for name in task.names):
        return tuple(COCO_SIGMAS[name] for name in task.names)
    return tuple(deviation / SIGMA_SCALE for deviation in task.deviations) or (DEFAULT_SIGMA,) * len(task.names)


def _objects(number: int, pair: Pair, chosen: np.ndarray) -> list[dict[str, Any]]:
    sample, rows = pair.sample, np.flatnonzero(chosen)
    boxes = _corner_and_sides(sample.boxes[rows])
    columns = (boxes, sample.class_ids[rows], sample.areas[rows].astype(np.float64), sample.ignore[rows])
    return [
        {"image_id": number, "bbox": box, "category_id": class_id + 1, "area": area, "iscrowd": int(ignore)}
        for box, class_id, area, ignore in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _keypoint_objects(number: int, pair: Pair, class_id: int, kinds: int) -> list[dict[str, Any]]:
    chosen = pair.usable & (pair.sample.class_ids == class_id)
    unlabeled = np.zeros((len(chosen), kinds, 3))
    keypoints = unlabeled if pair.sample.keypoints is None else pair.sample.keypoints.astype(np.float64)
    made = _objects(number, pair, chosen)
    for one, points in zip(made, keypoints[chosen], strict=True):
        one |= {"keypoints": points.ravel().tolist(), "num_keypoints": int((points[:, 2] > 0).sum())}
    return made


def _boxes_found(number: int, pair: Pair) -> list[dict[str, Any]]:
    found, boxes = pair.found, _corner_and_sides(pair.found.boxes)
    columns = (boxes, boxes[:, 2:].prod(axis=1), found.class_ids, found.scores)
    return [
        {"image_id": number, "bbox": box, "area": area, "category_id": class_id + 1, "score": score}
        for box, area, class_id, score in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _keypoints_found(number: int, pair: Pair, class_id: int) -> list[dict[str, Any]]:
    found = pair.found[pair.found.class_ids == class_id]
    if found.keypoints is None or not len(found):
        return []
    points = np.concatenate([found.keypoints, np.ones((*found.keypoints.shape[:2], 1))], axis=-1)
    low, high = points[..., :2].min(axis=1), points[..., :2].max(axis=1)
    boxes, areas = np.concatenate([low, high - low], axis=1), (high - low).prod(axis=1)
    columns = (points.reshape(len(points), -1), boxes, areas, found.scores)
    return [
        {
            "image_id": number,
            "keypoints": row,
            "bbox": box,
            "area": area,
            "category_id": class_id + 1,
            "score": score,
        }
        for row, box, area, score in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _corner_and_sides(boxes: np.ndarray) -> np.ndarray:
    boxes = boxes.astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _count(
    kind: str,
    images: int,
    categories: Sequence[int],
    objects: list[dict[str, Any]],
    found: list[dict[str, Any]],
    sigmas: list[float] | None = None,
) -> Counted:
    from faster_coco_eval import COCOeval_faster

    evaluator = COCOeval_faster(
        _index(images, categories, objects), _index(images, categories, found), kind, kpt_oks_sigmas=sigmas
    )
    evaluator.params.catIds = list(categories)
    evaluator.evaluate()
    evaluator.accumulate()
    return Counted(*(_without_marks(evaluator.eval[name]) for name in ("precision", "recall", "scores")))


def _index(images: int, categories: Sequence[int], rows: list[dict[str, Any]]) -> Any:
    """The dataset or the results as faster-coco-eval wants them."""
    from faster_coco_eval import COCO

    coco = COCO()
    for row_id, row in enumerate(rows, 1):
        row["id"] = row_id
    coco.dataset = {
        "images": [{"id": number} for number in range(1, images + 1)],
        "categories": [{"id": number, "name": str(number)} for number in categories],
        "annotations": rows,
    }
    coco.createIndex()
    return coco


def _without_marks(values: np.ndarray) -> np.ndarray:
    """NaN for −1, which marks that there is no object."""
    values = np.asarray(values, np.float64)
    return np.where(values < 0, np.nan, values)


def at(overlap: float | None) -> Any:
    """Index of an overlap among `OVERLAPS`; of all for None.

    Raises:
        ConfigError: If it is none of them.
    """
    if overlap is None:
        return slice(None)
    index = int(np.abs(OVERLAPS - overlap).argmin())
    if not np.isclose(OVERLAPS[index], overlap, rtol=0, atol=1e-6):
        raise ConfigError(f"Expected an overlap of 0.50, 0.55 … 0.95, or None for all. Received: {overlap}")
    return index


def _only(class_id: int | None) -> Any:
    return slice(None) if class_id is None else class_id


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
