"""COCO's average precision and recall of boxes and keypoints, equal to those of pycocotools.

The evaluation is that of faster-coco-eval. The rules are those of https://cocodataset.org/#detection-eval and
https://cocodataset.org/#keypoints-eval: 10 overlap thresholds, precision at 101 recalls, at most 100 boxes (20 sets of
keypoints) per image, crowds ignored (neither positive nor negative), sizes by the areas of the annotations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from centernet.data.keypoints import SIGMA_SCALE, KeypointTask
from centernet.errors import ConfigError
from centernet.evaluation.alignment import Pair
from centernet.results.detections import Detections

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)

# https://github.com/cocodataset/cocoapi, PythonAPI/pycocotools/cocoeval.py, kpt_oks_sigmas.
_SIGMAS_OF_SIDES = {
    "eye": 0.025,
    "ear": 0.035,
    "shoulder": 0.079,
    "elbow": 0.072,
    "wrist": 0.062,
    "hip": 0.107,
    "knee": 0.087,
    "ankle": 0.089,
}
COCO_SIGMAS = {
    "nose": 0.026,
    **{f"{side}_{part}": sigma for part, sigma in _SIGMAS_OF_SIDES.items() for side in ("left", "right")},
}
DEFAULT_SIGMA = 0.067  # the mean of COCO's


@dataclass(frozen=True, eq=False)
class CocoCounts:
    """Precision and recall as counted by COCO's evaluation; NaN without objects.

    Axes: `overlaps` are `OVERLAPS`, `recalls` are `RECALLS`, `sizes` are all, small (boxes only), medium and large,
    `limits` are the maximum numbers of detections per image: 1, 10 and 100 boxes, or 20 sets of keypoints.

    Attributes:
        precision: float64 `(overlaps, recalls, classes, sizes, limits)`, the best precision at that recall or above.
        recall: float64 `(overlaps, classes, sizes, limits)`, the maximum recall.
        scores: float64, shaped as `precision`: the score at which the recall is reached; 0 if it isn't.
    """

    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray

    def curve(self, overlap: float | None = None, class_id: int | None = None) -> np.ndarray:
        """Precision at each of `RECALLS`, float64 `(recalls,)`, of all sizes at the highest limit; see `ap`."""
        chosen = self.precision[_overlap_index(overlap), :, _class_index(class_id), 0, -1]
        return np.ma.masked_invalid(chosen).mean(axis=(0, 2)).filled(np.nan)

    def ap(self, overlap: float | None = None, size: int = 0, class_id: int | None = None) -> float:
        """Average precision, 0–1, at the highest limit; NaN without objects.

        Args:
            overlap: One of `OVERLAPS`; None for the mean of all.
            size: Index of the size.
            class_id: One class; None for the mean of those that have objects.

        Raises:
            ConfigError: If the overlap is not one of these.
        """
        return _mean(self.precision[_overlap_index(overlap), :, _class_index(class_id), size, -1])

    def ar(self, limit: int = -1, size: int = 0, class_id: int | None = None, overlap: float | None = None) -> float:
        """Average recall, 0–1, at a limit, given by its index; the rest as in `ap`."""
        return _mean(self.recall[_overlap_index(overlap), _class_index(class_id), size, limit])


def count_boxes(pairs: Sequence[Pair], class_names: Sequence[str]) -> CocoCounts:
    """COCO's evaluation of boxes; objects that are not usable are left out."""
    objects, detections = [], []
    for number, pair in enumerate(pairs, 1):
        objects += _objects(number, pair, pair.usable)
        detections += _detections(number, pair.detections, _xywh(pair.detections.boxes)[:, 2:])
    return _count("bbox", len(pairs), range(1, len(class_names) + 1), objects, detections)


def count_keypoints(pairs: Sequence[Pair], class_id: int, sigmas: Sequence[float]) -> CocoCounts:
    """COCO's evaluation of the keypoints of one class by their similarity (OKS).

    Objects that are not usable are left out, those without labeled keypoints are ignored (neither positive nor
    negative). As for COCO's result files, the size of a detection is that of the rectangle around its keypoints.
    `sigmas` is COCO's σ of each keypoint, relative to the object's scale; the similarity falls with 2σ.
    """
    objects, detections = [], []
    for number, pair in enumerate(pairs, 1):
        objects += _keypoint_objects(number, pair, class_id, len(sigmas))
        chosen = pair.detections[pair.detections.class_ids == class_id]
        if chosen.keypoints is not None and len(chosen):
            detections += _detections(number, chosen, np.ptp(chosen.keypoints.astype(np.float64), axis=1))
    return _count("keypoints", len(pairs), [class_id + 1], objects, detections, list(sigmas))


