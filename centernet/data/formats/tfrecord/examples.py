"""TF Examples of the Detection API as lists of features, and their conversion to and from samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from centernet.data import image_files
from centernet.data.classes import UNKNOWN, class_names
from centernet.data.dataset import Dataset
from centernet.data.formats.label_map import LabelMap
from centernet.data.formats.shared import CORNERS, category_ids
from centernet.data.keypoints import KeypointTask, keypoint_class, keypoint_task, unnamed_keypoints
from centernet.data.sample import DERIVED, Sample
from centernet.errors import ConfigError
from centernet.images.reading import read_image

Features = Mapping[str, list[Any]]
IMAGE = "image/encoded"
OBJECT = "image/object/"
LABEL, TEXT = OBJECT + "class/label", OBJECT + "class/text"
BOX = tuple(f"{OBJECT}bbox/{side}" for side in CORNERS)
IGNORED = tuple(OBJECT + flag for flag in ("is_crowd", "difficult", "group_of"))
KEYPOINT = OBJECT + "keypoint/"
AXES = (KEYPOINT + "x", KEYPOINT + "y")
_STORED = {"JPEG": b"jpeg", "MPO": b"jpeg", "PNG": b"png"}


@dataclass(frozen=True)
class Classes:
    """The classes of a dataset: label (from 1, with gaps) and name of each, and the keypoints of one."""

    ids: tuple[int, ...]
    names: tuple[str, ...]
    keypoints: KeypointTask | None = None

    @classmethod
    def of(cls, label_map: LabelMap | None, examples: Sequence[Features]) -> Classes:
        """Classes of the label map, or else those that occur, in the order of their labels."""
        names = dict(label_map.names) if label_map else _occurring(examples)
        classes = cls(tuple(names), class_names(list(names.values())) if names else ())
        count = next((count for features in examples if (count := _keypoint_count(features))), 0)
        if label_map and not any(map(_num_objects, examples)):
            count = max(map(len, label_map.keypoints.values()), default=0)
        if not (count and names):
            return classes
        return cls(classes.ids, classes.names, _task(classes, label_map, examples, count))

    def class_ids(self, features: Features) -> list[int]:
        """Class id of each object, by its label or else by its name; `UNKNOWN` for any other."""
        known, values = (self.ids, features[LABEL]) if features.get(LABEL) else (self.names, _texts(features, TEXT))
        return [known.index(value) if value in known else UNKNOWN for value in values]


def _texts(features: Features, key: str) -> list[str]:
    values = features.get(key, ())
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in values]


def _occurring(examples: Sequence[Features]) -> dict[int, str]:
    """Label → name of all that occur; without labels, names are sorted and counted from 1."""
    names: dict[int, str] = {}
    unlabeled = set[str]()
    for features in examples:
        texts, labels = _texts(features, TEXT), features.get(LABEL, [])
        unlabeled |= set(texts[len(labels) :])
        for number, label in enumerate(labels):
            names.setdefault(label, texts[number] if number < len(texts) else f"class_{label}")
    return dict(sorted(names.items())) or dict(enumerate(sorted(unlabeled), 1))


def _num_objects(features: Features) -> int:
    return len(features.get(BOX[0], ()))


def _keypoint_count(features: Features) -> int:
    objects = _num_objects(features)
    return len(features.get(AXES[0], ())) // objects if objects else 0


def _task(classes: Classes, label_map: LabelMap | None, examples: Sequence[Features], count: int) -> KeypointTask:
    for label, labeled in (label_map.keypoints if label_map else {}).items():
        if len(labeled) == count:
            return keypoint_task(classes.names[classes.ids.index(label)], labeled)
    objects = [
        (np.asarray(classes.class_ids(features)), _keypoints(features, count))
        for features in examples
        if _keypoint_count(features) == count
    ]
    owner = keypoint_class([pair for pair in objects if len(pair[0]) == len(pair[1])], classes.names, "TFRecord")
    names = next((names for features in examples if (names := _texts(features, KEYPOINT + "text")[:count])), [])
    return keypoint_task(owner, names) if len(set(names)) == count else unnamed_keypoints(owner, count)


def _keypoints(features: Features, count: int) -> np.ndarray:
    """Keypoints `(n, count, 3)`, x and y relative to the image size; zeros without keypoints."""
    objects = _num_objects(features)
    if not features.get(AXES[0]):
        return np.zeros((objects, count, 3))
    axes = [np.asarray(features.get(axis, ()), np.float64) for axis in AXES]
    if any(len(axis) != objects * count for axis in axes):
        raise ConfigError(f"{[len(axis) for axis in axes]} x and y of keypoints instead of {objects * count}")
    # NaN marks a keypoint that is not labeled.
    labeled = np.isfinite(axes).all(axis=0) & np.any(axes, axis=0)
    visibility = np.asarray(features.get(KEYPOINT + "visibility") or 2 * labeled, np.float64)
    return np.stack([*np.nan_to_num(axes), visibility], axis=-1).reshape(objects, count, 3)


def sample_of(features: Features, classes: Classes) -> Sample:
    """The sample of an Example, with its `image/source_id`, which may not be unique.

    Raises:
        ConfigError, SourceError: If its lists have different lengths, or neither it nor its image has a size.
    """
    data = features[IMAGE][0]
    height, width = (int((features.get(f"image/{side}") or [0])[0]) for side in ("height", "width"))
    if height <= 0 or width <= 0:
        height, width = image_files.upright_size(data)
    corners = [np.asarray(features.get(side, ()), np.float64) for side in BOX]
    if len({len(side) for side in corners}) > 1:
        raise ConfigError(f"{[len(side) for side in corners]} xmin, ymin, xmax, ymax")
    boxes = np.stack(corners, axis=1) * (width, height, width, height)
    keypoints, areas = None, features.get(OBJECT + "area")
    if classes.keypoints and len(boxes):
        keypoints = _keypoints(features, len(classes.keypoints.names)) * (width, height, 1)
    flags = [np.asarray(features.get(flag) or [0] * len(boxes), bool) for flag in IGNORED]
    return Sample(
        source=data,
        boxes=boxes,
        class_ids=np.asarray(classes.class_ids(features), np.int32),
        image_id="".join(_texts(features, "image/source_id")[:1]),
        keypoints=keypoints,
        ignore=np.any(flags, axis=0),
        areas=np.asarray(areas) if areas else DERIVED,
        size=(height, width),
    )


def ids_of(examples: Sequence[Features]) -> list[int | str]:
    """Unique ids of images: `image/source_id`, or else the file names, or else numbers from 1."""
    keys = "image/source_id", "image/filename"
    sources, files = (["".join(_texts(features, key)[:1]) for features in examples] for key in keys)
    if len(set(sources)) == len(examples) and all(sources):
        return [image_files.image_id(source) for source in sources]
    if len(set(files)) == len(examples) and all(files):
        return image_files.image_ids(files)
    return list(range(1, len(examples) + 1))


def features_of(sample: Sample, dataset: Dataset) -> Features:
    """The features of a sample's Example.

    Raises:
        OSError, SourceError: If its image can't be read, or neither its annotation nor its image has a size.
    """
    data = image_files.image_bytes(sample.source)
    kind = _STORED.get(image_files.image_format(data) or "")
    if kind is None:
        data, kind = image_files.as_png(read_image(data, name=sample.name).image), b"png"
    has_size = sample.size and min(sample.size) > 0
    height, width = sample.size if sample.size and has_size else image_files.upright_size(data)
    name = sample.source.name if isinstance(sample.source, Path) else str(sample.image_id)
    ids = category_ids(dataset)
    boxes = sample.boxes.astype(np.float64) / (width, height, width, height)
    return {
        "image/height": [height],
        "image/width": [width],
        "image/filename": [name.encode()],
        "image/source_id": [str(sample.image_id).encode()],
        IMAGE: [data],
        "image/format": [kind],
        **{key: boxes[:, side].tolist() for side, key in enumerate(BOX)},
        LABEL: [ids[class_id] for class_id in sample.class_ids],
        TEXT: [dataset.class_names[class_id].encode() for class_id in sample.class_ids],
        OBJECT + "is_crowd": sample.ignore.astype(int).tolist(),
        OBJECT + "area": sample.areas.tolist(),
        **_keypoint_features(sample, dataset.keypoints, (width, height)),
    }


def _keypoint_features(sample: Sample, task: KeypointTask | None, scale: tuple[int, int]) -> Features:
    if task is None or sample.keypoints is None:
        return {}
    x, y = (sample.keypoints[..., :2].astype(np.float64) / scale).reshape(-1, 2).T.tolist()
    visibility = sample.keypoints[..., 2].astype(int)
    return {
        AXES[0]: x,
        AXES[1]: y,
        KEYPOINT + "visibility": visibility.ravel().tolist(),
        KEYPOINT + "text": [name.encode() for name in task.names] * len(sample.boxes),
        KEYPOINT + "num": (visibility > 0).sum(axis=1).tolist(),
    }
