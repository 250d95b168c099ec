"""YOLO txt: a `data.yaml` with names and the folders of each split, and a `.txt` of the same name for each photo.

`train`, `val`, `test` of the YAML are folders with photos, files that list photos, or lists of these, below `path` if
that is given. The labels of `…/images/…/a.jpg` are in `…/labels/…/a.txt`, otherwise in `a.txt` beside it; without a
file a photo has no objects. Lines are `class cx cy w h`, as parts of the photo's width and height, and with
`kpt_shape` also `x y` or `x y visibility` of each keypoint; a line with a polygon instead becomes the box around it.
Pixels need the photo's size, so a photo without a readable header is skipped. `kpt_names` names keypoints; without it
they are COCO's if there are 17 that `flip_idx` mirrors like COCO's, otherwise numbered. They are those of one class:
the one that `kpt_names` names, or else the one that has most of them in all splits together.

There are no crowds in this format: they are left out when it is written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from centernet.data.classes import class_names
from centernet.data.dataset import Dataset
from centernet.data.formats.yolo.data_yaml import find_yaml
from centernet.data.formats.yolo.labels import Labels, Shape, line_of, named_owner, read_labels, task_of
from centernet.data.image_files import ImageCopies, image_ids, images_below, is_image, upright_size
from centernet.data.keypoints import KeypointTask, keypoint_class
from centernet.data.sample import Sample
from centernet.data.skipped_images import PARSE_ERRORS, SkippedImages
from centernet.data.splits import ALL, NAMES, disjoint, merge_splits
from centernet.errors import ConfigError, SourceError

logger = logging.getLogger("centernet")


def recognize(path: Path) -> bool:
    """Whether a path is a `data.yaml`, or a folder with one."""
    return find_yaml(path) is not None


def splits(path: Path) -> tuple[str, ...]:
    """The splits that the YAML names."""
    return tuple(_Description(path).places)


def read(path: Path, splits: Sequence[str]) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`."""
    description = _Description(path)
    read_parts = [[split] if split != ALL else disjoint(description.places) for split in splits]
    found = {part: description.photos(part) for part in dict.fromkeys(part for parts in read_parts for part in parts)}
    task = description.keypoints(found)
    return [
        merge_splits({part: description.dataset(found[part], task) for part in parts}, description.name)
        for parts in read_parts
    ]


@dataclass(frozen=True)
class _Photos:
    """The photos of a split: id of each, labels and size (height, width) of those that have them."""

    where: str
    ids: Mapping[Path, int | str]
    labels: Mapping[Path, Labels]
    sizes: Mapping[Path, tuple[int, int]]


