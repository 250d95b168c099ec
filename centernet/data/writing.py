"""Writing datasets in any format."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.formats import FORMATS
from centernet.data.splits import ALL, NAMES, check_compatible
from centernet.errors import ConfigError

logger = logging.getLogger("centernet")


def write(
    dataset: Dataset | Mapping[str, Dataset] | tuple[Dataset, Dataset], path: str | os.PathLike[str], format: str
) -> Path:
    """Write a dataset with copies of its images. Reading it gives the same samples, to the precision of the format.

    A format without keypoints (VOC, CSV) or ignored objects (YOLO) drops them with a warning. COCO, CSV and TFRecord
    keep areas.

    Args:
        dataset: One dataset, datasets by split, or `(train, validation)` from `load`.
        path: A new or empty folder. It appears when everything is written, or not at all.
        format: `coco`, `yolo`, `voc`, `tfrecord` or `csv`; the other keys of `FORMATS` are only read.

    Returns:
        The folder.

    Raises:
        ConfigError: If the dataset is of another type or has no images, the folder is not empty or can't be written,
            the format or a split is unknown, splits have different classes, or an object has an unknown class.
    """
    writers = {key: entry.write for key, entry in FORMATS.items() if entry.write}
    if format not in writers:
        raise ConfigError(f"Expected a format of {list(writers)} to write. Received: format={format!r}")
    parts = _parts(dataset)
    for name, part in parts.items():
        _check_classes(part)
        _warn_of_losses(part, format)
        if name != ALL and name not in NAMES:
            raise ConfigError(f"Expected splits of {list(NAMES)}. Received: {name!r}")
    target = Path(path).expanduser().absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"Expected a new or empty folder. {target} has something in it; nothing is overwritten.")
    try:
        _write(parts, target, writers[format])
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror or error}. Nothing was left there.") from error
    return target


def _write(parts: Mapping[str, Dataset], target: Path, write: Callable[..., None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".writing.") as temporary:
        folder = Path(temporary) / target.name
        folder.mkdir()
        write(parts, folder)
        if target.exists():
            target.rmdir()
        os.replace(folder, target)


def _parts(dataset: Any) -> Mapping[str, Dataset]:
    """The datasets by split."""
    parts = {ALL: dataset} if isinstance(dataset, Dataset) else dataset
    if isinstance(dataset, (tuple, list)) and len(dataset) == 2:
        parts = dict(zip(("train", "val"), dataset, strict=True))
    if not isinstance(parts, Mapping) or not all(isinstance(part, Dataset) for part in parts.values()):
        raise ConfigError(
            "Expected a Dataset to write, (train, validation), or datasets by split as in {'train': a, 'val': b, "
            f"'test': c}}. Received: {_described(dataset)}"
        )
    if not parts or not all(map(len, parts.values())):
        raise ConfigError(f"Expected images to write. Received: { {name: len(part) for name, part in parts.items()} }")
    check_compatible(list(parts.values()))
    return parts


def _described(dataset: Any) -> str:
    if isinstance(dataset, (str, os.PathLike)):
        path = os.fspath(dataset)
        return f"the path {path!r}. Read it first: centernet.data.load({path!r})"
    if isinstance(dataset, (tuple, list)):
        return f"{len(dataset)} of {sorted({type(part).__name__ for part in dataset})}. Give each its split."
    if isinstance(dataset, Mapping):
        return f"{ {name: type(part).__name__ for name, part in dataset.items()} }"
    return type(dataset).__name__


def _check_classes(dataset: Dataset) -> None:
    classes = len(dataset.class_names)
    for sample in dataset:
        unknown = sample.class_ids[~sample.known(classes)]
        if len(unknown):
            raise ConfigError(
                f"Expected class ids of 0–{classes - 1} in {dataset.name}. Received: {sorted(set(unknown.tolist()))} "
                f"in {sample.name}. Correct or leave out this image."
            )


def _warn_of_losses(dataset: Dataset, format: str) -> None:
    entry = FORMATS[format]
    ignored = sum(int(sample.ignore.sum()) for sample in dataset)
    if dataset.keypoints and not entry.keeps_keypoints:
        logger.warning("%s: %s has no keypoints; they are not written.", dataset.name, entry.title)
    if ignored and not entry.keeps_ignore:
        logger.warning("%s: %s has no ignored objects; %d are not written.", dataset.name, entry.title, ignored)
