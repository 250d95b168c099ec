"""JSON of annotation tools: LabelMe, Label Studio, VGG Image Annotator, VoTT, Supervisely, Datumaro, Create ML.

Each format is an entry of `JSON_FORMATS`: the keys by which a file is recognized, and a function from its content to
images. Polygons, circles and rotated rectangles become their bounding box.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from centernet.data.formats.annotated import Annotated, Object, Point, ToolFormat
from centernet.data.formats.shared import files_below
from centernet.data.splits import ALL, split_in
from centernet.errors import ConfigError

Row = Mapping[str, Any]
NO_CLASS = "object"  # class of keypoints without a rectangle, which alone has a class
_TRIED = 50  # JSON files of a folder that are looked into before it is another format's


@dataclass(frozen=True)
class JsonFormat:
    """A JSON format.

    Attributes:
        keys: Strings that a file contains, each or one of several.
        images: The images of a file: `images(content, file, root)`.
        classes: Names of the classes from a file's content, if the format orders them.
    """

    keys: Sequence[str | tuple[str, ...]]
    images: Callable[[Any, Path, Path], Iterable[Annotated]]
    classes: Callable[[Any], Sequence[str]] | None = None


def contains(file: Path, keys: Sequence[str | tuple[str, ...]]) -> bool:
    """Whether a JSON file contains all keys, in quotation marks; of a tuple, one of them."""
    try:
        with file.open("rb") as content, mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as text:
            either = (key if isinstance(key, tuple) else (key,) for key in keys)
            return all(any(text.find(f'"{key}"'.encode()) >= 0 for key in names) for names in either)
    except (OSError, ValueError):  # a ValueError for an empty file
        return False


def json_format(key: str) -> ToolFormat:
    """The reader of an entry of `JSON_FORMATS`."""
    entry = JSON_FORMATS[key]

    def files(path: Path) -> list[Path]:
        every = [path] if path.suffix == ".json" and os.path.isfile(path) else files_below(path, ".json")
        if not any(contains(file, entry.keys) for file in every[:_TRIED]):
            return []
        return [file for file in every if contains(file, entry.keys)]

    def images(file: Path, root: Path) -> Iterable[Annotated]:
        return entry.images(_content(file), file, root)

    def classes(found: Sequence[Path]) -> list[str]:
        assert entry.classes
        return list(dict.fromkeys(name for file in found for name in entry.classes(_content(file))))

    return ToolFormat(key, files, images, classes if entry.classes else None)


def _content(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"Expected JSON in {file}. It can't be read: {error}. Export it again.") from error


def split_of(file: Path, root: Path) -> str:
    """The split in the names of a file's folders below the dataset's, or in its own name."""
    names = [*file.relative_to(root).parts[:-1], file.stem]
    return next((split for name in names if (split := split_in(name))), ALL)


def bounds(points: Any) -> list[float]:
    """The box `x0 y0 x1 y1` around points, `(n, 2)` or flat."""
    array = np.asarray(points, np.float64).reshape(-1, 2)
    if not len(array):
        raise ConfigError("a shape without points")
    return [*array.min(axis=0).tolist(), *array.max(axis=0).tolist()]


def _around(x: float, y: float, rx: float, ry: float) -> list[float]:
    return [x - rx, y - ry, x + rx, y + ry]


# LabelMe and X-AnyLabeling: one file per photo.


def _labelme(content: Row, file: Path, root: Path) -> Iterator[Annotated]:
    photo = str(content.get("imagePath") or f"{file.stem}.jpg")
    height, width = content.get("imageHeight"), content.get("imageWidth")
    size = (int(height), int(width)) if height and width else None
    yield Annotated(photo, partial(_labelme_objects, content["shapes"]), file, split_of(file, root), size)


def _labelme_objects(shapes: Sequence[Row]) -> list[Object]:
    points: dict[Any, dict[str, Point]] = defaultdict(dict)
    boxes = []
    for shape in shapes:
        kind, where = shape.get("shape_type") or "polygon", shape["points"]
        if kind == "point":
            points[shape.get("group_id")][str(shape["label"])] = (float(where[0][0]), float(where[0][1]), 2.0)
        elif kind == "circle":
            radius = math.dist(where[0], where[1])
            boxes.append((shape, _around(where[0][0], where[0][1], radius, radius)))
        else:
            boxes.append((shape, bounds(where)))
    if None in points and len(boxes) != 1:
        raise ConfigError("points without group_id: give the points and the rectangle of an object the same one")
    objects = []
    for shape, box in boxes:
        own = points.pop(shape.get("group_id"), {}) | points.pop(None, {})
        objects.append(Object(str(shape["label"]), box, own, ignore=bool(shape.get("difficult"))))
    return objects + [Object(NO_CLASS, None, own) for own in points.values()]


# Label Studio: one file with all tasks; percent of the photo's size, rotation in degrees about the top left corner.


def _label_studio(content: Any, file: Path, root: Path) -> Iterator[Annotated]:
    for task in content if isinstance(content, list) else [content]:
        data = task.get("data", task)
        address = next((str(data[key]) for key in ("image", "img", *data) if _is_photo(data.get(key))), None)
        if address is None:
            raise ConfigError(f"task {task.get('id')} has no photo in its data")
        local = parse_qs(urlsplit(address).query).get("d")
        photo = local[0] if local else urlsplit(address).path
        done = [one for one in task.get("annotations", task.get("completions", ())) if not one.get("was_cancelled")]
        rows = done[-1]["result"] if done else [{"value": row, **row} for row in task.get("label") or ()]
        yield Annotated(Path(photo).name, partial(_label_studio_objects, rows), file)


def _is_photo(value: Any) -> bool:
    return isinstance(value, str) and bool(re.search(r"\.(jpe?g|png|bmp|webp|tiff?|gif)(\?|$)", value, re.IGNORECASE))


def _label_studio_objects(rows: Sequence[Row]) -> list[Object]:
    boxes: dict[Any, tuple[str, list[float]]] = {}
    points: dict[Any, dict[str, Point]] = defaultdict(dict)
    loose: list[tuple[str, float, float]] = []  # points without a parent
    for number, row in enumerate(rows):
        value = row["value"]
        label = next((value[key][0] for key in value if key.endswith("labels") and value[key]), None)
        if label is None:
            continue
        if "points" in value:
            boxes[row.get("id", number)] = (label, bounds(value["points"]))
        elif "radiusX" in value:
            ellipse = _around(value["x"], value["y"], value["radiusX"], value["radiusY"])
            boxes[row.get("id", number)] = (label, ellipse)
        elif "height" in value:
            boxes[row.get("id", number)] = (label, _rotated(value, row))
        elif "x" in value:
            if row.get("parentID"):
                points[row["parentID"]][label] = (value["x"] / 100, value["y"] / 100, 2.0)
            else:
                loose.append((label, value["x"], value["y"]))
        else:
            raise ConfigError(f"{row.get('type')}, which has no box")
    for name, x, y in loose:
        inside = [key for key, (_, box) in boxes.items() if box[0] <= x <= box[2] and box[1] <= y <= box[3]]
        owners = list(boxes) if len(boxes) == 1 else inside if boxes else [None]
        if len(owners) != 1 or name in points[owners[0]]:
            raise ConfigError(
                f"a point {name!r} in {len(inside)} of {len(boxes)} regions, so that its object is unknown: draw each "
                "point in one region, or give it a parentID"
            )
        points[owners[0]][name] = (x / 100, y / 100, 2.0)
    objects = [
        Object(label, [side / 100 for side in box], points.pop(key, {}), relative=True)
        for key, (label, box) in boxes.items()
    ]
    return objects + [Object(NO_CLASS, None, own, relative=True) for own in points.values()]


def _rotated(value: Row, row: Row) -> list[float]:
    """The box, in percent, around a rectangle that is rotated in pixels."""
    width, height = float(row.get("original_width") or 1), float(row.get("original_height") or 1)
    angle = math.radians(float(value.get("rotation") or 0))
    right = np.array([math.cos(angle), math.sin(angle)]) * value["width"] * width
    down = np.array([-math.sin(angle), math.cos(angle)]) * value["height"] * height
    start = np.array([value["x"] * width, value["y"] * height])
    x0, y0, x1, y1 = bounds([start, start + right, start + down, start + right + down])
    return [x0 / width, y0 / height, x1 / width, y1 / height]


# VGG Image Annotator: one file, with or without the project's settings.


def _via(content: Row, file: Path, root: Path) -> Iterator[Annotated]:
    images = content.get("_via_img_metadata", content)
    for image in images.values():
        regions = image.get("regions") or ()
        rows = regions.values() if isinstance(regions, Mapping) else regions
        yield Annotated(str(image["filename"]), partial(via_objects, list(rows)), file, split_of(file, root))


def via_objects(regions: Sequence[Row]) -> list[Object]:
    """Objects of VGG Image Annotator's regions: `shape_attributes` and `region_attributes`."""
    return [Object(_via_class(one["region_attributes"]), _via_box(one["shape_attributes"])) for one in regions]


