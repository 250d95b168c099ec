"""Writing datasets in any format."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from centernet.data.dataset import Dataset
from centernet.data.formats import FORMATS
from centernet.data.splits import ALL, NAMES, check_compatible
from centernet.errors import ConfigError

logger = logging.getLogger("centernet")


def write(
    dataset: Dataset | Mapping[str, Dataset] | tuple[Dataset, Dataset], path: str | os.PathLike[str], format: str
) -> Path:
    """Write a dataset with copies of its images; reading it gives the same samples, to the precision of the format.

    What a format has no place for is left out, with a warning: keypoints (VOC, CSV), ignored objects (YOLO). Areas are
    kept by COCO, CSV and TFRecord.

    Args:
        dataset: One dataset, datasets by split, or `(train, validation)` as `load` gives them.
        path: The folder; it must be new or empty. It appears when everything is written, or not at all.
        format: A key of `FORMATS`.

    Returns:
        The folder.

    Raises:
        ConfigError: If it is no dataset, the folder has something in it or can't be written, there is no such format
            or split, the splits have different classes, or an object has a class that the dataset doesn't name.
    """
    if format not in FORMATS:
        raise ConfigError(f"Expected a format of {list(FORMATS)}. Received: format={format!r}")
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
        _write(parts, target, format)
    except OSError as error:
        raise ConfigError(f"{target} can't be written: {error.strerror or error}. Nothing was left there.") from error
    return target


def _write(parts: Mapping[str, Dataset], target: Path, format: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".writing.") as temporary:
        folder = Path(temporary) / target.name
        folder.mkdir()
        FORMATS[format].code.write(parts, folder)
        if target.exists():
            target.rmdir()
        os.replace(folder, target)


def _parts(dataset: Dataset | Mapping[str, Dataset] | tuple[Dataset, Dataset]) -> Mapping[str, Dataset]:
    parts = _by_split(dataset)
    if not parts or not all(len(part) for part in parts.values()):
        raise ConfigError(f"Expected images to write. Received: { {name: len(part) for name, part in parts.items()} }")
    check_compatible(list(parts.values()))
    return parts


def _by_split(dataset: Any) -> Mapping[str, Dataset]:
    parts = {ALL: dataset} if isinstance(dataset, Dataset) else dataset
    if isinstance(dataset, (tuple, list)) and len(dataset) == 2:
        parts = dict(zip(("train", "val"), dataset, strict=True))
    if isinstance(parts, Mapping) and all(isinstance(part, Dataset) for part in parts.values()):
        return parts
    raise ConfigError(
        "Expected a Dataset to write, (train, validation), or datasets by split as in {'train': a, 'val': b, "
        f"'test': c}}. Received: {_received(dataset)}"
    )


def _received(dataset: Any) -> str:
    if isinstance(dataset, (str, os.PathLike)):
        path = os.fspath(dataset)
        return f"the path {path!r}. Read it first: centernet.data.load({path!r})"
    if isinstance(dataset, (tuple, list)):
        return f"{len(dataset)} of {sorted({type(part).__name__ for part in dataset})}. Give each its split."
    if isinstance(dataset, Mapping):
        return f"{ {name: type(part).__name__ for name, part in dataset.items()} }"
    return type(dataset).__name__


def _check_classes(dataset: Dataset) -> None:
    for sample in dataset:
        wrong = sample.class_ids[(sample.class_ids < 0) | (sample.class_ids >= len(dataset.class_names))]
        if len(wrong):
            raise ConfigError(
                f"Expected class ids of 0–{len(dataset.class_names) - 1} in {dataset.name}. "
                f"Received: {sorted(set(wrong.tolist()))} in {sample.name}. Correct or leave out this image."
            )


def _warn_of_losses(dataset: Dataset, format: str) -> None:
    entry = FORMATS[format]
    ignored = sum(int(np.count_nonzero(sample.ignore)) for sample in dataset)
    if dataset.keypoints and not entry.keeps_keypoints:
        logger.warning("%s: %s has no keypoints; they are not written.", dataset.name, entry.title)
    if ignored and not entry.keeps_ignore:
        logger.warning("%s: %s has no ignored objects; %d are not written.", *(dataset.name, entry.title, ignored))
