"""XML, text and CSV of annotation tools: CVAT for images, KITTI, Open Images, VGG Image Annotator."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

from centernet.data.formats.annotated import Annotated, Object, Point, ToolFormat
from centernet.data.formats.json_tools import bounds, split_of, via_objects
from centernet.data.formats.shared import files_below, head_of
from centernet.data.splits import ALL, split_in
from centernet.errors import ConfigError

_HEAD = 4096
_TRIED = 5  # files of a folder that are looked into before it is another format's
KITTI_FIELDS = (15, 16)  # 16 with a score


def _files(path: Path, suffix: str) -> list[Path]:
    return [path] if os.path.isfile(path) and path.suffix == suffix else files_below(path, suffix)


# CVAT for images 1.1: <annotations> with one <image> per photo; <meta> has labels and subsets.


def _cvat_files(path: Path) -> list[Path]:
    files = _files(path, ".xml")
    return [*filter(_is_cvat, files)] if any(map(_is_cvat, files[:_TRIED])) else []


def _is_cvat(file: Path) -> bool:
    head = head_of(file, _HEAD)
    return b"<annotations" in head and (b"<meta" in head or b"<image " in head)


def _cvat_root(file: Path) -> Any:
    try:
        return parse(file, forbid_dtd=True).getroot()
    except (DefusedXmlException, SyntaxError) as error:
        raise ConfigError(f"Expected CVAT's XML in {file}. It can't be read: {error}. Export it again.") from error


def _cvat(file: Path, root: Path) -> Iterator[Annotated]:
    for image in _cvat_root(file).iter("image"):
        name = str(image.get("name"))
        folders = Path(name.replace("\\", "/")).parts[:-1]
        split = image.get("subset") or next((part for part in folders if split_in(part)), None)
        size = (int(image.get("height")), int(image.get("width"))) if image.get("height") else None
        yield Annotated(
            name if os.path.isfile(file.parent / name) else f"images/{name}",
            partial(_cvat_objects, image),
            file,
            split_in(split) or ALL if split else split_of(file, root),
            size,
        )


def _cvat_objects(image: Any) -> list[Object]:
    """The objects of an image; points belong to the box of the same label in their group, if there is one."""
    pairs = [(shape, found) for shape in image for found in _cvat_shape(shape)]
    keys = [(found.name, shape.get("group_id") or "0") for shape, found in pairs]
    boxes = {key: number for number, key in enumerate(keys) if key[1] != "0" and not pairs[number][1].keypoints}
    objects = dict(enumerate(found for _, found in pairs))
    for number, key in enumerate(keys):
        if objects[number].keypoints and key in boxes and not objects[boxes[key]].keypoints:
            box, points = objects[boxes[key]], objects.pop(number)
            objects[boxes[key]] = dataclasses.replace(box, keypoints=points.keypoints)
    return list(objects.values())


def _cvat_shape(shape: Any) -> Iterator[Object]:
    label = shape.get("label")
    if shape.tag == "box":
        box = [float(shape.get(side)) for side in ("xtl", "ytl", "xbr", "ybr")]
        yield Object(label, _rotated_bounds(box, float(shape.get("rotation") or 0)))
    elif shape.tag in ("polygon", "polyline"):
        yield Object(label, bounds(_cvat_points(shape)))
    elif shape.tag == "ellipse":
        x, y, rx, ry = (float(shape.get(key)) for key in ("cx", "cy", "rx", "ry"))
        yield Object(label, _rotated_bounds([x - rx, y - ry, x + rx, y + ry], float(shape.get("rotation") or 0)))
    elif shape.tag == "points":
        yield Object(
            label, None, {f"keypoint_{index}": (x, y, 2.0) for index, (x, y) in enumerate(_cvat_points(shape))}
        )
    elif shape.tag == "skeleton":
        yield Object(label, None, dict(map(_cvat_keypoint, shape.iter("points"))))
    elif shape.tag not in ("tag", "attribute", "mask"):
        raise ConfigError(f"a <{shape.tag}>, which has no box")


def _cvat_points(shape: Any) -> list[tuple[float, float]]:
    pairs = (pair.split(",") for pair in shape.get("points").split(";"))
    return [(float(x), float(y)) for x, y in pairs]


def _cvat_keypoint(shape: Any) -> tuple[str, Point]:
    ((x, y),) = _cvat_points(shape)
    hidden, missing = shape.get("occluded") == "1", shape.get("outside") == "1"
    return shape.get("label"), (0.0, 0.0, 0.0) if missing else (x, y, 1.0 if hidden else 2.0)


def _rotated_bounds(box: Sequence[float], degrees: float) -> list[float]:
    """The box around a box that is rotated about its center."""
    angle = math.radians(degrees)
    x, y, width, height = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]
    half = abs(width * math.cos(angle)) / 2 + abs(height * math.sin(angle)) / 2
    tall = abs(width * math.sin(angle)) / 2 + abs(height * math.cos(angle)) / 2
    return list(box) if not degrees else [x - half, y - tall, x + half, y + tall]


def _cvat_classes(files: Sequence[Path]) -> list[str]:
    labels = (label for file in files for label in _cvat_root(file).iterfind("meta//label"))
    own = [label for label in labels if label.find("parent") is None]  # parts of skeletons have one
    return list(dict.fromkeys((label.findtext("name") or "").strip() for label in own))


# KITTI: one .txt per photo, 15 columns. DontCare regions have no class and are left out.


def _kitti_files(path: Path) -> list[Path]:
    by_folder: dict[Path, list[Path]] = defaultdict(list)
    for file in _files(path, ".txt"):
        by_folder[file.parent].append(file)
    return [file for files in by_folder.values() if _is_kitti(_first_fields(files)) for file in files]


def _first_fields(files: Sequence[Path]) -> list[str]:
    """The first line of the first files that isn't empty; photos without objects have empty files."""
    heads = (head_of(file, _HEAD).decode("utf-8", errors="replace").split("\n", 1)[0] for file in files[:_TRIED])
    return next((fields for head in heads if (fields := head.split())), [])


