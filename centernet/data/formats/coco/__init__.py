"""COCO JSON: instances and person_keypoints.

A dataset is a `.json` file, or a folder with such files directly in it, in `annotations/`, or in `train/`, `valid/`,
`test/`. The split is in the file name (`instances_train2017.json`), or else in the folder name. If a split has
`instances_*` beside `person_keypoints_*` and the like, the instances are read; pass the path of another file to read
that instead.

Boxes are x, y, width, height in pixels, pixel edges; annotations without `bbox` get the bounding box of their
`segmentation`. Crowds (`iscrowd`) are `ignore`. A category that is not listed becomes class id `UNKNOWN`. Photos lie
beside the JSON, in `images/`, in `train2017/` and the like.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.formats.coco.reading import read_file
from centernet.data.formats.json_tools import contains
from centernet.data.formats.shared import category_ids, files_by_split, head_of, parts_of, split_folders
from centernet.data.image_files import ImageCopies
from centernet.data.keypoints import SIGMA_SCALE, KeypointTask
from centernet.data.sample import Sample
from centernet.data.splits import ALL, merge_splits
from centernet.errors import ConfigError
from centernet.files.formatting import shortest_number

PREFERRED = "instances"
NOT_DETECTION = ("captions", "panoptic", "stuff", "image_info")
_KEYS = ("images", "annotations", "categories")
logger = logging.getLogger("centernet")


def recognize(path: Path) -> bool:
    """Whether a path is a COCO JSON, or a folder with one."""
    return bool(_candidates(path))


def parts(path: Path) -> dict[str, list[Path]]:
    """Split in the names of files or folders → its files; the first one is read."""
    return {split: _preferred_first(files, path) for split, files in files_by_split(path, _candidates(path)).items()}


def read(path: Path, splits: Sequence[str]) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`."""
    files = parts(path)
    requested = [parts_of(split, files) for split in splits]
    for part in dict.fromkeys(itertools.chain(*requested)):
        _log_choice(files[part], path)
    return [
        merge_splits({part: read_file(files[part][0], f"{path.name} ({part})") for part in names}, path.name)
        for names in requested
    ]


def _candidates(path: Path) -> list[Path]:
    if path.is_file():
        # A file that is named must only look like it: its error says what is missing.
        return [path] if path.suffix == ".json" and (_has_keys(path, _KEYS[:1]) or _has_keys(path, _KEYS[1:2])) else []
    files = [
        file for folder in (path, path / "annotations", *split_folders(path)) for file in sorted(folder.glob("*.json"))
    ]
    return [file for file in files if not file.name.startswith(NOT_DETECTION) and _has_keys(file)]


def _has_keys(path: Path, keys: Sequence[str] = _KEYS) -> bool:
    head = head_of(path, 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    return head[:1] == b"{" and contains(path, keys)


def _preferred_first(files: Sequence[Path], path: Path) -> list[Path]:
    preferred = [file for file in files if file.name.startswith(PREFERRED)] or list(files)
    if len(preferred) > 1:
        names = ", ".join(str(file.relative_to(path)) for file in preferred)
        raise ConfigError(f"Expected one COCO JSON per split in {path}. Found: {names}. Give one of these files.")
    return preferred + [file for file in files if file not in preferred]


def _log_choice(files: Sequence[Path], path: Path) -> None:
    if len(files) > 1:
        unread = ", ".join(str(file.relative_to(path)) for file in files[1:])
        logger.info("%s is read, and not %s; pass the path of such a file to read it.", files[0], unread)


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `annotations/instances_SPLIT.json` and `images/SPLIT/`; without a split `instances.json` and `images/`.

    Image ids are kept if all of a split are integers; otherwise images are numbered from 1.
    """
    for split, dataset in parts.items():
        whole = split == ALL
        copies = ImageCopies(folder / "images" if whole else folder / "images" / split, keep_names=True)
        target = folder / "instances.json" if whole else folder / "annotations" / f"instances_{split}.json"
        target.parent.mkdir(exist_ok=True)
        content = _content(dataset, [copies.add(sample) for sample in dataset])
        target.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        copies.report()


def _content(dataset: Dataset, files: Sequence[str]) -> dict[str, Any]:
    """The JSON of a dataset whose images have these file names; box corners are kept to 1e-6 px."""
    integers = all(isinstance(sample.image_id, int) for sample in dataset)
    images, annotations = list[dict[str, Any]](), list[dict[str, Any]]()
    for number, (sample, file) in enumerate(zip(dataset, files, strict=True), 1):
        image_id = sample.image_id if integers else number
        height, width = sample.size or (None, None)
        images.append({"id": image_id, "file_name": file, "height": height, "width": width})
        for row in _annotations(sample, dataset):
            annotations.append({"id": len(annotations) + 1, "image_id": image_id, **row})
    categories = [
        {"id": category, "name": name, **_schema(dataset.keypoints, name)}
        for category, name in zip(category_ids(dataset), dataset.class_names, strict=True)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}


def _schema(task: KeypointTask | None, name: str) -> dict[str, Any]:
    if not task or task.class_name != name:
        return {}
    extra: dict[str, Any] = {"flip_idx": list(task.flip)} if task.flip else {}
    if task.deviations:
        extra["sigmas"] = [round(deviation / SIGMA_SCALE, 12) for deviation in task.deviations]
    return {"keypoints": list(task.names), "skeleton": [[a + 1, b + 1] for a, b in task.skeleton], **extra}


def _annotations(sample: Sample, dataset: Dataset) -> Iterator[dict[str, Any]]:
    ids = category_ids(dataset)
    for number, class_id in enumerate(sample.class_ids.tolist()):
        x0, y0, x1, y1 = map(shortest_number, sample.boxes[number])
        row = {
            "category_id": ids[class_id],
            "bbox": [x0, y0, round(x1 - x0, 6), round(y1 - y0, 6)],
            "area": shortest_number(sample.areas[number]),
            "iscrowd": int(sample.ignore[number]),
        }
        task = dataset.keypoints
        if task and task.class_name == dataset.class_names[class_id] and sample.keypoints is not None:
            values = sample.keypoints[number]
            row["keypoints"] = [shortest_number(value) for value in values.ravel()]
            row["num_keypoints"] = int((values[:, 2] > 0).sum())
        yield row
