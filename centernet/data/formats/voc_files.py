"""Where the XML files and the photos of a Pascal VOC dataset lie; case doesn't matter in the names of its folders."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from centernet.data.image_files import is_image
from centernet.data.splits import ALL, NAMES, split_in
from centernet.errors import ConfigError
from centernet.images.sources import natural_key

ANNOTATIONS = "annotations"
PHOTOS = ("jpegimages", "images")
_OF_ONE_CLASS = re.compile(rf".+_({'|'.join(NAMES)})")  # aeroplane_train.txt beside train.txt


def parts_of(path: Path) -> dict[str, list[Path]]:
    """Split → XML files; under `ALL` each of them.

    Raises:
        ConfigError: If there are several datasets.
    """
    root = _root(path)
    annotations = _annotations(root)
    if annotations:
        files = _xml_below(annotations)
        lists = [file for main in _within(root, "imagesets", "main") for file in main.glob("*.txt")]
        lists = sorted(filter(_is_split, lists), key=lambda file: (file.stem not in NAMES, file.stem))
        names = _names(files, annotations)
        parts = {file.stem: _listed(file, names, annotations) for file in lists} or _by_folder(files, annotations)
        return {**parts, ALL: files}
    folders = [folder for folder in sorted(root.glob("*/")) if split_in(folder.name)]
    parts = {str(split_in(folder.name)): _xml_of(folder) for folder in folders}
    parts = {split: files for split, files in parts.items() if files}
    return {**parts, ALL: [*_xml_in(root), *(file for files in parts.values() for file in files)]}


def _root(path: Path) -> Path:
    """The folder with `Annotations`: the path, or the only one in a VOCdevkit."""
    if _annotations(path):
        return path
    inner = [folder for folder in sorted(path.glob("*/")) if not split_in(folder.name) and _annotations(folder)]
    if len(inner) > 1:
        raise ConfigError(f"Expected one dataset in {path}. Found: {', '.join(map(str, inner))}. Give one of these.")
    return inner[0] if inner else path


def _annotations(folder: Path) -> Path | None:
    """The folder in another that has XML files and is called Annotations."""
    return next((inner for inner in _within(folder, ANNOTATIONS) if any(_walk(inner))), None)


def _within(folder: Path, *names: str) -> list[Path]:
    """The folders at a path of names in small letters, below a folder."""
    found = [folder]
    for name in names:
        found = [inner for outer in found for inner in sorted(outer.glob("*/")) if inner.name.casefold() == name]
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """The XML files in a folder and its subfolders; links to other folders are not followed."""
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names if name.endswith(".xml") and not name.startswith("."))


def _xml_below(folder: Path) -> list[Path]:
    return sorted(_walk(folder), key=lambda file: natural_key(file.relative_to(folder).as_posix()))


def _xml_in(folder: Path) -> list[Path]:
    return sorted(
        (file for file in folder.glob("*.xml") if file.name[0] != "."), key=lambda file: natural_key(file.name)
    )


def _xml_of(split: Path) -> list[Path]:
    annotations = _annotations(split)
    return _xml_in(split) or (_xml_below(annotations) if annotations else [])


def _is_split(file: Path) -> bool:
    return not (match := _OF_ONE_CLASS.fullmatch(file.stem)) or not file.with_stem(match[1]).is_file()


def _names(files: Sequence[Path], annotations: Path) -> dict[str, Path]:
    """What a list may call each file: by its folder and name, or by its name if no other has it."""
    counts = Counter(file.stem for file in files)
    alone = {file.stem: file for file in files if counts[file.stem] == 1}
    return alone | {file.relative_to(annotations).as_posix().removesuffix(".xml"): file for file in files}


def _listed(file: Path, names: Mapping[str, Path], annotations: Path) -> list[Path]:
    """The files in a list; in some of VOC's a number follows each name."""
    lines = map(str.strip, file.read_text(encoding="utf-8-sig", errors="replace").splitlines())
    listed = [line if line in names else re.sub(r"(?<=\S)\s+-?[01]$", "", line) for line in lines if line]
    return [names.get(name, annotations / f"{name}.xml") for name in listed]


def _by_folder(files: Sequence[Path], annotations: Path) -> dict[str, list[Path]]:
    """The files in subfolders that are called like splits."""
    parts: dict[str, list[Path]] = defaultdict(list)
    for file in files:
        folder, *inner = file.relative_to(annotations).parts
        split = split_in(folder) if inner else None
        if split:
            parts[split].append(file)
    return parts


class Photos:
    """Finds the photo of an annotation: what it names, or one that is called like the XML.

    Attributes:
        path: The dataset.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folders: dict[Path, tuple[Path, dict[str, str]]] = {}

    def of(self, xml: Path, named: str) -> Path:
        """The photo of an XML file that names one, whether or not it is there."""
        if xml.parent not in self._folders:
            self._folders[xml.parent] = self._folder(xml.parent)
        folder, names = self._folders[xml.parent]
        file = named if (folder / named).is_file() else names.get(xml.stem, named or f"{xml.stem}.jpg")
        return folder / file

    def _folder(self, home: Path) -> tuple[Path, dict[str, str]]:
        """The folder with photos for the XML files in a folder, and stem → file in it."""
        folders = [folder for folder in dict.fromkeys([*self._around(home), home]) if folder.is_dir()]
        names = [
            {file.stem: file.name for file in sorted(folder.iterdir()) if is_image(file.name)} for folder in folders
        ]
        return next((pair for pair in zip(folders, names, strict=True) if pair[1]), (folders[0], {}))

    def _around(self, home: Path) -> Iterator[Path]:
        """Folders beside `Annotations`: for a subfolder of that, first those which are called like it."""
        within = (folder for folder in (home, *home.parents) if folder.is_relative_to(self.path))
        annotations = next((folder for folder in within if folder.name.casefold() == ANNOTATIONS), None)
        if annotations:
            beside = annotations.parent
            for folder in (*(found for name in PHOTOS for found in _within(beside, name)), beside):
                yield from (folder / home.relative_to(annotations), folder)
