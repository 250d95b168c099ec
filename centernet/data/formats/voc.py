"""Pascal VOC: an XML for each image, photos in `JPEGImages/`, splits in `ImageSets/Main/*.txt`.

Files in subfolders of `Annotations/` are read, too; without lists, subfolders that are called like splits are splits.
Case doesn't matter in the names of folders, and `images/` is as good as `JPEGImages/`. Without an `Annotations/`
folder, XML files beside the photos are read as well, with subfolders `train/`, `valid/` and `test/` as splits. Classes
are the names that occur in all of the dataset's files, sorted. Difficult objects are `ignore`. XML is read by
defusedxml: a file with entities or a document type is refused.

**Coordinates are taken as they are written**: `xmin ymin xmax ymax` become `x0 y0 x1 y1` unchanged, and are written
unchanged. VOC's own files count pixels from 1 and include the last, which would make the edges
`xmin − 1, ymin − 1, xmax, ymax`; the Detection API and today's annotation tools don't, and neither did the published
trainings that results are compared to. For VOC's own files that makes boxes one pixel smaller at the left and top.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

from centernet.data.dataset import Dataset
from centernet.data.formats.voc_files import Photos, parts_of
from centernet.data.image_files import ImageCopies, image_ids
from centernet.data.sample import Sample
from centernet.data.skipped_images import PARSE_ERRORS, SkippedImages
from centernet.data.splits import ALL
from centernet.errors import ConfigError
from centernet.files.formatting import shortest_number

CORNERS = ("xmin", "ymin", "xmax", "ymax")
_HEAD = 2048


@dataclass(frozen=True)
class _Annotation:
    """What one XML says."""

    file: str
    size: tuple[int, int] | None
    names: tuple[str, ...]
    boxes: np.ndarray
    difficult: tuple[bool, ...]


def recognize(path: Path) -> bool:
    """Whether a path is a folder with VOC's XML, if only of several datasets, which reading then refuses."""
    try:
        return any(_is_annotation(file) for file in parts_of(path).get(ALL, ())[:3])
    except ConfigError:
        return True


def splits(path: Path) -> tuple[str, ...]:
    """The lists in `ImageSets/Main`, or the subfolders that are called like splits."""
    return tuple(name for name in parts_of(path) if name != ALL)


def read(path: Path, splits: Sequence[str]) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`. All files are looked at, since each may have a class of its own."""
    parts = parts_of(path)
    files = list(dict.fromkeys(file for part in (ALL, *splits) for file in parts[part]))
    found = {file: _outcome(file) for file in files}
    classes = sorted({name for item in found.values() if isinstance(item, _Annotation) for name in item.names})
    photos = Photos(path)
    return [
        _dataset({file: found[file] for file in parts[split]}, classes, f"{path.name} ({split})", photos)
        for split in splits
    ]


def _is_annotation(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return b"<annotation" in file.read(_HEAD)
    except OSError:
        return False


def _outcome(file: Path) -> _Annotation | Exception:
    try:
        return _parsed(file)
    except PARSE_ERRORS as error:
        return error


def _parsed(file: Path) -> _Annotation:
    try:
        root = parse(file, forbid_dtd=True).getroot()
    except DefusedXmlException as error:
        raise ConfigError("it has a document type (<!DOCTYPE …>), which is not read: delete that") from error
    if root.tag != "annotation":
        raise ConfigError(f"<{root.tag}> instead of <annotation>")
    objects = root.findall("object")
    width, height = (_text(root, f"size/{side}", "") for side in ("width", "height"))
    return _Annotation(
        file=_text(root, "filename", "").replace("\\", "/").rsplit("/", 1)[-1],
        size=(round(float(height)), round(float(width))) if width and height else None,
        names=tuple(_text(item, "name") for item in objects),
        boxes=np.asarray([[float(_text(item, f"bndbox/{side}")) for side in CORNERS] for item in objects]),
        difficult=tuple(_text(item, "difficult", "0").lower() in ("1", "true") for item in objects),
    )


def _text(element: Any, path: str, default: str | None = None) -> str:
    text = (element.findtext(path) or "").strip() or default
    if text is None:
        raise ConfigError(f"an object without <{path.replace('/', '><')}>")
    return text


def _dataset(
    found: Mapping[Path, _Annotation | Exception], classes: Sequence[str], where: str, photos: Photos
) -> Dataset:
    skipped = SkippedImages(where)
    ids = image_ids([os.path.relpath(file, photos.path) for file in found])
    index = {name: number for number, name in enumerate(classes)}
    samples = []
    for (file, item), identity in zip(found.items(), ids, strict=True):
        with skipped.skip_on_error(file.name):
            if isinstance(item, Exception):
                raise item
            samples.append(_sample(item, identity, index, photos.of(file, item.file)))
    skipped.report(len(samples))
    return Dataset(tuple(samples), tuple(classes), name=where, format="voc")


def _sample(item: _Annotation, identity: int | str, index: Mapping[str, int], photo: Path) -> Sample:
    return Sample(
        source=photo,
        boxes=item.boxes,
        class_ids=np.asarray([index[name] for name in item.names], np.int32),
        image_id=identity,
        ignore=np.asarray(item.difficult, bool),
        size=item.size,
    )


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `Annotations/`, `JPEGImages/` and, of splits, `ImageSets/Main/SPLIT.txt`; images are called by their ids.

    Areas are not kept: they are those of the boxes again.
    """
    (folder / "Annotations").mkdir()
    copies = ImageCopies(folder / "JPEGImages")
    listed: dict[str, list[str]] = defaultdict(list)
    for split, dataset in parts.items():
        for sample in dataset:
            file = copies.add(sample)
            stem = Path(file).stem
            listed[split].append(stem)
            tree = ElementTree.ElementTree(_element(sample, dataset.class_names, file))
            ElementTree.indent(tree)
            tree.write(folder / "Annotations" / f"{stem}.xml", encoding="utf-8")
    copies.report()
    for split in set(parts) - {ALL}:
        lists = folder / "ImageSets" / "Main"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in listed[split]), encoding="utf-8")


def _element(sample: Sample, class_names: Sequence[str], file: str) -> ElementTree.Element:
    root = ElementTree.Element("annotation")
    _add(root, {"folder": "JPEGImages", "filename": file})
    if sample.size:
        _add(ElementTree.SubElement(root, "size"), {"width": sample.size[1], "height": sample.size[0], "depth": 3})
    for class_id, box, ignore in zip(sample.class_ids, sample.boxes, sample.ignore, strict=True):
        item = ElementTree.SubElement(root, "object")
        _add(item, {"name": class_names[class_id], "pose": "Unspecified", "truncated": 0, "difficult": int(ignore)})
        _add(ElementTree.SubElement(item, "bndbox"), dict(zip(CORNERS, map(shortest_number, box), strict=True)))
    return root


def _add(parent: ElementTree.Element, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        ElementTree.SubElement(parent, name).text = str(value)
