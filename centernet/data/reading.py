"""Reading datasets of any format."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, overload

from centernet.data.classes import REPORTED_BY_CHECK, with_classes
from centernet.data.dataset import Dataset
from centernet.data.formats import FORMATS, find_format
from centernet.data.formats.yolo.data_yaml import flaw_of
from centernet.data.splits import ALL, NAMES, check_compatible, find_split, train_and_validation
from centernet.errors import ConfigError
from centernet.files.archive import extract
from centernet.files.environment import cache_dir
from centernet.files.formatting import missing_file

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_BYTES, MAX_FILES = 64 << 30, 1_000_000  # of an archive of photos
VALIDATION_PART = 0.2
SEED = 0
_MAX_COUNTED = 10_000  # files of a folder that an error message counts
logger = logging.getLogger("centernet")


@overload
def load(
    path: str | os.PathLike[str],
    format: str = "auto",
    split: None = None,
    *,
    classes: Sequence[str] | None = None,
    voc_origin: int = 0,
    label_map: str | os.PathLike[str] | None = None,
) -> tuple[Dataset, Dataset]: ...
@overload
def load(
    path: str | os.PathLike[str],
    format: str = "auto",
    split: str = ...,
    *,
    classes: Sequence[str] | None = None,
    voc_origin: int = 0,
    label_map: str | os.PathLike[str] | None = None,
) -> Dataset: ...
def load(
    path: str | os.PathLike[str],
    format: str = "auto",
    split: str | None = None,
    *,
    classes: Sequence[str] | None = None,
    voc_origin: int = 0,
    label_map: str | os.PathLike[str] | None = None,
) -> Dataset | tuple[Dataset, Dataset]:
    """Read a dataset.

    Annotations are kept as they are; `dataset.check()` reports invalid boxes and other problems. Images whose
    annotations can't be read are left out with a warning. Images are not opened, except the headers of YOLO's.

    Args:
        path: A folder; a `.zip` or `.tar.gz` of one, which is unpacked once to the cache; or the file that describes
            the dataset (a COCO JSON, a data.yaml, a CSV, a record, or patterns of records with commas between them).
        format: A key of `FORMATS`; `"auto"`, which logs the recognized one; or `"datumaro:"` and the name of one of
            Datumaro's formats, such as `"datumaro:wider_face"` (extra `formats`).
        split: A split of the dataset (`val`, `valid` and `validation` are synonyms), or `"all"` for everything. None
            gives two datasets: train, and the first of val, valid, validation and test. Without such a pair, a random
            fifth of all images is for validation, always the same one.
        classes: Class names in the order of their ids. By default the order of the dataset; formats without an order
            (VOC, CSV) sort the names.
        voc_origin: 1 if the XML of Pascal VOC counts pixels from 1, as VOC's own does: left and top edges are then at
            `xmin − 1` and `ymin − 1`. `dataset.check()` tells when a dataset looks like it.
        label_map: The label map of TFRecords, if it is not the one beside them.

    Returns:
        The dataset of `split`, or `(train, validation)`.

    Raises:
        ConfigError: If there is no dataset, the format or split is unknown, no image can be read, or a class with
            objects is missing in `classes`.
    """
    place = Path(path).expanduser()
    if not place.exists() and not _recognized(place):
        raise ConfigError(f"Expected a dataset. {place}: {missing_file(place)}")
    if format != "auto":
        find_format(format)
    if place.is_file() and place.name.lower().endswith(ARCHIVES):
        place = _unpacked(place)
    place = _inner(place)
    key = _format_of(place) if format == "auto" else format
    if voc_origin not in (0, 1) or (voc_origin and key != "voc"):
        raise ConfigError(f"Expected voc_origin=0, or 1 for Pascal VOC. Received: {voc_origin!r} for format={key!r}")
    if label_map is not None and key != "tfrecord":
        raise ConfigError(f"Expected a label_map only for TFRecords. Received: {label_map!r} for format={key!r}")
    given = {"origin": voc_origin or None, "label_map": label_map}
    datasets = _read(place, key, split, {name: value for name, value in given.items() if value is not None})
    if classes is not None:
        datasets = [with_classes(dataset, classes) for dataset in datasets]
    check_compatible(datasets)
    for dataset in datasets:
        _check_and_log(dataset, key)
    return datasets[0] if split is not None else (datasets[0], datasets[1])


def _unpacked(archive: Path) -> Path:
    """The folder of an archive, which is unpacked once to the cache."""
    state = archive.stat()
    key = hashlib.sha256(f"{archive.resolve()}:{state.st_size}:{state.st_mtime_ns}".encode()).hexdigest()[:12]
    folder = cache_dir() / "datasets" / f"{archive.name.split('.')[0]}-{key}"
    return extract(archive, folder, max_bytes=MAX_BYTES, max_members=MAX_FILES)


def _inner(path: Path) -> Path:
    """The only folder in a folder that has no files and is no dataset itself, as archives wrap one."""
    inner = path
    while inner.is_dir():
        visible = (entry for entry in inner.iterdir() if not entry.name.startswith((".", "__MACOSX")))
        entries = list(itertools.islice(visible, 2))
        if len(entries) != 1 or not entries[0].is_dir() or _recognized(inner):
            break
        inner = entries[0]
    return inner if inner == path or _recognized(inner) else path


def _format_of(path: Path) -> str:
    matches = _recognized(path)
    if not matches:
        flaw = f" {text}" if (text := flaw_of(path)) else ""
        raise ConfigError(f"{path} is no dataset of a known format.{flaw} {_nearest(path)} Found: {_content(path)}")
    best = matches[0] if len(matches) == 1 else _best_reading(path, matches)
    more = [key for key in matches if key != best]
    others = f"; format={' or '.join(map(repr, more))} would fit, too" if more else ""
    logger.info("%s is %s (format=%r)%s.", path, FORMATS[best].title, best, others)
    return best


def _recognized(path: Path) -> list[str]:
    return [key for key, entry in FORMATS.items() if entry.module.recognize(path)]


def _best_reading(path: Path, matches: Sequence[str]) -> str:
    """Of several formats, the one that reads most objects; equal readings count as one.

    Raises:
        ConfigError: If the best two read as many objects, but differ.
    """
    readings: dict[str, tuple[int, int, tuple[str, ...]]] = {}
    for key in matches:
        try:
            whole = FORMATS[key].module.read(path, [ALL])[0]
        except ConfigError:
            continue
        readings[key] = (sum(len(sample.boxes) for sample in whole), len(whole), whole.class_names)
    if not readings:
        return matches[0]  # whose error says why
    best = max(readings, key=lambda key: readings[key][0])
    if len(set(readings.values())) == 1:
        return best
    shown = "; ".join(
        f"format={key!r} reads {images} images, {objects} objects, classes {', '.join(classes[:5])}"
        for key, (objects, images, classes) in readings.items()
    )
    if any(objects == readings[best][0] and readings[key] != readings[best] for key, (objects, *_) in readings.items()):
        raise ConfigError(f"{path} can be read in several ways: {shown}. Give the format that is meant.")
    logger.warning("%s can be read in several ways: %s. The one with most objects, %r, is used.", path, shown, best)
    return best


def _nearest(path: Path) -> str:
    """What the formats lack whose files are there; all formats if none are."""
    inside = path if path.is_dir() else path.parent
    near = [key for key, entry in FORMATS.items() if next(inside.rglob(entry.trace), None) is not None][:2]
    if not near:
        return f"Known are {', '.join(entry.title for entry in FORMATS.values())}."
    return "Nearest: " + "; ".join(f"{FORMATS[key].title} lacks {FORMATS[key].looks_for}" for key in near) + "."


def _content(path: Path) -> str:
    """The content of a path, for error messages."""
    if path.is_file():
        return f"a file of {path.stat().st_size:,} bytes, {path.name}"
    if not path.is_dir():
        return "nothing"
    with os.scandir(path) as entries:
        names = [(entry.name, entry.is_dir()) for entry, _ in zip(entries, range(_MAX_COUNTED), strict=False)]
    folders = sorted(f"{name}/" for name, is_folder in names if is_folder)
    suffixes = Counter(Path(name).suffix or name for name, is_folder in names if not is_folder)
    files = [f"{count} {suffix}" for suffix, count in suffixes.most_common(8)]
    return ", ".join([*folders[:8], *files]) or "an empty folder"


def _read(path: Path, key: str, split: str | None, options: Mapping[str, Any]) -> list[Dataset]:
    entry = find_format(key)
    module = entry.module
    read: Any = partial(module.read, **options)
    if not module.recognize(path):
        flaw = flaw_of(path) if key == "yolo" else ""
        raise ConfigError(f"Expected {entry.title} ({entry.looks_for}) at {path}. {flaw or f'Found: {_content(path)}'}")
    order = {name: place for place, name in enumerate(NAMES)}
    splits = sorted(entry.splits(path), key=lambda name: (order.get(name, len(order)), name))
    if split is not None:
        return read(path, [find_split(split, splits, str(path))])
    if pair := train_and_validation(splits):
        logger.info("%s: training on %s, validation on %s, of its splits %s.", path, *pair, ", ".join(splits))
        return read(path, pair)
    return _random_split(read(path, [ALL])[0], path, splits)


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


def _check_and_log(dataset: Dataset, key: str) -> None:
    if not dataset.class_names:
        raise ConfigError(
            f"Expected objects in {dataset.name}. None of its {len(dataset)} images has one, so there is no "
            "class. Annotate objects, or name the classes: classes=[...]."
        )
    objects = sum(len(sample.boxes) for sample in dataset)
    logger.info(
        "%s: %d images, %d objects, %d classes, read as %s.",
        *(dataset.name, len(dataset), objects, len(dataset.class_names), find_format(key).title),
    )
    unknown = sum(int((~sample.known(len(dataset.class_names))).sum()) for sample in dataset)
    if unknown:
        logger.warning(
            "%s: %d of %d objects have a class that the dataset doesn't name; training treats them as background. "
            "dataset.check() names the images.",
            *(dataset.name, unknown, objects),
            extra={REPORTED_BY_CHECK: True},
        )
