"""Shared by the formats: splits of files, photo folders, reading with skipped images, category ids."""

from __future__ import annotations

import itertools
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from centernet.data.dataset import Dataset
from centernet.data.image_files import PARSE_ERRORS, SkippedImages, image_ids, photos_folder
from centernet.data.sample import Sample
from centernet.data.splits import ALL, disjoint, split_in
from centernet.images.sources import is_image, natural_key

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def split_folders(path: Path) -> list[Path]:
    """The subfolders named after a split (`train`, `valid`, `test2017`), sorted."""
    return [folder for folder in sorted(path.glob("*/")) if split_in(folder.name)]


def subfolders(folder: Path, *names: str) -> list[Path]:
    """The folders at a path of lowercase names below a folder, whatever their case."""
    found = [folder]
    for name in names:
        found = [inner for outer in found for inner in sorted(outer.glob("*/")) if inner.name.casefold() == name]
    return found


def walk(folder: Path, suffix: str) -> Iterator[Path]:
    """The visible files with a suffix in a folder, then in its subfolders; links to folders are not followed."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if name.endswith(suffix) and not name.startswith("."))


def files_below(folder: Path, suffix: str) -> list[Path]:
    """The files of `walk` in natural order."""
    return sorted(walk(folder, suffix), key=lambda file: natural_key(file.relative_to(folder).as_posix()))


def files_in(folder: Path, suffix: str) -> list[Path]:
    """The visible files with a suffix directly in a folder, in natural order."""
    files = (file for file in folder.glob(f"*{suffix}") if not file.name.startswith("."))
    return sorted(files, key=lambda file: natural_key(file.name))


def head_of(file: Path, size: int) -> bytes:
    """The first bytes of a file; none if it can't be read."""
    try:
        with file.open("rb") as content:
            return content.read(size)
    except OSError:
        return b""


def files_by_split(path: Path, files: Iterable[Path]) -> dict[str, list[Path]]:
    """Split → those of the files with the split in their name, or else in the name of their folder below `path`.

    Files without a split are under `ALL`, or left out if any file has a split.
    """
    by_split: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        folder = "" if file.parent in (path, path.parent) else file.parent.name
        by_split[split_in(file.stem) or split_in(folder) or ALL].append(file)
    if len(by_split) > 1:
        by_split.pop(ALL, None)
    return dict(by_split)


def parts_of(split: str, parts: Collection[str]) -> list[str]:
    """The parts of a dataset that make up a split; for `ALL` the parts that together have each image once."""
    return [split] if split in parts else disjoint(parts)


def photos_near(file: Path, split: str, names: Sequence[str], first: Sequence[Path] = ()) -> Path:
    """The folder near an annotation file that has most of the photos with these names; some or all may be missing.

    Folders may be named after the split, which may be empty; those in `first` are preferred to the usual ones.
    """
    parent, outer = file.parent, file.parent.parent
    inner = [parent / "images", parent / "images" / split, parent / split, parent, parent / "JPEGImages"]
    beside = [outer / "images" / split, outer / split, outer / "images", outer / "JPEGImages", outer]
    return photos_folder([*first, *inner, *beside], names)


class PhotosByStem:
    """Photos by the stem of their annotation file, in the first candidate folder that has images, or else exists."""

    def __init__(self, candidates: Iterable[Path]) -> None:
        folders = [folder for folder in dict.fromkeys(candidates) if os.path.isdir(folder)]
        photos = ((folder, [file for file in sorted(folder.iterdir()) if is_image(file.name)]) for folder in folders)
        self.folder, files = next((pair for pair in photos if pair[1]), (folders[0], []))
        self._names = {file.stem: file.name for file in files}

    def __len__(self) -> int:
        return len(self._names)

    def photo(self, stem: str, named: str) -> Path:
        """The photo with the name in the annotation, or else with the stem of its file; it may be missing."""
        exists = os.path.isfile(self.folder / named)
        return self.folder / (named if exists else self._names.get(stem, named or f"{stem}.jpg"))


def read_samples(where: str, readers: Iterable[tuple[str, Callable[[], Sample]]]) -> tuple[Sample, ...]:
    """Call the reader of each named image of the dataset `where`; those that fail are skipped with one warning.

    Raises:
        ConfigError: If no image can be read.
    """
    skipped, samples = SkippedImages(where), []
    for name, read in readers:
        with skipped.skip_on_error(name):
            samples.append(read())
    skipped.report(len(samples))
    return tuple(samples)


class NamedSample:
    """The annotation of an image in a format with class names: the name of each object, and the fields of `Sample`."""

    def __init__(self, names: Sequence[str], **fields: Any) -> None:
        self.names = names
        self.fields = fields

    def sample(self, image_id: int | str, classes: Sequence[str]) -> Sample:
        """The sample, once the classes of the dataset are known."""
        class_ids = [classes.index(name) for name in self.names]
        return Sample(class_ids=np.asarray(class_ids, np.int32), image_id=image_id, **self.fields)


@dataclass(frozen=True, eq=False)
class NamedImage:
    """An image to read: its path, from which the id is made, its name in messages, and the function that reads it."""

    path: str
    label: str
    read: Callable[[], NamedSample]


def read_named(
    parts: Mapping[str, Sequence[NamedImage]],
    splits: Sequence[str],
    name: str,
    format: str,
    classes: Sequence[str] = (),
) -> list[Dataset]:
    """Read some splits in a format with class names; see `FormatModule.read`.

    Args:
        parts: Split → its images.
        splits: The splits to read.
        name: Name of the dataset.
        format: Key of the format.
        classes: Names of the classes; those of further objects in `parts` follow, sorted.
    """
    outcomes = {image: _outcome(image) for image in dict.fromkeys(itertools.chain(*parts.values()))}
    annotations = (outcome for outcome in outcomes.values() if isinstance(outcome, NamedSample))
    classes = [*classes, *sorted({name for annotation in annotations for name in annotation.names} - set(classes))]
    datasets = []
    for split in splits:
        images, where = parts[split], f"{name} ({split})"
        ids = image_ids([image.path for image in images])
        pairs = zip(images, ids, strict=True)
        readers = ((image.label, partial(_sample, outcomes[image], identity, classes)) for image, identity in pairs)
        datasets.append(Dataset(read_samples(where, readers), tuple(classes), name=where, format=format))
    return datasets


def _outcome(image: NamedImage) -> NamedSample | Exception:
    try:
        return image.read()
    except PARSE_ERRORS as error:
        return error


def _sample(outcome: NamedSample | Exception, image_id: int | str, classes: Sequence[str]) -> Sample:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome.sample(image_id, classes)


def category_ids(dataset: Dataset) -> Sequence[int]:
    """The id that each class is written with: its id in the dataset, or else its position counted from 1."""
    return dataset.dataset_ids or range(1, len(dataset.class_names) + 1)