class _Description:
    """What a `data.yaml` says."""

    def __init__(self, path: Path) -> None:
        found = find_yaml(path)
        if found is None:
            raise ConfigError(f"Expected a data.yaml with names, and with train or val, in {path}. There is none.")
        self.file, content = found
        self.name = path.name if path.is_dir() else self.file.parent.name
        self.places = {split: content[split] for split in NAMES if content.get(split)}
        self.names = _names(content["names"], self.file)
        self.shape = Shape.of(content, self.names, self.file)
        self._root = self.file.parent / str(content.get("path") or "")
        if not self._root.is_dir():  # meant for another machine, or for Ultralytics's own folder
            self._root = self.file.parent

    def photos(self, split: str) -> _Photos:
        """Read the label files of one split, and the headers of its photos."""
        where, photos = f"{self.name} ({split})", self._listed(split)
        skipped, labels, sizes, unlabeled = SkippedImages(where), {}, {}, 0
        for photo in photos:
            file = _label_file(photo)
            with skipped.skip_on_error(photo.name):
                labels[photo] = read_labels(file, self.shape)
                sizes[photo] = upright_size(photo)
                unlabeled += not file.is_file()
        skipped.report(len(sizes))
        if unlabeled == len(sizes):
            logger.warning("%s: no photo has a label file; looked for %s.", where, _label_file(photos[0]))
        ids = image_ids([photo.as_posix() for photo in photos])
        return _Photos(where, dict(zip(photos, ids, strict=True)), labels, sizes)

    def dataset(self, photos: _Photos, task: KeypointTask | None) -> Dataset:
        """The samples of one split."""
        shape = None if task is None else self.shape
        samples = [
            photos.labels[photo].sample(photo, photos.ids[photo], size, shape) for photo, size in photos.sizes.items()
        ]
        return Dataset(tuple(samples), self.names, keypoints=task, name=photos.where, format="yolo")

    def keypoints(self, found: Mapping[str, _Photos]) -> KeypointTask | None:
        """The keypoints of all splits together, whichever are read; so those of any two are of the same class.

        Args:
            found: Splits that were read.
        """
        if not self.shape.count:
            return None
        owner = named_owner(self.shape, self.names)
        if owner is None:
            labels = [
                item
                for split in disjoint(self.places)
                for item in (found[split].labels.values() if split in found else self._labels(split))
            ]
            owner = keypoint_class([(item.class_ids, item.keypoints) for item in labels], self.names, self.name)
        return task_of(self.shape, self.names, owner)

    def _labels(self, split: str) -> Iterator[Labels]:
        """The labels of a split that is not read: those of them that can be."""
        try:
            photos = self._listed(split)
        except PARSE_ERRORS:
            return
        for photo in photos:
            with suppress(*PARSE_ERRORS):
                yield read_labels(_label_file(photo), self.shape)

    def _listed(self, split: str) -> list[Path]:
        return list(dict.fromkeys(photo for place in _as_list(self.places[split]) for photo in self._photos(place)))

    def _photos(self, place: str) -> Iterator[Path]:
        path = self._resolved(place)
        if path.is_dir():
            yield from images_below(path)
        elif path.suffix == ".txt" and path.is_file():
            for line in _lines(path):
                if is_image(Path(line.strip()).name):
                    listed = Path(line.strip().replace("\\", "/"))
                    # Lists have paths from their own folder, with "./", or from the root.
                    yield path.parent / listed if (path.parent / listed).is_file() else self._root / listed
        else:
            raise ConfigError(
                f"Expected a folder with photos or a .txt that lists them. {path} of {self.file} is none."
            )

    def _resolved(self, place: str) -> Path:
        path = self._root / place
        if not path.exists() and place.startswith("../"):  # Roboflow writes paths one folder too high
            path = self._root / place.removeprefix("../")
        return path


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Expected a list of photos, a text in UTF-8. {file} can't be read as one: {error}"
        ) from error


def _as_list(places: Any) -> list[str]:
    return [str(place) for place in (places if isinstance(places, list) else [places])]


def _names(names: Any, file: Path) -> tuple[str, ...]:
    if isinstance(names, Mapping):
        by_id = {str(key): name for key, name in names.items()}
        numbers = [str(index) for index in range(len(by_id))]
        if set(by_id) != set(numbers):
            raise ConfigError(f"Expected names of classes 0–{len(by_id) - 1} in {file}. Received: {sorted(by_id)}")
        names = [by_id[number] for number in numbers]
    if not isinstance(names, list):
        raise ConfigError(f"Expected names as a list, or number: name, in {file}. Received: {names!r}")
    return class_names([str(name).strip() for name in names])


def _label_file(photo: Path) -> Path:
    parts = list(photo.parent.parts)
    if "images" in parts:
        last = len(parts) - 1 - parts[::-1].index("images")
        file = Path(*parts[:last], "labels", *parts[last + 1 :], f"{photo.stem}.txt")
        if file.is_file():
            return file
        beside = photo.with_name(f"{photo.stem}.txt")
        return beside if beside.is_file() else file
    return photo.with_name(f"{photo.stem}.txt")


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `images/SPLIT/`, `labels/SPLIT/` and `data.yaml`; without a split everything is `train`.

    Images are called by their ids. One whose size neither its annotation nor its file says is skipped, and named.
    """
    names, task = next(iter(parts.values())).class_names, next(iter(parts.values())).keypoints
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
            size = _size(sample)
            name = Path(copies.add(sample)).stem
            lines = [
                line_of(sample, number, size, dataset.keypoints is not None)
                for number in range(len(sample.boxes))
                if not sample.ignore[number]
            ]
            (labels / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
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
