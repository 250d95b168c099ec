"""Reads a COCO JSON: its categories, images and annotations."""

from __future__ import annotations

import codecs
import json
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from centernet.data.classes import UNKNOWN, class_names
from centernet.data.dataset import Dataset
from centernet.data.formats.annotated import Photos, box_of_keypoints, log_widened
from centernet.data.formats.coco.boxes import AnnotationRow, box_of
from centernet.data.formats.shared import photos_near, read_samples
from centernet.data.image_files import PARSE_ERRORS, photo_at
from centernet.data.keypoints import SIGMA_SCALE, KeypointTask, keypoint_task
from centernet.data.sample import Sample
from centernet.data.splits import ALL, split_in
from centernet.errors import ConfigError

Row = Mapping[str, Any]
RowType = TypeVar("RowType", bound=msgspec.Struct)
FIRST = 20  # photos whose absence from the usual folders starts a search below the dataset
logger = logging.getLogger("centernet")


class ImageRow(msgspec.Struct, gc=False):
    """What is read of an image's entry; its types are checked where it is used."""

    id: Any = None
    file_name: Any = None
    coco_url: Any = None
    height: Any = None
    width: Any = None

    @property
    def file(self) -> str:
        """Name of the file; LVIS has URLs only."""
        return str(self.file_name or str(self.coco_url or "").rsplit("/", 1)[-1])


class Content(msgspec.Struct):
    """The lists of a file. A typed decoder skips what isn't read, and keeps segmentations as the text that they are."""

    images: list[ImageRow | None]
    annotations: list[AnnotationRow | None]
    categories: list[Any]


@dataclass(frozen=True)
class Categories:
    """The classes of a file: category id → name, and the keypoints of one of them."""

    names: Mapping[int, str]
    keypoints: KeypointTask | None


def read_file(path: Path, where: str) -> Dataset:
    """Read one COCO JSON as a dataset called `where`; images with invalid annotations are skipped with a warning.

    Raises:
        ConfigError: If it is not a COCO JSON, or no image can be read.
    """
    content = _content(path)
    categories = read_categories(content.categories, content.annotations, path)
    class_ids = {category: class_id for class_id, category in enumerate(categories.names)}
    rows = _rows_by_image(content, path)
    files = [image.file for image in content.images if image]
    folder = photos_near(path, path.stem.split("_")[-1], files)
    photo_of = partial(photo_at, folder)
    if files and not any(os.path.isfile(photo_at(folder, name)) for name in files[:FIRST]):
        photos = Photos(path.parent.parent if path.parent.name.casefold() == "annotations" else path.parent)
        found = photos.find(files[0], path.parent, split_in(path.stem) or ALL)
        if os.path.isfile(found):
            logger.info("%s: its photos are in %s.", path, found.parent)
            photo_of = partial(photos.find, beside=found.parent, split=split_in(path.stem) or ALL)
    known: set[str] = set()

    def read(image: ImageRow | None) -> Sample:
        if image is None:
            raise ConfigError("not an object")
        if image.id is None:
            raise ConfigError("no id")
        identity = str(image.id)
        if identity in known:
            raise ConfigError(f"id {identity} is used by an earlier image")
        if not image.file:
            raise ConfigError("no file_name")
        sample = _sample(image, rows.get(identity, ()), photo_of(image.file), class_ids, categories)
        known.add(identity)
        return sample

    images = enumerate(content.images)
    samples = read_samples(str(path), ((_label(image, number), partial(read, image)) for number, image in images))
    log_widened(str(path), sum(_has_keypoints_only(row) for own in rows.values() for row in own))
    boxless = sum(len(rows.get(str(sample.image_id), ())) - len(sample.boxes) for sample in samples)
    if boxless:
        logger.warning("%s: left out %d annotations, which have neither bbox nor segmentation.", path, boxless)
    names = categories.names
    return Dataset(samples, tuple(names.values()), tuple(names), categories.keypoints, where, "coco")


