"""Pascal VOC: an XML for each image, photos in `JPEGImages/`, splits in `ImageSets/Main/*.txt`.

Without an `Annotations/` folder, XML files beside the photos are read as well, with subfolders `train/`, `valid/` and
`test/` as splits. Classes are the names that occur in all of the dataset's files, sorted. Difficult objects are
`ignore`. XML is read by defusedxml: a file with entities or a document type is refused.

**Coordinates are taken as they are written**: `xmin ymin xmax ymax` become `x0 y0 x1 y1` unchanged, and are written
unchanged. VOC's own files count pixels from 1 and include the last, which would make the edges
`xmin − 1, ymin − 1, xmax, ymax`; the Detection API and today's annotation tools don't, and neither did the published
trainings that results are compared to. For VOC's own files that makes boxes one pixel smaller at the left and top.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from defusedxml.ElementTree import parse

from centernet.data.dataset import Dataset
from centernet.data.image_copies import ImageCopies
from centernet.data.image_files import image_ids, is_image
from centernet.data.numbers import shortest
from centernet.data.sample import Sample
from centernet.data.skipped import UNREADABLE, Skipped
from centernet.data.splits import ALL, NAMES, split_in
from centernet.errors import ConfigError
from centernet.sources import natural

CORNERS = ("xmin", "ymin", "xmax", "ymax")
PHOTOS = ("JPEGImages", "images", "Images", ".")
_HEAD = 2048
_OF_ONE_CLASS = re.compile(rf".+_({'|'.join(NAMES)})")  # aeroplane_train.txt beside train.txt


@dataclass(frozen=True)
class _Annotation:
    """What one XML says."""

    file: str
    size: tuple[int, int] | None
    names: tuple[str, ...]
    boxes: np.ndarray
    difficult: tuple[bool, ...]


def recognize(path: Path) -> bool:
    """Whether a path is a folder with VOC's XML."""
    return any(_is_annotation(file) for file in _parts(path).get(ALL, ())[:3])


def splits(path: Path) -> tuple[str, ...]:
    """The lists in `ImageSets/Main`, or the subfolders that are called like splits."""
    return tuple(name for name in _parts(path) if name != ALL)


def read(path: Path, splits: Sequence[str]) -> list[Dataset]:
    """Read some splits; see `FormatModule.read`. All files are looked at, since each may have a class of its own."""
    parts = _parts(path)
    files = list(dict.fromkeys(file for part in (ALL, *splits) for file in parts[part]))
    found = {file: _outcome(file) for file in files}
    classes = sorted({name for item in found.values() if isinstance(item, _Annotation) for name in item.names})
    photos = _Photos()
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


def _parts(path: Path) -> dict[str, list[Path]]:
    """Split → XML files; under `ALL` each of them."""
    root = _root(path)
    annotations = root / "Annotations"
    if annotations.is_dir():
        found = (root / "ImageSets" / "Main").glob("*.txt")
        lists = sorted(filter(_is_split, found), key=lambda file: (file.stem not in NAMES, file.stem))
        files = _xml_in(annotations)
        stems = {file.stem for file in files}
        parts = {file.stem: [annotations / f"{name}.xml" for name in _listed(file, stems)] for file in lists}
        return {**parts, ALL: files}
    folders = [folder for folder in sorted(root.glob("*/")) if split_in(folder.name)]
    parts = {str(split_in(folder.name)): _xml_in(folder) or _xml_in(folder / "Annotations") for folder in folders}
    parts = {split: files for split, files in parts.items() if files}
    return {**parts, ALL: [*_xml_in(root), *(file for files in parts.values() for file in files)]}


def _root(path: Path) -> Path:
    """The folder with `Annotations`: the path, or the only one in a VOCdevkit."""
    if (path / "Annotations").is_dir():
        return path
    inner = [folder.parent for folder in sorted(path.glob("*/Annotations")) if not split_in(folder.parent.name)]
    if len(inner) > 1:
        raise ConfigError(f"Expected one dataset in {path}. Found: {', '.join(map(str, inner))}. Give one of these.")
    return inner[0] if inner else path


def _is_split(file: Path) -> bool:
    return not (match := _OF_ONE_CLASS.fullmatch(file.stem)) or not file.with_stem(match[1]).is_file()


def _listed(file: Path, stems: Container[str]) -> list[str]:
    """The names in a list; in some of VOC's a number follows each."""
    lines = map(str.strip, file.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    return [line if line in stems else re.sub(r"(?<=\S)\s+-?[01]$", "", line) for line in lines if line]


def _xml_in(folder: Path) -> list[Path]:
    return sorted((file for file in folder.glob("*.xml") if file.name[0] != "."), key=lambda file: natural(file.name))


def _outcome(file: Path) -> _Annotation | Exception:
    try:
        return _parsed(file)
    except UNREADABLE as error:
        return error


def _parsed(file: Path) -> _Annotation:
    root = parse(file, forbid_dtd=True).getroot()
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


class _Photos:
    """Finds the photo of an annotation: what it names, or one that is called like the XML."""

    def __init__(self) -> None:
        self._folders: dict[Path, tuple[Path, dict[str, str]]] = {}

    def of(self, xml: Path, named: str) -> Path:
        if xml.parent not in self._folders:
            self._folders[xml.parent] = self._folder(xml.parent)
        folder, names = self._folders[xml.parent]
        file = named if (folder / named).is_file() else names.get(xml.stem, named or f"{xml.stem}.jpg")
        return folder / file

    def _folder(self, home: Path) -> tuple[Path, dict[str, str]]:
        """The folder with photos for the XML files in a folder, and stem → file in it."""
        around = [home.parent / name for name in PHOTOS] if home.name == "Annotations" else []
        folders = [folder for folder in (*around, home) if folder.is_dir()]
        names = [
            {file.stem: file.name for file in sorted(folder.iterdir()) if is_image(file.name)} for folder in folders
        ]
        return next((pair for pair in zip(folders, names, strict=True) if pair[1]), (folders[0], {}))


def _dataset(
    found: Mapping[Path, _Annotation | Exception], classes: Sequence[str], where: str, photos: _Photos
) -> Dataset:
    skipped = Skipped(where)
    ids = image_ids([f"{file.parent.name}/{file.name}" for file in found])
    index = {name: number for number, name in enumerate(classes)}
    samples = []
    for (file, item), identity in zip(found.items(), ids, strict=True):
        with skipped.image(file.name):
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
        _add(ElementTree.SubElement(item, "bndbox"), dict(zip(CORNERS, map(shortest, box), strict=True)))
    return root


def _add(parent: ElementTree.Element, fields: Mapping[str, Any]) -> None:
    for name, value in fields.items():
        ElementTree.SubElement(parent, name).text = str(value)
