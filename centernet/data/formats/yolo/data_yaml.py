"""The `data.yaml` of a YOLO dataset, or the files that replace it: content, and flaws of an incomplete one.

Without train or val in the YAML, and with `classes.txt` (Label Studio) or Darknet's `obj.names` (CVAT) instead of one,
the photos are those in `images/`, `train/images/` and so on, or in `obj_train_data/`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from centernet.data.classes import UNKNOWN, class_names
from centernet.data.image_files import images_below
from centernet.data.keypoints import KeypointTask, keypoint_task, unnamed_keypoints
from centernet.data.splits import ALL, NAMES, split_in
from centernet.errors import ConfigError
from centernet.files.yaml_files import read_yaml
from centernet.images.sources import is_image

SUFFIXES = (".yaml", ".yml")


class DataYaml:
    """The content of a `data.yaml`.

    Attributes:
        file: The file.
        name: Name of the dataset.
        places: Split → where its photos are.
        classes: Names of the classes.
        kpt_shape: Number of keypoints, and of values per keypoint: 2 (x, y) or 3 (x, y, visibility).
    """

    def __init__(self, path: Path) -> None:
        found = find_yaml(path)
        if found is None:
            raise ConfigError(f"Expected a data.yaml with names, and with train or val, in {path}. None has them.")
        self.file, content = found
        self.name = path.name if os.path.isdir(path) else self.file.parent.name
        self.places = {split: content[split] for split in (*NAMES, ALL) if content.get(split)}
        self._class_ids, self.classes = _class_names(content["names"], self.file)
        self.kpt_shape = _kpt_shape(content.get("kpt_shape"), self.file)
        self._flip, names = content.get("flip_idx"), content.get("kpt_names") or {}
        self._kpt_names = names if isinstance(names, Mapping) else dict.fromkeys(range(len(self.classes)), names)
        self._root = self.file.parent / str(content.get("path") or "")
        if not os.path.isdir(self._root):  # a path of another machine, or below Ultralytics's own folder
            self._root = self.file.parent

    def class_id(self, number: int) -> int:
        """The class id of a number in the labels: the same, unless the names are counted from 1 or have gaps."""
        plain = range(len(self.classes))
        return number if list(self._class_ids) == [*plain] else self._class_ids.get(number, UNKNOWN)

    def keypoint_class(self) -> str | None:
        """The class that `kpt_names` names, or the only class; None if the labels decide."""
        if len(self.classes) == 1:
            return self.classes[0]
        named = list(self._kpt_names)
        return self.classes[int(named[0])] if len(named) == 1 and 0 <= int(named[0]) < len(self.classes) else None

    def keypoints_of(self, class_name: str) -> KeypointTask:
        """The schema of the class that has the keypoints."""
        names = self._kpt_names.get(self.classes.index(class_name))
        try:
            if names:
                return keypoint_task(class_name, names, flip=self._flip)
            return unnamed_keypoints(class_name, self.kpt_shape[0], self._flip)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"Expected kpt_names and flip_idx of {class_name} in {self.file}. {error}") from error

    def photos(self, split: str) -> list[Path]:
        """The photos of a split, each once."""
        places = self.places[split] if isinstance(self.places[split], list) else [self.places[split]]
        return list(dict.fromkeys(photo for place in places for photo in self._photos(str(place))))

    def _photos(self, place: str) -> Iterator[Path]:
        path = self._root / place
        if not os.path.exists(path) and place.startswith("../"):  # Roboflow writes paths one folder too high
            path = self._root / place.removeprefix("../")
        if os.path.isdir(path):
            yield from images_below(path)
        elif path.suffix == ".txt" and os.path.isfile(path):
            for line in map(str.strip, _lines(path)):
                if is_image(Path(line).name):
                    listed = Path(line.replace("\\", "/"))
                    if listed.parts[:1] == ("data",) and not os.path.exists(self._root / listed):  # written by CVAT
                        listed = listed.relative_to("data")
                    # Lists have paths relative to their own folder, with "./", or to the root.
                    yield path.parent / listed if os.path.isfile(path.parent / listed) else self._root / listed
        else:
            raise ConfigError(
                f"Expected a folder with photos or a .txt that lists them. {path} in {self.file} is neither."
            )


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Expected a list of photos in UTF-8. {file} can't be read as one: {error}") from error


def _kpt_shape(shape: Any, file: Path) -> tuple[int, int]:
    if shape is None:
        return 0, 3
    if not (isinstance(shape, list) and len(shape) == 2 and isinstance(shape[0], int) and shape[1] in (2, 3)):
        raise ConfigError(f"Expected a kpt_shape of [keypoints, 2 or 3] in {file}. Received: {shape!r}")
    return shape[0], shape[1]


def _class_names(names: Any, file: Path) -> tuple[Mapping[int, int], tuple[str, ...]]:
    if isinstance(names, list):
        names = dict(enumerate(names))
    try:
        by_id = {int(str(number)): str(name).strip() for number, name in names.items()}
    except (AttributeError, ValueError):
        raise ConfigError(f"Expected names as a list, or number: name, in {file}. Received: {names!r}") from None
    numbers = sorted(by_id)
    return {number: index for index, number in enumerate(numbers)}, class_names([by_id[number] for number in numbers])


def find_yaml(path: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """The YAML with names and splits at a path or in a folder, and its content; `data.yaml` is preferred.

    A YAML with names only, `classes.txt` and `*.names` get the splits from the folders beside them.
    """
    contents = [(file, content) for file in _files(path) if isinstance(content := _content(file), Mapping)]
    complete = next((pair for pair in contents if _is_complete(pair[1])), None)
    if complete:
        return complete
    named = [(file, dict(content)) for file, content in contents if "names" in content]
    folder = path if os.path.isdir(path) else path.parent
    lists = [path] if os.path.isfile(path) else [*folder.glob("classes.txt"), *sorted(folder.glob("*.names"))]
    named += [(file, {"names": _listed_names(file)}) for file in lists if file.suffix in (".txt", ".names")]
    found = ((file, content | places) for file, content in named if (places := _places(file.parent)))
    return next((pair for pair in found if pair[1]["names"]), None)


def _listed_names(file: Path) -> list[str]:
    try:
        return [line.strip() for line in _lines(file) if line.strip()]
    except ConfigError:
        return []


def _places(folder: Path) -> dict[str, Any]:
    """Split → place of the photos, of a dataset that doesn't say; empty if no photo there has a label file."""
    splits: dict[str, Any] = {}
    for data in sorted(folder.glob("obj_*_data")):
        split = split_in(data.name.removeprefix("obj_").removesuffix("_data").lower())
        listed = folder / f"{split}.txt"
        splits[split or ALL] = listed.name if os.path.isfile(listed) else data.name
    for place in sorted({*folder.glob("images/*/"), *folder.glob("*/images/")}):
        name = place.name if place.parent.name == "images" else place.parent.name
        if split := split_in(name):
            splits[split] = place.relative_to(folder).as_posix()
    if not splits and any((folder / "labels").glob("*.txt")) and os.path.isdir(folder / "images"):
        splits[ALL] = "images"
    beside = (file for file in sorted(folder.glob("*.txt")) if file.stem != "classes")
    if not splits and any(is_image(one.name) for file in beside for one in folder.glob(f"{file.stem}.*")):
        splits[ALL] = "."
    return splits