def _content(path: Path) -> Content:
    """The lists of a file; an entry that is not an object is None.

    The typed decoder is strict about numbers and entries; what it refuses is read by Python's, which takes NaN.
    """
    try:
        text = path.read_bytes().removeprefix(codecs.BOM_UTF8)
        try:
            return msgspec.json.decode(text, type=Content)
        except msgspec.MsgspecError:
            content = json.loads(text.decode("utf-8"))
        missing = [key for key in Content.__struct_fields__ if not isinstance(content.get(key), list)]
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f"Expected a COCO JSON. {path} can't be read as one: {error}. Download or export it again."
        ) from error
    if missing:
        raise ConfigError(f"Expected lists of images, annotations and categories in {path}. Missing: {missing}")
    images = [_row(ImageRow, row) for row in content["images"]]
    annotations = [_row(AnnotationRow, row) for row in content["annotations"]]
    return Content(images, annotations, content["categories"])


def _row(kind: type[RowType], row: Any) -> RowType | None:
    return kind(**{key: row.get(key) for key in kind.__struct_fields__}) if isinstance(row, Mapping) else None


def _rows_by_image(content: Content, path: Path) -> Mapping[str, list[AnnotationRow]]:
    """Image id as text → its annotations: some files have integers in one list and texts in the other."""
    known = {str(image.id) for image in content.images if image}
    rows: dict[str, list[AnnotationRow]] = defaultdict(list)
    for row in content.annotations:
        if row and (identity := str(row.image_id)) in known:
            rows[identity].append(row)
    strays = len(content.annotations) - sum(map(len, rows.values()))
    if strays:
        logger.warning("%s: %d of %d annotations belong to no image.", path, strays, len(content.annotations))
    return rows


def _label(image: ImageRow | None, number: int) -> str:
    return (image and image.file) or f"image {number}"


def _sample(
    image: ImageRow,
    annotations: Sequence[AnnotationRow],
    photo: Path,
    class_ids: Mapping[Any, int],
    categories: Categories,
) -> Sample:
    objects = [(row, box) for row in annotations if (box := _box(row)) is not None]
    rows = [row for row, _ in objects]
    boxes = np.array([box for _, box in objects], np.float64).reshape(-1, 4)
    areas: Any = [row.area for row in rows]
    if None in areas:
        sides = boxes[:, 2:].prod(axis=1)
        areas = [side if area is None else area for side, area in zip(sides, areas, strict=True)]
    boxes[:, 2:] += boxes[:, :2]
    return Sample(
        source=photo,
        boxes=boxes,
        class_ids=np.array([class_ids.get(category_id(row.category_id), UNKNOWN) for row in rows], np.int32),
        image_id=image.id if isinstance(image.id, int) else str(image.id),
        keypoints=_keypoints(rows, categories) if rows and categories.keypoints else None,
        ignore=np.array([_is_set(row, "iscrowd") or _is_set(row, "ignore") for row in rows], bool),
        areas=np.array(list(map(float, areas)), np.float32),
        size=(int(image.height), int(image.width)) if image.height and image.width else None,
    )


def _has_keypoints_only(row: AnnotationRow) -> bool:
    """Whether an annotation has keypoints, but neither `segmentation` nor `bbox`; some tools write four zeros."""
    return bool(row.keypoints) and not any(row.bbox or ()) and not row.outline


def _box(row: AnnotationRow) -> Sequence[float] | None:
    """The box of an annotation: x, y, width, height; without one, or with four zeros, that of its keypoints."""
    box = box_of(row)
    if _has_keypoints_only(row) and (around := box_of_keypoints(row.keypoints)):
        x0, y0, x1, y1 = around
        return [x0, y0, x1 - x0, y1 - y0]
    return box


def _is_set(row: AnnotationRow, flag: str) -> bool:
    value = getattr(row, flag)
    if value is None or value is False:
        return False
    if value not in (0, 1, "0", "1"):
        raise ConfigError(f"{flag} of annotation {row.id} is {value!r} instead of 0 or 1")
    return value in (1, "1")


