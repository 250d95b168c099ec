"""Pascal VOC: one XML per image, photos in `JPEGImages/`, splits in `ImageSets/Main/*.txt`.

Subfolders of `Annotations/` are read, too; if there are no lists, those named after splits are splits. Folder names are
case-insensitive, and `images/` is as good as `JPEGImages/`. Without an `Annotations/` folder, XML files beside the
photos are read, with subfolders `train/`, `valid/` and `test/` as splits. Classes are the names in all files of the
dataset, sorted. Difficult objects are `ignore`. defusedxml reads the files: entities and document types are refused.

XML files anywhere below the folder are the last resort: splits are in folder names (`images/train/`, the layout of the
Detection API's tutorial), and where no photo is near, photos are looked for by name below the dataset. A label map
(`*label*.pbtxt`) sets the order of classes.

**Coordinates are not shifted** unless asked: `xmin ymin xmax ymax` become `x0 y0 x1 y1` unchanged, and are written
unchanged, as in the Detection API and current annotation tools. VOC's own files count pixels from 1 and include the
last one, and some tools add 1 to `xmin` and `ymin`: for both, `origin=1` gives `xmin − 1, ymin − 1, xmax, ymax`.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse

from centernet.data.dataset import Dataset
from centernet.data.formats.annotated import Photos
from centernet.data.formats.json_tools import bounds, split_of
from centernet.data.formats.label_map import read_label_map
from centernet.data.formats.shared import (
    CORNERS,
    NamedImage,
    NamedSample,
    PhotosByStem,
    files_below,
    files_in,
    head_of,
    read_named,
    split_folders,
    subfolders,
    walk,
)
from centernet.data.image_files import ImageCopies
from centernet.data.sample import Sample
from centernet.data.splits import ALL, NAMES, split_in
from centernet.errors import ConfigError
from centernet.files.formatting import shortest_number

logger = logging.getLogger("centernet")
ANNOTATIONS = "annotations"
PHOTOS = ("jpegimages", "images")
_HEAD = 2048
_ROOT = re.compile(rb"<annotation[\s>]")
_LIST_OF_ONE_CLASS = re.compile(rf".+_({'|'.join(NAMES)})")  # aeroplane_train.txt beside train.txt


def recognize(path: Path) -> bool:
    """Whether a path is a folder with VOC's XML, or with several such datasets, which reading refuses."""
    try:
        return any(_ROOT.search(head_of(file, _HEAD)) for file in parts(path)[ALL][:3])
    except ConfigError:
        return True


