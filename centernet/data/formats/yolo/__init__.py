"""YOLO txt: a `data.yaml` with names and the folders of each split, and a `.txt` of the same name for each photo.

`train`, `val`, `test` of the YAML are folders of photos, files that list photos, or lists of these, below `path` if
given. The labels of `…/images/…/a.jpg` are in `…/labels/…/a.txt`, otherwise in `a.txt` beside it; a photo without such
a file has no objects. Lines are `class cx cy w h`, relative to the width and height of the photo, and with `kpt_shape`
also `x y` or `x y visibility` per keypoint; a polygon instead becomes its bounding box. Pixels require the size of the
photo, so a photo without a readable header is skipped. `kpt_names` names keypoints; without it they are COCO's if there
are 17 with the `flip_idx` of COCO, otherwise numbered. They belong to one class: that of `kpt_names`, or else the one
with most labeled keypoints in all splits together.

The format has no crowds: they are left out when it is written.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from centernet.data.dataset import Dataset
from centernet.data.formats.shared import parts_of, read_samples
from centernet.data.formats.yolo.data_yaml import DataYaml, find_yaml
from centernet.data.image_files import PARSE_ERRORS, ImageCopies, SkippedImages, image_ids, upright_size
from centernet.data.keypoints import KeypointTask, keypoint_class
from centernet.data.sample import Sample
from centernet.data.splits import ALL, disjoint, merge_splits
from centernet.errors import ConfigError, SourceError

logger = logging.getLogger("centernet")


def recognize(path: Path) -> bool:
    """Whether a path is a `data.yaml`, or a folder with one."""
    return find_yaml(path) is not None


def parts(path: Path) -> dict[str, Any]:
    """Split in the YAML → where its photos are."""
    return DataYaml(path).places


def read(path: Path, splits: Sequence[str]) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`."""
    description = DataYaml(path)
    requested = [parts_of(split, description.places) for split in splits]
    task = _keypoints(description)
    datasets = {part: _dataset(description, part, task) for part in dict.fromkeys(itertools.chain(*requested))}
    return [merge_splits({part: datasets[part] for part in names}, description.name) for names in requested]


def _keypoints(description: DataYaml) -> KeypointTask | None:
    """The keypoint schema: the same one whichever splits are read, since the labels of all splits decide the class."""
    if not description.kpt_shape[0]:
        return None
    owner = description.keypoint_class()
    if owner is None:
        labels = [item for split in disjoint(description.places) for item in _readable_labels(description, split)]
        owner = keypoint_class(labels, description.classes, description.name)
    return description.keypoints_of(owner)


