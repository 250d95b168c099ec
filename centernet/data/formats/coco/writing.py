"""From samples to a COCO JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.keypoints import SIGMA_SCALE, KeypointTask
from centernet.data.sample import Sample
from centernet.files.formatting import shortest_number


def content_of(dataset: Dataset, files: Sequence[str]) -> dict[str, Any]:
    """What a COCO JSON of a dataset holds.

    Args:
        dataset: The dataset.
        files: Name of each image's file.

    Returns:
        Plain data. Corners of boxes come back to 1e-6 px, everything else as it was in float32.
    """
    category_ids = dataset.dataset_ids or tuple(range(1, len(dataset.class_names) + 1))
    numbers = all(isinstance(sample.image_id, int) for sample in dataset)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (sample, file) in enumerate(zip(dataset, files, strict=True), 1):
        image_id = sample.image_id if numbers else number
        height, width = sample.size or (None, None)
        images.append({"id": image_id, "file_name": file, "height": height, "width": width})
        annotations += _annotations(sample, image_id, category_ids, dataset)
    for number, row in enumerate(annotations, 1):
        row["id"] = number
    categories = [
        {"id": category, "name": name, **_schema(dataset.keypoints, name)}
        for category, name in zip(category_ids, dataset.class_names, strict=True)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def _schema(task: KeypointTask | None, name: str) -> dict[str, Any]:
    if not task or task.class_name != name:
        return {}
    extra: dict[str, Any] = {"flip_idx": list(task.flip)} if task.flip else {}
    if task.deviations:
        extra["sigmas"] = [round(deviation / SIGMA_SCALE, 12) for deviation in task.deviations]
    return {"keypoints": list(task.names), "skeleton": [[a + 1, b + 1] for a, b in task.skeleton], **extra}


def _annotations(
    sample: Sample, image_id: int | str, category_ids: Sequence[int], dataset: Dataset
) -> Iterable[dict[str, Any]]:
    owner = dataset.class_names.index(dataset.keypoints.class_name) if dataset.keypoints else None
    for number, class_id in enumerate(sample.class_ids.tolist()):
        x0, y0, x1, y1 = map(shortest_number, sample.boxes[number])
        row = {
            "image_id": image_id,
            "category_id": category_ids[class_id],
            "bbox": [x0, y0, round(x1 - x0, 6), round(y1 - y0, 6)],
            "area": shortest_number(sample.areas[number]),
            "iscrowd": int(sample.ignore[number]),
        }
        if class_id == owner and sample.keypoints is not None:
            values = sample.keypoints[number]
            row["keypoints"] = [shortest_number(value) for value in values.ravel()]
            row["num_keypoints"] = int((values[:, 2] > 0).sum())
        yield row