def flaw_of(path: Path) -> str:
    """A sentence why the YAML at a path or in a folder describes no dataset; empty if none seems meant to."""
    return next(filter(None, (_flaw(file, _content(file), given=file == path) for file in _files(path))), "")


def _files(path: Path) -> Iterator[Path]:
    files = (
        [path] if os.path.isfile(path) else sorted(path.glob("*"), key=lambda file: (file.stem != "data", file.name))
    )
    return (file for file in files if file.suffix in SUFFIXES and os.path.isfile(file))


def _content(file: Path) -> Any:
    try:
        return read_yaml(file, exponents=False)  # names such as 1e3 are text to the tools that write them
    except ConfigError as error:
        return error


def _is_complete(content: Mapping[str, Any]) -> bool:
    return "names" in content and any(content.get(name) for name in NAMES)


def _flaw(file: Path, content: Any, *, given: bool) -> str:
    if isinstance(content, ConfigError):
        return _syntax_error(file, content)
    if not isinstance(content, Mapping):
        return f"{file} has no names and no train or val." if given else ""
    if _is_complete(content) or not (given or {"nc", "names", *NAMES} & set(content)):
        return ""
    if "names" in content:
        return f"{file} has names, but neither train nor val. Give the folders of photos there."
    lines = enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    line = next((number for number, text in lines if text.startswith("nc:")), None)
    received = f"nc: {content['nc']!r} in line {line}, but no names" if line else "no names"
    return f"{file} has {received}. Give each class a name there: names: [cat, dog]."


def _syntax_error(file: Path, error: ConfigError) -> str:
    cause = error.__cause__
    mark = getattr(cause, "problem_mark", None)
    if not isinstance(cause, yaml.MarkedYAMLError) or mark is None:
        return f"{error}."
    start = cause.context_mark
    context = f" ({cause.context} of line {start.line + 1})" if cause.context and start else ""
    return f"{file} is no YAML: line {mark.line + 1}: {cause.problem}{context}. Correct it there."