def _via_class(attributes: Row) -> str:
    for value in attributes.values():
        if isinstance(value, Mapping):  # a checkbox
            value = next((name for name, chosen in value.items() if chosen), None)
        if value not in (None, ""):
            return str(value).strip()
    return NO_CLASS


def _via_box(shape: Row) -> list[float]:
    if shape["name"] == "rect":
        x, y = float(shape["x"]), float(shape["y"])
        return [x, y, x + float(shape["width"]), y + float(shape["height"])]
    if "all_points_x" in shape:
        return bounds(list(zip(shape["all_points_x"], shape["all_points_y"], strict=True)))
    radius = shape.get("r", 0)
    return _around(shape["cx"], shape["cy"], shape.get("rx", radius), shape.get("ry", radius))


# VoTT: an export with all assets, or one file per asset.


def _vott(content: Row, file: Path, root: Path) -> Iterator[Annotated]:
    for entry in content["assets"].values() if "assets" in content else [content]:
        asset, size = entry["asset"], entry["asset"].get("size") or {}
        sides = (int(size["height"]), int(size["width"])) if size else None
        objects = partial(_vott_objects, entry["regions"])
        yield Annotated(str(asset["name"]), objects, file, split_of(file, root), sides)


def _vott_objects(regions: Sequence[Row]) -> list[Object]:
    sides = ("left", "top", "width", "height")
    boxes = [(one["tags"], [one["boundingBox"][side] for side in sides]) for one in regions]
    return [Object(tag, [x, y, x + width, y + height]) for tags, (x, y, width, height) in boxes for tag in tags]