def keypoint_sigmas(task: KeypointTask) -> tuple[float, ...]:
    """COCO's own σ if all names are COCO's; otherwise a tenth of each deviation, or 0.067 without deviations."""
    if all(name in COCO_SIGMAS for name in task.names):
        return tuple(COCO_SIGMAS[name] for name in task.names)
    return tuple(deviation / SIGMA_SCALE for deviation in task.deviations) or (DEFAULT_SIGMA,) * len(task.names)


def _overlap_index(overlap: float | None) -> slice:
    """Slice of an overlap among `OVERLAPS`; of all for None.

    Raises:
        ConfigError: If it is not one of them.
    """
    if overlap is None:
        return slice(None)
    index = int(np.abs(OVERLAPS - overlap).argmin())
    if not np.isclose(OVERLAPS[index], overlap, rtol=0, atol=1e-6):
        raise ConfigError(f"Expected an overlap of 0.50, 0.55 … 0.95, or None for all. Received: {overlap}")
    return slice(index, index + 1)


def _objects(image: int, pair: Pair, chosen: np.ndarray) -> list[dict[str, Any]]:
    sample, rows = pair.sample, np.flatnonzero(chosen)
    boxes, areas = _xywh(sample.boxes[rows]), sample.areas[rows].astype(np.float64)
    columns = (boxes, sample.class_ids[rows] + 1, areas, sample.ignore[rows].astype(int))
    return [
        {"image_id": image, "bbox": box, "category_id": category_id, "area": area, "iscrowd": crowd}
        for box, category_id, area, crowd in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _keypoint_objects(image: int, pair: Pair, class_id: int, count: int) -> list[dict[str, Any]]:
    chosen = pair.usable & (pair.sample.class_ids == class_id)
    unlabeled = np.zeros((len(chosen), count, 3))
    keypoints = unlabeled if pair.sample.keypoints is None else pair.sample.keypoints.astype(np.float64)
    objects = _objects(image, pair, chosen)
    for one, points in zip(objects, keypoints[chosen], strict=True):
        one |= {"keypoints": points.ravel().tolist(), "num_keypoints": int((points[:, 2] > 0).sum())}
    return objects


def _detections(image: int, detections: Detections, sides: np.ndarray) -> list[dict[str, Any]]:
    """Rows of COCO's results, whose size is that of rectangles with the given sides `(n, 2)`."""
    areas = sides.prod(axis=1).tolist()
    return [row | {"area": area} for row, area in zip(detections.to_coco(image), areas, strict=True)]


def _xywh(boxes: np.ndarray) -> np.ndarray:
    boxes = boxes.astype(np.float64)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def _count(
    kind: str,
    images: int,
    categories: Sequence[int],
    objects: list[dict[str, Any]],
    detections: list[dict[str, Any]],
    sigmas: list[float] | None = None,
) -> CocoCounts:
    from faster_coco_eval import COCO, COCOeval_faster

    indices = [_index(COCO(), images, categories, rows) for rows in (objects, detections)]
    evaluator = COCOeval_faster(*indices, kind, kpt_oks_sigmas=sigmas)
    evaluator.params.catIds = list(categories)
    evaluator.evaluate()
    evaluator.accumulate()
    # −1 marks classes and sizes without objects.
    counts = (np.asarray(evaluator.eval[name], np.float64) for name in ("precision", "recall", "scores"))
    return CocoCounts(*(np.where(values < 0, np.nan, values) for values in counts))


def _index(coco: Any, images: int, categories: Sequence[int], rows: list[dict[str, Any]]) -> Any:
    """A dataset or results in the form of faster-coco-eval."""
    coco.dataset = {
        "images": [{"id": number} for number in range(1, images + 1)],
        "categories": [{"id": number, "name": str(number)} for number in categories],
        "annotations": [{**row, "id": row_id} for row_id, row in enumerate(rows, 1)],
    }
    coco.createIndex()
    return coco


def _class_index(class_id: int | None) -> slice:
    return slice(None) if class_id is None else slice(class_id, class_id + 1)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
