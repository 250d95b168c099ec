"""Shared by the formats: splits of files, photo folders, reading with skipped images, category ids."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from centernet.data.dataset import Dataset
from centernet.data.image_files import photos_folder
from centernet.data.sample import Sample
from centernet.data.skipped_images import SkippedImages
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


def files_by_split(path: Path, files: Iterable[Path]) -> dict[str, list[Path]]:
    """Group files by the split in their name, or else in the name of their subfolder.

    Args:
        path: The dataset: a folder, or one of the files.
        files: The annotation files.

    Returns:
        Split → files. Files without a split are under `ALL`, and only if no file has a split.
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
    """The folder near an annotation file that has the photos.

    Args:
        file: The annotation file.
        split: Its split, which may be the name of the folder; may be empty.
        names: File names of the photos.
        first: Folders to try before the usual ones.

    Returns:
        The folder with most of the photos; some or all may be missing.
    """
    parent, outer = file.parent, file.parent.parent
    inner = [parent / "images", parent / "images" / split, parent / split, parent, parent / "JPEGImages"]
    beside = [outer / "images" / split, outer / split, outer / "images", outer / "JPEGImages", outer]
    return photos_folder([*first, *inner, *beside], names)


class PhotosByStem:
    """The photos of annotation files that have the same stem as their photo.

    Args:
        candidates: Folders where the photos may be; the first one with images is used, or else the first that exists.
    """

    def __init__(self, candidates: Iterable[Path]) -> None:
        folders = [folder for folder in dict.fromkeys(candidates) if folder.is_dir()]
        self.folder, self._names = folders[0], dict[str, str]()
        for folder in folders:
            if names := {file.stem: file.name for file in sorted(folder.iterdir()) if is_image(file.name)}:
                self.folder, self._names = folder, names
                break

    def photo(self, stem: str, named: str) -> Path:
        """The photo with the name in the annotation, or else with the stem of its file; it may be missing."""
        exists = (self.folder / named).is_file()
        return self.folder / (named if exists else self._names.get(stem, named or f"{stem}.jpg"))


def read_samples(where: str, readers: Iterable[tuple[str, Callable[[], Sample]]]) -> tuple[Sample, ...]:
    """Read the images of a dataset; unreadable ones are skipped and named in one warning.

    Args:
        where: Name of the dataset in messages.
        readers: Name of each image, and a function that reads its annotations.

    Raises:
        ConfigError: If no image can be read.
    """
    skipped, samples = SkippedImages(where), []
    for name, read in readers:
        with skipped.skip_on_error(name):
            samples.append(read())
    skipped.report(len(samples))
    return tuple(samples)


def category_ids(dataset: Dataset) -> Sequence[int]:
    """The id that each class is written with: its id in the dataset, or else its position counted from 1."""
    return dataset.dataset_ids or range(1, len(dataset.class_names) + 1)