def _keypoints(rows: Sequence[AnnotationRow], categories: Categories) -> np.ndarray:
    """Keypoints float32 `(n, k, 3)`; zeros for objects without keypoints and for other classes."""
    assert categories.keypoints
    keypoints = np.zeros((len(rows), len(categories.keypoints.names), 3), np.float32)
    for number, row in enumerate(rows):
        values = row.keypoints
        if values and categories.names.get(category_id(row.category_id)) == categories.keypoints.class_name:
            if len(values) != keypoints[0].size:
                raise ConfigError(f"annotation {row.id} has {len(values)} instead of {keypoints[0].size} keypoints")
            keypoints[number] = np.reshape(values, (-1, 3))
    return keypoints


def category_id(value: Any) -> Any:
    """A category id in comparable form: some files store integers as text, or as floats.

    >>> category_id("1"), category_id(1.0), category_id("cat")
    (1, 1, 'cat')
    """
    if type(value) is int:
        return value
    try:
        return int(value) if isinstance(value, str) or (isinstance(value, float) and value.is_integer()) else value
    except ValueError:
        return value


def read_categories(rows: Sequence[Row], annotations: Iterable[AnnotationRow | None], path: Path) -> Categories:
    """The categories in their order; of several with the same name, those without annotations are left out.

    Raises:
        ConfigError: If an id or a name is missing, an id occurs twice, or annotations use several categories of the
            same name.
    """
    try:
        ids = [int(row["id"]) for row in rows]
        if len(set(ids)) != len(ids):
            raise ConfigError(f"Expected different ids. Received: {tuple(ids)}")
        names = {number: str(row["name"]).strip() for number, row in zip(ids, rows, strict=True)}
        class_names([*dict.fromkeys(names.values())])
        tasks = {number: _task(row) for number, row in zip(ids, rows, strict=True) if row.get("keypoints")}
    except PARSE_ERRORS as error:
        raise ConfigError(f"Expected categories with id and name in {path}. {error!r}") from error
    names = _without_duplicates(names, annotations, path)
    owners = [task for number, task in tasks.items() if number in names]
    if len(owners) > 1:
        ignored = ", ".join(task.class_name for task in owners[1:])
        logger.warning("%s: only the keypoints of %s are read, not those of %s.", path, owners[0].class_name, ignored)
    return Categories(names, owners[0] if owners else None)


def _task(row: Row) -> KeypointTask:
    """The schema of a category; `flip_idx` and `sigmas` are not part of the COCO format, but some files have them."""
    sigmas, skeleton = row.get("sigmas"), row.get("skeleton")
    return keypoint_task(
        str(row["name"]).strip(),
        row["keypoints"],
        skeleton=None if skeleton is None else [(a - 1, b - 1) for a, b in skeleton],
        flip=row.get("flip_idx"),
        deviations=None if sigmas is None else [round(sigma * SIGMA_SCALE, 9) for sigma in sigmas],
    )


def _without_duplicates(
    names: Mapping[int, str], annotations: Iterable[AnnotationRow | None], path: Path
) -> dict[int, str]:
    """The categories without those that share a name with another category and have no annotation."""
    kept, duplicates = dict(names), [name for name, count in Counter(names.values()).items() if count > 1]
    rows = (row for row in annotations if duplicates and row)
    used = {str(category_id(row.category_id)) for row in rows}
    for name in duplicates:
        ids = [number for number in names if names[number] == name]
        used_ids = [number for number in ids if str(number) in used] or ids[:1]
        if len(used_ids) > 1:
            raise ConfigError(
                f"Expected one category per name in {path}. Received: ids {used_ids} are all called {name!r}, and "
                "annotations use each of them. Give each id a name of its own, or use one id in all of them."
            )
        logger.warning(
            "%s: of the categories %s, which are all called %s, %s has the objects; the others are left out.",
            *(path, ids, name, used_ids[0]),
        )
        kept = {number: name for number, name in kept.items() if number not in ids or number in used_ids}
    return kept