# Supervisely: `ann/photo.jpg.json` beside `img/photo.jpg`; graphs are keypoints.


def _supervisely(content: Row, file: Path, root: Path) -> Iterator[Annotated]:
    size = (int(content["size"]["height"]), int(content["size"]["width"]))
    objects = partial(_supervisely_objects, content["objects"])
    yield Annotated(f"{file.parent.parent.name}/img/{file.stem}", objects, file, split_of(file, root), size)


def _supervisely_objects(rows: Sequence[Row]) -> list[Object]:
    objects = []
    for row in rows:
        if nodes := row.get("nodes"):
            points = {name: _supervisely_point(node) for name, node in nodes.items()}
            objects.append(Object(row["classTitle"], None, points))
        elif row.get("points", {}).get("exterior"):
            objects.append(Object(row["classTitle"], bounds(row["points"]["exterior"])))
        else:
            raise ConfigError(f"a {row.get('geometryType')}, which has no outline to take a box from")
    return objects


def _supervisely_point(node: Row) -> Point:
    x, y = map(float, node["loc"][:2])
    return x, y, 0.0 if node.get("disabled") else 2.0


# Datumaro: annotations/SUBSET.json with categories and items.


def _datumaro(content: Row, file: Path, root: Path) -> Iterator[Annotated]:
    labels = [str(row["name"]) for row in content["categories"]["label"]["labels"]]
    points = {int(row["label_id"]): row["labels"] for row in content["categories"].get("points", {}).get("items", ())}
    for item in content["items"]:
        image = item.get("image") or {}
        size = tuple(map(int, image["size"])) if image.get("size") else None
        photo = str(image.get("path") or f"{item['id']}.jpg")
        objects = partial(_datumaro_objects, item["annotations"], labels, points)
        yield Annotated(photo, objects, file, split_of(file, root), size)  # type: ignore[arg-type]