def read(path: Path, splits: Sequence[str], origin: int = 0) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`. All files are parsed, since any may have a further class."""
    files, near, below = parts(path), cache(lambda folder: PhotosByStem(_photo_folders(folder, path))), Photos(path)

    def photo(file: Path, name: str) -> Path:
        photos = near(file.parent)
        # Where there are photos, one that is missing is not looked for among masks and other splits.
        found = below.find(name or f"{file.stem}.jpg", file.parent, split_of(file, path)) if not len(photos) else None
        return found if found and os.path.isfile(found) else photos.photo(file.stem, name)

    image = cache(
        lambda file: NamedImage(os.path.relpath(file, path), file.name, partial(_parsed, file, photo, origin))
    )
    named = {part: [*map(image, files[part])] for part in (ALL, *splits)}
    return read_named(named, splits, path.name, "voc", _mapped_classes(path))


def _mapped_classes(path: Path) -> list[str]:
    """Names of a label map below the folder, in the order of their ids; none without one."""
    maps = [file for file in files_below(path, ".pbtxt") if "label" in file.stem.lower()]
    if len(maps) > 1:
        logger.warning(
            "%s has several label maps (%s); classes are sorted. Give their order: classes=[...].", path, maps
        )
    return list(read_label_map(maps[0]).names.values()) if len(maps) == 1 else []


def _parsed(file: Path, photo_of: Callable[[Path, str], Path], origin: int) -> NamedSample:
    try:
        root = parse(file, forbid_dtd=True).getroot()
    except DefusedXmlException as error:
        raise ConfigError("it has a document type (<!DOCTYPE …>), which is not read: delete that") from error
    if root.tag != "annotation":
        raise ConfigError(f"<{root.tag}> instead of <annotation>")
    objects = [item for item in root.findall("object") if _text(item, "deleted", "0") == "0"]
    width, height = (_text(root, f"size/{side}", "") for side in ("width", "height"))
    photo = _text(root, "filename", "").replace("\\", "/").rsplit("/", 1)[-1]
    return NamedSample(
        [_text(item, "name") for item in objects],
        source=photo_of(file, photo),
        boxes=np.asarray([_box(item) for item in objects], np.float64).reshape(-1, 4) - (origin, origin, 0, 0),
        ignore=np.asarray([_text(item, "difficult", "0").lower() in ("1", "true") for item in objects], bool),
        size=(round(float(height)), round(float(width))) if width and height else None,
    )


def _box(item: Any) -> list[float]:
    if item.find("bndbox") is None and (points := item.findall("polygon/pt")):  # the XML of the first LabelMe
        return bounds([[float(_text(point, axis)) for axis in "xy"] for point in points])
    return [float(_text(item, f"bndbox/{side}")) for side in CORNERS]


def _text(element: Any, path: str, default: str | None = None) -> str:
    text = (element.findtext(path) or "").strip() or default
    if text is None:
        raise ConfigError(f"an object without <{path.replace('/', '><')}>")
    return text


def parts(path: Path) -> dict[str, list[Path]]:
    """Split (a list in `ImageSets/Main`, or a subfolder named after it) → XML files; all of them under `ALL`.

    Raises:
        ConfigError: If the folder has several datasets.
    """
    root = _root(path)
    annotations = _annotations(root)
    if annotations:
        files = files_below(annotations, ".xml")
        lists = [file for main in subfolders(root, "imagesets", "main") for file in main.glob("*.txt")]
        lists = sorted(filter(_is_split_list, lists), key=lambda file: (file.stem not in NAMES, file.stem))
        names = _names(files, annotations)
        listed = {file.stem: _listed(file, names, annotations) for file in lists}
        return {**(listed or _by_folder(files, annotations)), ALL: files}
    by_split = {}
    for folder in split_folders(root):
        inner = _annotations(folder)
        if files := files_in(folder, ".xml") or (files_below(inner, ".xml") if inner else []):
            by_split[str(split_in(folder.name))] = files
    beside = [*files_in(root, ".xml"), *itertools.chain(*by_split.values())]
    files = [] if beside else [file for file in files_below(root, ".xml") if _ROOT.search(head_of(file, _HEAD))]
    return {**(by_split or _by_folder(files, root)), ALL: beside or files}


def _root(path: Path) -> Path:
    """The folder with `Annotations`: the path, or the only one in a VOCdevkit."""
    if _annotations(path):
        return path
    inner = [folder for folder in sorted(path.glob("*/")) if not split_in(folder.name) and _annotations(folder)]
    if len(inner) > 1:
        raise ConfigError(f"Expected one dataset in {path}. Found: {', '.join(map(str, inner))}. Give one of these.")
    return inner[0] if inner else path


def _annotations(folder: Path) -> Path | None:
    """The subfolder called Annotations, if it has XML files."""
    return next((inner for inner in subfolders(folder, ANNOTATIONS) if any(walk(inner, ".xml"))), None)


def _is_split_list(file: Path) -> bool:
    return not (match := _LIST_OF_ONE_CLASS.fullmatch(file.stem)) or not os.path.isfile(file.with_stem(match[1]))


def _names(files: Sequence[Path], annotations: Path) -> dict[str, Path]:
    """Name in a list → file: its path below `Annotations`, or its bare name if that is unique."""
    counts = Counter(file.stem for file in files)
    unique = {file.stem: file for file in files if counts[file.stem] == 1}
    return unique | {file.relative_to(annotations).as_posix().removesuffix(".xml"): file for file in files}


def _listed(file: Path, names: Mapping[str, Path], annotations: Path) -> list[Path]:
    """The files in a list; some lists of VOC have a number after each name."""
    lines = map(str.strip, file.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    listed = [line if line in names else re.sub(r"(?<=\S)\s+-?[01]$", "", line) for line in lines if line]
    return list(dict.fromkeys(names.get(name, annotations / f"{name}.xml") for name in listed))


def _by_folder(files: Sequence[Path], annotations: Path) -> dict[str, list[Path]]:
    """The files in subfolders named after splits."""
    parts: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        folders = file.relative_to(annotations).parts[:-1]
        if split := next((split for folder in folders if (split := split_in(folder))), None):
            parts[split].append(file)
    return parts


def _photo_folders(home: Path, path: Path) -> Iterator[Path]:
    """Where the photos may be: beside `Annotations`, for a subfolder of it first in the folder of that name; `home`."""
    inside = (folder for folder in (home, *home.parents) if folder.is_relative_to(path))
    if annotations := next((folder for folder in inside if folder.name.casefold() == ANNOTATIONS), None):
        beside = annotations.parent
        for folder in (*(inner for name in PHOTOS for inner in subfolders(beside, name)), beside):
            yield from (folder / home.relative_to(annotations), folder)
    yield home


def write(parts: Mapping[str, Dataset], folder: Path) -> None:
    """Write `Annotations/`, `JPEGImages/`, `labelmap.txt` and, for splits, `ImageSets/Main/`; files are named by ids.

    Areas are not kept: reading gives those of the boxes.
    """
    (folder / "Annotations").mkdir()
    # Datumaro and CVAT read other classes than VOC's own only with this list.
    names = dict.fromkeys(name for dataset in parts.values() for name in dataset.class_names)
    (folder / "labelmap.txt").write_text("".join(f"{name}:::\n" for name in names), encoding="utf-8")
    copies = ImageCopies(folder / "JPEGImages")
    for split, dataset in parts.items():
        stems = [_write_annotation(sample, dataset.class_names, folder, copies.add(sample)) for sample in dataset]
        if split != ALL:
            lists = folder / "ImageSets" / "Main"
            lists.mkdir(parents=True, exist_ok=True)
            (lists / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems), encoding="utf-8")
    copies.report()


def _write_annotation(sample: Sample, class_names: Sequence[str], folder: Path, photo: str) -> str:
    """Write the XML file of an image; returns its stem."""
    root = ElementTree.Element("annotation")
    _add(root, {"folder": "JPEGImages", "filename": photo})
    if sample.size:
        _add(ElementTree.SubElement(root, "size"), {"width": sample.size[1], "height": sample.size[0], "depth": 3})
    for class_id, box, ignore in zip(sample.class_ids, sample.boxes, sample.ignore, strict=True):
        item = ElementTree.SubElement(root, "object")
        _add(item, {"name": class_names[class_id], "pose": "Unspecified", "truncated": 0, "difficult": int(ignore)})
        _add(ElementTree.SubElement(item, "bndbox"), dict(zip(CORNERS, map(shortest_number, box), strict=True)))
    tree = ElementTree.ElementTree(root)
    ElementTree.indent(tree)
    tree.write(folder / "Annotations" / f"{Path(photo).stem}.xml", encoding="utf-8")
    return Path(photo).stem


def _add(parent: ElementTree.Element, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        ElementTree.SubElement(parent, name).text = str(value)
