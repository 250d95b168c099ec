"""Datasets from objects in memory: samples, supervision, Hugging Face, Datumaro, torchvision; images are read later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from centernet.data.dataset import Dataset
from centernet.data.keypoints import KeypointTask
from centernet.data.sample import Sample
from centernet.errors import ConfigError

SHAPES = ("polygon", "mask", "ellipse")  # of Datumaro
BACKGROUND = ("background", "__background__")


def from_samples(
    samples: Iterable[Sample | Mapping[str, Any]],
    class_names: Sequence[str] | None = None,
    *,
    keypoints: KeypointTask | None = None,
    name: str = "samples",
) -> Dataset:
    """A dataset of samples, or of mappings of their fields.

    Args:
        samples: `Sample`s; or mappings with `image` (a path, bytes, a uint8 RGB array `(height, width, 3)` or a
            function that returns one), `boxes` `(n, 4)` as `x0 y0 x1 y1` in pixels, and either `class_ids` or `labels`
            (names), optionally further fields of `Sample`. Images without `image_id` are numbered from 1.
        class_names: Names of the classes; by default the sorted names in `labels`.
        keypoints: The keypoints of one class, if samples have some.
        name: Name of the dataset in messages.

    Returns:
        The dataset.

    Raises:
        ConfigError: If a field is unknown or missing, or a name is not among the classes.
    """
    rows = list(samples)
    if class_names is None:
        class_names = sorted(
            {str(label) for row in rows if isinstance(row, Mapping) for label in row.get("labels", ())}
        )
    indices = {label: index for index, label in enumerate(class_names)}
    made = [row if isinstance(row, Sample) else _sample(row, indices, number) for number, row in enumerate(rows, 1)]
    return Dataset(tuple(made), tuple(class_names), keypoints=keypoints, name=name)


def _sample(row: Mapping[str, Any], indices: Mapping[str, int], number: int) -> Sample:
    fields = dict(row)
    labels, image = fields.pop("labels", None), fields.pop("image", None)
    source = fields.pop("source", image)
    try:
        if labels is not None:
            fields["class_ids"] = [indices[str(label)] for label in labels]
        fields["class_ids"] = np.asarray(fields["class_ids"], np.int32)
        fields["boxes"] = np.asarray(fields["boxes"], np.float64).reshape(-1, 4)
        source = Path(source) if isinstance(source, str) else source
        return Sample(source=source, **{"image_id": number, **fields})
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            "Expected a Sample, or a mapping with image, boxes (n, 4) and class_ids or labels. Received: sample "
            f"{number} with {sorted(row)}: {error!r}"
        ) from error


def from_supervision(dataset: Any, *, name: str = "supervision") -> Dataset:
    """A dataset from a `supervision.DetectionDataset`; its images are read from their paths when needed."""
    samples = (
        {
            "image": Path(path),
            "boxes": found.xyxy,
            "class_ids": found.class_id if found.class_id is not None else [],
            "image_id": Path(path).stem,
        }
        for path, found in dataset.annotations.items()
    )
    return from_samples(samples, list(dataset.classes), name=name)


def from_huggingface(
    dataset: Any,
    *,
    box_format: Literal["xywh", "xyxy"] = "xywh",
    class_names: Sequence[str] | None = None,
    name: str = "huggingface",
) -> Dataset:
    """A dataset from a Hugging Face `datasets.Dataset` with the features `image` and `objects` (`bbox`, `category`).

    Args:
        dataset: The dataset; images are decoded when needed.
        box_format: `xywh` as in COCO, or `xyxy`, in pixels.
        class_names: Names of the categories; by default those of its `ClassLabel`.
        name: Name of the dataset in messages.

    Raises:
        ConfigError: If the features are missing, or the categories have no names.
    """
    features = dataset.features
    if "image" not in features or "objects" not in features:
        raise ConfigError(f"Expected the features image and objects. Received: {sorted(features)}")
    objects = features["objects"]
    category = getattr(objects, "feature", objects)["category"]
    names = class_names or getattr(getattr(category, "feature", category), "names", None)
    if not names:
        raise ConfigError("Expected categories with names (a ClassLabel). Give class_names=[...].")
    samples = []
    for index, row in enumerate(dataset.remove_columns("image")):
        boxes = np.asarray(row["objects"]["bbox"], np.float64).reshape(-1, 4)
        if box_format == "xywh":
            boxes[:, 2:] += boxes[:, :2]
        identity = row.get("image_id", index)
        samples.append(
            {"image": _decoder(dataset, index), "boxes": boxes, "class_ids": row["objects"]["category"]}
            | {"image_id": identity if isinstance(identity, int | str) else index}
        )
    return from_samples(samples, names, name=name)


def _decoder(dataset: Any, index: int) -> Any:
    return lambda: np.asarray(dataset[index]["image"].convert("RGB"))


def from_datumaro(dataset: Any, *, subset: str | None = None, name: str = "datumaro") -> Dataset:
    """A dataset from a `datumaro.Dataset`: its boxes, of one subset or of all.

    Polygons, masks and ellipses have the box around them, unless one of their group has a box.

    Args:
        dataset: The dataset.
        subset: Name of the subset; None for all.
        name: Name of the dataset in messages.
    """
    by_kind = {str(getattr(kind, "name", kind)): value for kind, value in dataset.categories().items()}
    samples = []
    for item in dataset:
        if subset is not None and item.subset != subset:
            continue
        objects = _datumaro_objects(item.annotations)
        media = item.media
        path = getattr(media, "path", None)
        samples.append(
            {
                "image": Path(path) if path else _pixels(media),
                "boxes": [box for _, box in objects],
                "class_ids": [one.label for one, _ in objects],
                "ignore": np.asarray([bool(one.attributes.get("is_crowd")) for one, _ in objects], bool),
                "image_id": str(item.id),
            }
        )
    return from_samples(samples, [label.name for label in by_kind["label"].items], name=name)


def _datumaro_objects(annotations: Sequence[Any]) -> list[tuple[Any, np.ndarray]]:
    """An annotation of each object, and its box: boxes, and what surrounds the shapes of a group that has no box."""
    boxes = [one for one in annotations if getattr(one.type, "name", "") == "bbox"]
    shapes: dict[Any, list[Any]] = {}
    for number, one in enumerate(annotations):
        if getattr(one.type, "name", "") in SHAPES:
            shapes.setdefault((one.group, one.id, one.label) if one.group else number, []).append(one)
    boxed = {(one.group, one.label) for one in boxes if one.group}
    groups = [[one] for one in boxes] + [few for few in shapes.values() if (few[0].group, few[0].label) not in boxed]
    corners = [np.array([one.get_bbox() for one in few], np.float64) for few in groups]
    return [
        (few[0], np.r_[found[:, :2].min(0), (found[:, :2] + found[:, 2:]).max(0)])
        for few, found in zip(groups, corners, strict=True)
    ]


def _pixels(media: Any) -> Any:
    return lambda: np.ascontiguousarray(np.asarray(media.data, np.uint8)[..., 2::-1])  # Datumaro's images are BGR


def from_torchvision(
    dataset: Any, class_names: Sequence[str] | Mapping[int, str], *, name: str = "torchvision"
) -> Dataset:
    """A dataset from a torchvision detection dataset, whose items are an image and a dict of `boxes` and `labels`.

    Args:
        dataset: The dataset: images as PIL images, or as tensors `(3, height, width)` of uint8 or of floats from 0 to
            1; boxes as `x0 y0 x1 y1` in pixels.
        class_names: Name of each label, by label. A background class is left out.
        name: Name of the dataset in messages.

    Raises:
        ConfigError: If a target has another form, or a label has no name.
    """
    names = dict(class_names if isinstance(class_names, Mapping) else enumerate(class_names))
    names = {label: text for label, text in names.items() if text not in BACKGROUND}
    samples = []
    for index in range(len(dataset)):
        target = dataset[index][1]
        if not isinstance(target, Mapping) or not {"boxes", "labels"} <= target.keys():
            raise ConfigError(
                "Expected items (image, target) whose target is a dict with boxes and labels. Received: "
                f"{target!r:.200}. torchvision.datasets.wrap_dataset_for_transforms_v2 makes such targets."
            )
        labels = [names.get(int(label), f"class {int(label)}") for label in target["labels"]]
        boxes = np.asarray(target["boxes"], np.float64)
        identity = target.get("image_id", index)
        identity = identity if isinstance(identity, str) else int(identity)
        samples.append({"image": _item(dataset, index), "boxes": boxes, "labels": labels, "image_id": identity})
    return from_samples(samples, list(names.values()), name=name)


def _item(dataset: Any, index: int) -> Any:
    def read() -> np.ndarray:
        image = dataset[index][0]
        if hasattr(image, "convert"):
            return np.asarray(image.convert("RGB"))
        array = np.moveaxis(np.asarray(image), 0, -1)
        return array if array.dtype == np.uint8 else np.rint(255 * array).astype(np.uint8)

    return read
