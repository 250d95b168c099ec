"""From a COCO JSON to samples."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from centernet.data.classes import UNKNOWN
from centernet.data.dataset import Dataset
from centernet.data.formats.coco.boxes import box_of
from centernet.data.formats.coco.categories import Categories, Row, category_id, read_categories
from centernet.data.image_files import photo_at, photos_folder
from centernet.data.sample import Sample
from centernet.data.skipped_images import SkippedImages
from centernet.errors import ConfigError

logger = logging.getLogger("centernet")


def read_file(path: Path, where: str) -> Dataset:
    """Read one COCO JSON.

    Args:
        path: The file.
        where: Name of the dataset.

    Returns:
        Its images; those whose annotations make no sense are left out and named in a warning.

    Raises:
        ConfigError: If it is no COCO JSON, or no image can be read.
    """
    content = _content(path)
    categories = read_categories(content["categories"], content["annotations"], path)
    rows = _by_image(content, path)
    boxless = 0
    index = {category: number for number, category in enumerate(categories.ids)}
    skipped, seen = SkippedImages(str(path)), set[str]()
    samples: list[Sample] = []
    folder = _photos(path, [_file_name(image) for image in content["images"] if isinstance(image, Mapping)])
    for position, image in enumerate(content["images"]):
        with skipped.skip_on_error(_label(image, position)):
            identity = str(image["id"])
            if identity in seen:
                raise ConfigError(f"id {identity} belongs to another image already")
            own = rows.get(identity, ())
            objects = [(row, box) for row in own if (box := box_of(row)) is not None]
            samples.append(_sample(image, objects, folder, index, categories))
            boxless += len(own) - len(objects)
            seen.add(identity)
    skipped.report(len(samples))
    if boxless:
        logger.warning("%s: left out %d annotations, which have neither bbox nor segmentation.", path, boxless)
    return Dataset(tuple(samples), categories.names, categories.ids, categories.keypoints, where, "coco")


def _content(path: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        missing = [key for key in ("images", "annotations", "categories") if not isinstance(content.get(key), list)]
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise ConfigError(f"Expected a COCO JSON. {path} can't be read as one: {error}. Get it again.") from error
    if missing:
        raise ConfigError(f"Expected lists of images, annotations and categories in {path}. Missing: {missing}")
    return content


def _by_image(content: Mapping[str, Sequence[Any]], path: Path) -> Mapping[str, list[Row]]:
    """Annotations by the id of their image, as text: some files have numbers here and texts there."""
    known = {str(image.get("id")) for image in content["images"] if isinstance(image, Mapping)}
    rows: dict[str, list[Row]] = defaultdict(list)
    strays = 0
    for row in content["annotations"]:
        if isinstance(row, Mapping) and str(row.get("image_id")) in known:
            rows[str(row["image_id"])].append(row)
        else:
            strays += 1
    if strays:
        logger.warning("%s: %d of %d annotations belong to no image.", path, strays, len(content["annotations"]))
    return rows


def _photos(path: Path, names: Sequence[str]) -> Path:
    parent, split = path.parent, path.stem.split("_")[-1]
    outer = parent.parent
    inner = [parent / "images", parent / "images" / split, parent / split]
    beside = [outer / "images" / split, outer / split, outer / "images", outer / "JPEGImages"]
    return photos_folder([*inner, parent, parent / "JPEGImages", *beside, outer], names)


def _file_name(image: Row) -> str:
    # LVIS has addresses only.
    return str(image.get("file_name") or str(image.get("coco_url", "")).rsplit("/", 1)[-1])


def _label(image: Any, position: int) -> str:
    return (isinstance(image, Mapping) and _file_name(image)) or f"image {position}"


def _sample(
    image: Row,
    objects: Sequence[tuple[Row, Sequence[float]]],
    folder: Path,
    index: Mapping[Any, int],
    categories: Categories,
) -> Sample:
    if not _file_name(image):
        raise ConfigError("no file_name")
    rows = [row for row, _ in objects]
    boxes = np.asarray([box for _, box in objects], np.float64).reshape(-1, 4)
    sides = boxes[:, 2:].copy()
    boxes[:, 2:] += boxes[:, :2]
    areas = [
        float(side.prod() if row.get("area") is None else row["area"]) for row, side in zip(rows, sides, strict=True)
    ]
    size = (int(image["height"]), int(image["width"])) if image.get("height") and image.get("width") else None
    return Sample(
        source=photo_at(folder, _file_name(image)),
        boxes=boxes,
        class_ids=np.asarray([index.get(category_id(row.get("category_id")), UNKNOWN) for row in rows], np.int32),
        image_id=image["id"] if isinstance(image["id"], int) else str(image["id"]),
        keypoints=_keypoints(rows, categories) if rows and categories.keypoints else None,
        ignore=np.asarray([_is_set(row, "iscrowd") or _is_set(row, "ignore") for row in rows], bool),
        areas=np.asarray(areas, np.float32),
        size=size,
    )


def _is_set(row: Row, flag: str) -> bool:
    value = row.get(flag)
    if value not in (None, 0, 1, "0", "1"):
        raise ConfigError(f"{flag} of annotation {row.get('id')} is {value!r} instead of 0 or 1")
    return value in (1, "1")


def _keypoints(rows: Sequence[Row], categories: Categories) -> np.ndarray:
    """Keypoints float32 `(n, k, 3)`; zeros of objects that have none, or are of another class."""
    assert categories.keypoints
    found = np.zeros((len(rows), len(categories.keypoints.names), 3), np.float32)
    for number, row in enumerate(rows):
        values = row.get("keypoints")
        if values and category_id(row.get("category_id")) == categories.keypoint_id:
            if len(values) != found[0].size:
                raise ConfigError(f"annotation {row.get('id')} has {len(values)} instead of {found[0].size} keypoints")
            found[number] = np.reshape(values, (-1, 3))
    return found