def _readable_labels(description: DataYaml, split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Class ids and keypoints of the labels in a split."""
    with suppress(*PARSE_ERRORS):
        for photo in description.photos(split):
            with suppress(*PARSE_ERRORS):
                class_ids, _, keypoints = _read_labels(photo, description)
                yield class_ids, keypoints


def _dataset(description: DataYaml, split: str, task: KeypointTask | None) -> Dataset:
    where, photos = f"{description.name} ({split})", description.photos(split)
    ids = image_ids([photo.as_posix() for photo in photos])
    readers = (
        (photo.name, partial(_sample, photo, identity, description))
        for photo, identity in zip(photos, ids, strict=True)
    )
    samples = read_samples(where, readers)
    if not any(os.path.isfile(_label_file(Path(sample.name))) for sample in samples):
        logger.warning("%s: no photo has a label file; looked for %s.", where, _label_file(photos[0]))
    return Dataset(samples, description.classes, keypoints=task, name=where, format="yolo")


def _sample(photo: Path, identity: int | str, description: DataYaml) -> Sample:
    class_ids, boxes, keypoints = _read_labels(photo, description)
    height, width = size = upright_size(photo)
    centers, halves = boxes[:, :2], boxes[:, 2:] / 2
    return Sample(
        source=photo,
        boxes=np.concatenate([centers - halves, centers + halves], axis=1) * (width, height, width, height),
        class_ids=class_ids,
        image_id=identity,
        keypoints=keypoints * (width, height, 1) if description.kpt_shape[0] and len(boxes) else None,
        size=size,
    )


def _label_file(photo: Path) -> Path:
    beside, parts = photo.with_suffix(".txt"), list(photo.parent.parts)
    if "images" not in parts:
        return beside
    last = len(parts) - 1 - parts[::-1].index("images")
    file = Path(*parts[:last], "labels", *parts[last + 1 :], beside.name)
    return beside if os.path.isfile(beside) and not os.path.isfile(file) else file


def _read_labels(photo: Path, description: DataYaml) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read the label file of a photo; one invalid line makes the whole file unusable.

    Returns:
        Class ids `(n,)`, boxes `(n, 4)` as cx cy w h, and keypoints `(n, k, 3)`, relative to the size of the photo.
    """
    file, kpt_shape = _label_file(photo), description.kpt_shape
    text = file.read_text(encoding="utf-8-sig") if os.path.isfile(file) else ""
    rows = [_parsed(line, kpt_shape, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return (
        np.asarray([description.class_id(number) for number, _, _ in rows], np.int32),
        np.asarray([box for _, box, _ in rows], np.float64).reshape(-1, 4),
        np.asarray([points for _, _, points in rows], np.float64).reshape(len(rows), kpt_shape[0], 3),
    )


def _parsed(line: str, kpt_shape: tuple[int, int], number: int) -> tuple[int, np.ndarray, np.ndarray]:
    values, points = np.asarray(line.split(), np.float64), kpt_shape[0] * kpt_shape[1]
    if len(values) == 5 + points:
        keypoints = values[5:].reshape(kpt_shape)
        if kpt_shape[1] == 2:  # keypoints at 0, 0 are not labeled, all others are visible
            keypoints = np.concatenate([keypoints, 2.0 * keypoints.any(axis=1, keepdims=True)], axis=1)
        return int(values[0]), values[1:5], keypoints
    if len(values) == 5 or (len(values) >= 7 and len(values) % 2 and not points):
        box = values[1:] if len(values) == 5 else _around(values[1:].reshape(-1, 2))
        return int(values[0]), box, np.zeros((kpt_shape[0], 3))
    raise ConfigError(f"line {number} has {len(values)} numbers instead of {5 + points}")


def _around(polygon: np.ndarray) -> np.ndarray:
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    return np.concatenate([(low + high) / 2, high - low])


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `images/SPLIT/`, `labels/SPLIT/` and `data.yaml`; without a split everything is `train`.

    Image files are named after the ids. An image whose size is neither in its annotation nor in its file is skipped.
    """
    first = next(iter(parts.values()))
    names, task = first.class_names, first.keypoints
    content: dict[str, Any] = {}
    for split, dataset in parts.items():
        name = "train" if split == ALL else split
        content[name] = f"images/{name}"
        _write_split(dataset, folder / "images" / name, folder / "labels" / name)
    content["names"] = dict(enumerate(names))
    if task:
        content["kpt_shape"] = [len(task.names), 3]
        content |= {"flip_idx": list(task.flip)} if task.flip else {}
        content["kpt_names"] = {names.index(task.class_name): list(task.names)}
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    (folder / "data.yaml").write_text(text, encoding="utf-8")


def _write_split(dataset: Dataset, images: Path, labels: Path) -> None:
    labels.mkdir(parents=True)
    copies, skipped, written = ImageCopies(images), SkippedImages(dataset.name, "sizes"), 0
    for sample in dataset:
        with skipped.skip_on_error(str(sample.name)):
            text = "".join(_lines(sample, _size(sample), dataset.keypoints is not None))
            (labels / f"{Path(copies.add(sample)).stem}.txt").write_text(text, encoding="utf-8")
            written += 1
    skipped.report(written)
    copies.report()


def _size(sample: Sample) -> tuple[int, int]:
    try:
        return upright_size(sample.source)
    except SourceError:
        if not sample.size or min(sample.size) < 1:
            raise
        return sample.size


def _lines(sample: Sample, size: tuple[int, int], with_keypoints: bool) -> Iterator[str]:
    """A line per object that is not ignored; 9 digits are 1e-6 px of 1000."""
    height, width = size
    for number in np.flatnonzero(~sample.ignore):
        x0, y0, x1, y1 = sample.boxes[number].astype(np.float64)
        values = [(x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height]
        if with_keypoints and sample.keypoints is not None:
            for x, y, visibility in sample.keypoints[number].astype(np.float64):
                values += [x / width, y / height, visibility]
        yield " ".join([str(sample.class_ids[number]), *(f"{value:.9g}" for value in values)]) + "\n"