def _datumaro_objects(rows: Sequence[Row], labels: Sequence[str], names: Mapping[int, Sequence[str]]) -> list[Object]:
    groups: dict[Any, dict[str, Point]] = {}
    boxes = []
    for number, row in enumerate(rows):
        if row["type"] == "points":
            xy = np.asarray(row["points"], np.float64).reshape(-1, 2).tolist()
            seen = row.get("visibility") or [2] * len(xy)
            known = names.get(row["label_id"]) or [f"keypoint_{index}" for index in range(len(xy))]
            points = {name: (x, y, float(v)) for name, (x, y), v in zip(known, xy, seen, strict=False)}
            groups[row["label_id"], row.get("group") or -number - 1] = points
        elif row["type"] == "bbox":
            x, y, width, height = row["bbox"]
            boxes.append((row, [x, y, x + width, y + height]))
        elif row["type"] in ("polygon", "polyline"):
            boxes.append((row, bounds(row["points"])))
        # Labels of whole photos, captions and masks have no outline.
    objects = []
    for row, box in boxes:
        own = groups.pop((row["label_id"], row.get("group")), {})
        ignore = bool(row.get("attributes", {}).get("is_crowd"))
        objects.append(Object(labels[row["label_id"]], box, own, ignore))
    return objects + [Object(labels[label], None, points) for (label, _), points in groups.items()]


def _datumaro_classes(content: Row) -> list[str]:
    return [str(row["name"]) for row in content["categories"]["label"]["labels"]]


# Create ML: one list; boxes by their center.


def _create_ml(content: Sequence[Row], file: Path, root: Path) -> Iterator[Annotated]:
    for image in content:
        photo = str(image.get("image") or image["imagefilename"])
        objects = partial(_create_ml_objects, image.get("annotations") or image.get("annotation") or ())
        yield Annotated(photo, objects, file, split_of(file, root))


def _create_ml_objects(rows: Sequence[Row]) -> list[Object]:
    places = [(str(row["label"]), row["coordinates"]) for row in rows]
    return [Object(name, _around(at["x"], at["y"], at["width"] / 2, at["height"] / 2)) for name, at in places]


JSON_FORMATS: Mapping[str, JsonFormat] = {
    "labelme": JsonFormat(("shapes", "imagePath"), _labelme),
    "label_studio": JsonFormat(
        (("rectanglelabels", "keypointlabels", "polygonlabels", "ellipselabels"),), _label_studio
    ),
    "via": JsonFormat(("regions", "shape_attributes", "filename"), _via),
    "vott": JsonFormat(("asset", "regions"), _vott),
    "supervisely": JsonFormat(("objects", "tags", "size"), _supervisely),
    "datumaro": JsonFormat(("categories", "items", "label"), _datumaro, _datumaro_classes),
    "create_ml": JsonFormat(("coordinates", "annotations"), _create_ml),
}
