"""COCO JSON: instances and person_keypoints.

A dataset is a `.json`, or a folder with some: in the folder itself, in `annotations/`, or in `train/`, `valid/`,
`test/`. The name of a file (`instances_train2017.json`), or else of its folder, says its split. Where a folder has
`instances_*` and others (`person_keypoints_*`), the instances are read; give the other file by itself.

Boxes are x, y, width, height in pixels, pixel edges; without `bbox` they are those around the `segmentation`. Crowds
(`iscrowd`) are `ignore`. An object of a category that is not listed gets class id `UNKNOWN`. Photos lie beside the
JSON, in `images/`, in `train2017/` and the like.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

from centernet.data.dataset import Dataset
from centernet.data.formats.coco.reading import read_file
from centernet.data.formats.coco.writing import content_of
from centernet.data.image_files import ImageCopies
from centernet.data.splits import ALL, disjoint, merge_splits, split_in
from centernet.errors import ConfigError

PREFERRED = "instances"
OTHER_TASKS = ("captions", "panoptic", "stuff", "image_info")
_HEAD = 1 << 16  # bytes in which one of the keys appears
_KEYS = (b'"images"', b'"annotations"', b'"categories"')
logger = logging.getLogger("centernet")


def recognize(path: Path) -> bool:
    """Whether a path is a COCO JSON, or a folder with some."""
    return bool(_candidates(path))


def splits(path: Path) -> tuple[str, ...]:
    """The splits that the names of the files, or of their folders, say."""
    return tuple(split for split in _files(path) if split != ALL)


def read(path: Path, splits: Sequence[str]) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`."""
    files = _files(path)
    read_parts = [[split] if split in files else disjoint(files) for split in splits]
    _say_which({part for parts in read_parts for part in parts}, path)
    return [
        merge_splits({part: read_file(files[part], f"{path.name} ({part})") for part in parts}, path.name)
        for parts in read_parts
    ]


def _candidates(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".json" and _has_keys(path) else []
    folders = [path, path / "annotations", *(folder for folder in sorted(path.glob("*/")) if split_in(folder.name))]
    found = [file for folder in folders for file in sorted(folder.glob("*.json"))]
    return [file for file in found if not file.name.startswith(OTHER_TASKS) and _has_keys(file)]


def _has_keys(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{" and any(key in head for key in _KEYS)


def _files(path: Path) -> dict[str, Path]:
    """Split → file."""
    return {split: _preferred(files, path) for split, files in _by_split(path).items()}


def _by_split(path: Path) -> dict[str, list[Path]]:
    """Split → files; those whose names say none are `ALL`, and then there is no other."""
    by_split: dict[str, list[Path]] = defaultdict(list)
    for file in _candidates(path):
        inside = "" if file.parent in (path, path.parent) else file.parent.name
        by_split[split_in(file.stem) or split_in(inside) or ALL].append(file)
    if len(by_split) > 1:
        by_split.pop(ALL, None)
    return by_split


def _preferred(files: Sequence[Path], path: Path) -> Path:
    instances = [file for file in files if file.name.startswith(PREFERRED)] or files
    if len(instances) > 1:
        names = ", ".join(str(file.relative_to(path)) for file in instances)
        raise ConfigError(f"Expected one COCO JSON a split in {path}. Found: {names}. Give one of these files.")
    return instances[0]


def _say_which(parts: Container[str], path: Path) -> None:
    """Say which file of a split is read where there are others."""
    for split, files in _by_split(path).items():
        if split in parts and len(files) > 1:
            chosen = _preferred(files, path)
            others = ", ".join(str(file.relative_to(path)) for file in files if file != chosen)
            logger.info("%s is read, and not %s; give such a file by itself to read it.", chosen, others)


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `annotations/instances_SPLIT.json` and `images/SPLIT/`; without a split `instances.json` and `images/`.

    Ids of images stay where all of a split are numbers; otherwise images are numbered from 1.
    """
    for split, dataset in parts.items():
        whole = split == ALL
        copies = ImageCopies(folder / "images" if whole else folder / "images" / split, keep_names=True)
        target = folder / "instances.json" if whole else folder / "annotations" / f"instances_{split}.json"
        target.parent.mkdir(exist_ok=True)
        content = content_of(dataset, [copies.add(sample) for sample in dataset])
        target.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        copies.report()
