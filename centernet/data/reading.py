"""Reading datasets of any format."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from centernet.data.classes import REPORTED_BY_CHECK, with_classes
from centernet.data.dataset import Dataset
from centernet.data.formats import FORMATS
from centernet.data.formats.yolo.data_yaml import flaw_of
from centernet.data.splits import ALL, NAMES, check_compatible, find_split, train_and_validation
from centernet.errors import ConfigError
from centernet.files.formatting import missing_file

VALIDATION_PART = 0.2
SEED = 0
_MAX_COUNTED = 10_000  # files of a folder that an error message counts
logger = logging.getLogger("centernet")


@overload
def load(
    path: str | os.PathLike[str], format: str = "auto", split: None = None, *, classes: Sequence[str] | None = None
) -> tuple[Dataset, Dataset]: ...
@overload
def load(
    path: str | os.PathLike[str], format: str = "auto", split: str = ..., *, classes: Sequence[str] | None = None
) -> Dataset: ...
def load(
    path: str | os.PathLike[str],
    format: str = "auto",
    split: str | None = None,
    *,
    classes: Sequence[str] | None = None,
) -> Dataset | tuple[Dataset, Dataset]:
    """Read a dataset.

    Annotations are kept as they are; `dataset.check()` reports invalid boxes and other problems. Images whose
    annotations can't be read are left out with a warning. Images are not opened, except the headers of YOLO's.

    Args:
        path: A folder, or the file that describes the dataset (a COCO JSON, a data.yaml, a CSV, a record).
        format: A key of `FORMATS`, or `"auto"`, which logs the recognized one.
        split: A split of the dataset (`val`, `valid` and `validation` are synonyms), or `"all"` for everything. None
            gives two datasets: train, and the first of val, valid, validation and test. Without such a pair, a random
            fifth of all images is for validation, always the same one.
        classes: Class names in the order of their ids. By default the order of the dataset; formats without an order
            (VOC, CSV) sort the names.

    Returns:
        The dataset of `split`, or `(train, validation)`.

    Raises:
        ConfigError: If there is no dataset, the format or split is unknown, no image can be read, or a class with
            objects is missing in `classes`.
    """
    place = Path(path).expanduser()
    if not place.exists() and not _recognized(place):
        raise ConfigError(f"Expected a dataset. {place}: {missing_file(place)}")
    if format not in ("auto", *FORMATS):
        raise ConfigError(f"Expected a format of {['auto', *FORMATS]}. Received: format={format!r}")
    datasets = _read(place, _format_of(place) if format == "auto" else format, split)
    if classes is not None:
        datasets = [with_classes(dataset, classes) for dataset in datasets]
    check_compatible(datasets)
    for dataset in datasets:
        _check_and_log(dataset)
    return datasets[0] if split is not None else (datasets[0], datasets[1])


def _format_of(path: Path) -> str:
    matches = _recognized(path)
    if not matches:
        looked = "; ".join(f"{key}: {entry.looks_for}" for key, entry in FORMATS.items())
        flaw = f" {text}" if (text := flaw_of(path)) else ""
        raise ConfigError(f"{path} is no dataset of a known format.{flaw} Looked for {looked}. Found: {_content(path)}")
    more = f"; format={' or '.join(map(repr, matches[1:]))} would fit, too" if len(matches) > 1 else ""
    logger.info("%s is %s (format=%r)%s.", path, FORMATS[matches[0]].title, matches[0], more)
    return matches[0]


def _recognized(path: Path) -> list[str]:
    return [key for key, entry in FORMATS.items() if entry.module.recognize(path)]


def _content(path: Path) -> str:
    """The content of a path, for error messages."""
    if path.is_file():
        unpack = ": unpack it and give the folder" if path.suffix in (".zip", ".gz", ".tgz", ".tar") else ""
        return f"a file of {path.stat().st_size:,} bytes, {path.name}{unpack}"
    if not path.is_dir():
        return "nothing"
    with os.scandir(path) as entries:
        names = [(entry.name, entry.is_dir()) for entry, _ in zip(entries, range(_MAX_COUNTED), strict=False)]
    folders = sorted(f"{name}/" for name, is_folder in names if is_folder)
    suffixes = Counter(Path(name).suffix or name for name, is_folder in names if not is_folder)
    files = [f"{count} {suffix}" for suffix, count in suffixes.most_common(8)]
    return ", ".join([*folders[:8], *files]) or "an empty folder"


def _read(path: Path, key: str, split: str | None) -> list[Dataset]:
    entry, module = FORMATS[key], FORMATS[key].module
    if not module.recognize(path):
        flaw = flaw_of(path) if key == "yolo" else ""
        raise ConfigError(f"Expected {entry.title} ({entry.looks_for}) at {path}. {flaw or f'Found: {_content(path)}'}")
    order = {name: place for place, name in enumerate(NAMES)}
    splits = sorted(entry.splits(path), key=lambda name: (order.get(name, len(order)), name))
    if split is not None:
        return module.read(path, [find_split(split, splits, str(path))])
    if pair := train_and_validation(splits):
        logger.info("%s: training on %s, validation on %s, of its splits %s.", path, *pair, ", ".join(splits))
        return module.read(path, pair)
    return _random_split(module.read(path, [ALL])[0], path, splits)


def _random_split(whole: Dataset, path: Path, splits: Sequence[str]) -> list[Dataset]:
    logger.info(
        "%s has %s: a random %.0f %% of all images is for validation (seed %d).",
        *(path, f"only {', '.join(splits)}" if splits else "no splits", 100 * VALIDATION_PART, SEED),
    )
    if len(whole) < 2:
        raise ConfigError(
            f"Expected at least 2 images in {whole.name}, one to train on and one to validate on. Received: "
            f"{len(whole)}. Give split='all' to read it as one dataset."
        )
    shares = (1 - VALIDATION_PART, VALIDATION_PART)
    return [
        dataclasses.replace(part, name=f"{path.name} (random {share:.0%})")
        for part, share in zip(whole.split(VALIDATION_PART, SEED), shares, strict=True)
    ]


def _check_and_log(dataset: Dataset) -> None:
    if not dataset.class_names:
        raise ConfigError(
            f"Expected objects in {dataset.name}. None of its {len(dataset)} images has one, so there is no "
            "class. Annotate objects, or name the classes: classes=[...]."
        )
    objects = sum(len(sample.boxes) for sample in dataset)
    logger.info(
        "%s: %d images, %d objects, %d classes, read as %s.",
        *(dataset.name, len(dataset), objects, len(dataset.class_names), FORMATS[dataset.format].title),
    )
    unknown = sum(int((~sample.known(len(dataset.class_names))).sum()) for sample in dataset)
    if unknown:
        logger.warning(
            "%s: %d of %d objects have a class that the dataset doesn't name; training treats them as background. "
            "dataset.check() names the images.",
            *(dataset.name, unknown, objects),
            extra={REPORTED_BY_CHECK: True},
        )