def _is_kitti(fields: Sequence[str]) -> bool:
    try:
        return len(fields) in KITTI_FIELDS and all(map(math.isfinite, map(float, fields[1:])))
    except ValueError:
        return False


def _kitti(file: Path, root: Path) -> Iterator[Annotated]:
    folder = file.parent.name.replace("label", "image")  # label_2 has the labels of image_2
    photos = [f"{folder}/{file.stem}{suffix}" for suffix in (".png", ".jpg", ".jpeg")]
    photo = next((one for one in photos if os.path.isfile(file.parent.parent / one)), photos[0])
    yield Annotated(photo, partial(_kitti_objects, file), file, split_of(file, root))


def _kitti_objects(file: Path) -> list[Object]:
    rows = [line.split() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    return [Object(row[0], [float(side) for side in row[4:8]]) for row in rows if row[0] != "DontCare"]


# Open Images: a CSV of boxes relative to the photo, label names in a second file.


def _header(file: Path) -> list[str]:
    first = (head_of(file, _HEAD).decode("utf-8-sig", errors="replace").splitlines() or [""])[0]
    return [cell.strip().lstrip("#").lower() for cell in next(csv.reader([first]), [])]


def _csv_files(path: Path, columns: set[str]) -> list[Path]:
    return [file for file in _files(path, ".csv") if columns <= set(_header(file))]


def _open_images_files(path: Path) -> list[Path]:
    return _csv_files(path, {"imageid", "labelname", "xmin", "xmax", "ymin", "ymax"})


def _rows(file: Path) -> Iterator[Mapping[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            names = _header(file)
            for number, row in enumerate(csv.DictReader(lines, names)):
                if number:
                    yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"Expected a CSV in UTF-8. {file} can't be read as one: {error}") from error


def _open_images(file: Path, root: Path) -> Iterator[Annotated]:
    names = _open_images_names(root)
    by_image: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in _rows(file):
        by_image[row["imageid"]].append(row)
    for image, rows in by_image.items():
        objects = partial(_open_images_objects, rows, names)
        yield Annotated(f"{image}.jpg", objects, file, split_of(file, root))


def _open_images_names(root: Path) -> dict[str, str]:
    """Code of a label → its name, from a CSV of two columns such as class-descriptions-boxable.csv."""
    names: dict[str, str] = {}
    for file in files_below(root, ".csv"):
        cells = _header(file)
        if len(cells) == 2 and (cells[0].startswith("/m/") or cells == ["labelname", "displayname"]):
            with file.open(encoding="utf-8-sig", newline="") as lines:
                names |= {row[0]: row[1] for row in csv.reader(lines) if len(row) == 2}
    return names


def _open_images_objects(rows: Sequence[Mapping[str, str]], names: Mapping[str, str]) -> list[Object]:
    return [
        Object(
            names.get(row["labelname"], row["labelname"]),
            [float(row[side]) for side in ("xmin", "ymin", "xmax", "ymax")],
            ignore=row.get("isgroupof") == "1",
            relative=True,
        )
        for row in rows
    ]


# VGG Image Annotator's CSV: JSON in the cells.


def _via_csv_files(path: Path) -> list[Path]:
    return _csv_files(path, {"filename", "region_shape_attributes", "region_attributes"})


def _via_csv(file: Path, root: Path) -> Iterable[Annotated]:
    by_image: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for row in _rows(file):
        by_image[row["filename"]].append(row)
    for image, rows in by_image.items():
        yield Annotated(image, partial(_via_csv_objects, rows), file, split_of(file, root))


def _via_csv_objects(rows: Sequence[Mapping[str, str]]) -> list[Object]:
    names = ("shape_attributes", "region_attributes")
    columns = ("region_shape_attributes", "region_attributes")
    regions = [dict(zip(names, (json.loads(row[column]) for column in columns), strict=True)) for row in rows]
    return via_objects([region for region in regions if region["shape_attributes"]])


CVAT = ToolFormat("cvat", _cvat_files, _cvat, _cvat_classes)
KITTI = ToolFormat("kitti", _kitti_files, _kitti)
OPEN_IMAGES = ToolFormat("open_images", _open_images_files, _open_images)
VIA_CSV = ToolFormat("via_csv", _via_csv_files, _via_csv)
