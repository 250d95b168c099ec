"""Shared by the formats of annotation tools: images with named objects, whose photos are anywhere below the folder."""

from __future__ import annotations

import dataclasses
import filecmp
import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from centernet.data.dataset import Dataset
from centernet.data.formats.shared import NamedImage, NamedSample, read_named
from centernet.data.image_files import PARSE_ERRORS, upright_size
from centernet.data.keypoints import KeypointTask, keypoint_task
from centernet.data.splits import ALL, conflict, split_in
from centernet.errors import CenterNetError, ConfigError
from centernet.images.sources import is_image

KEYPOINT_MARGIN = 0.1  # of the longer side: how far the box of keypoints without a box reaches beyond them
_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # put before names by Label Studio
Point = tuple[float, float, float]  # x, y, visibility
logger = logging.getLogger("centernet")


@dataclass(frozen=True)
class Object:
    """An annotated object.

    Attributes:
        name: Its class.
        box: `x0 y0 x1 y1` in pixels; None for the box of its keypoints.
        keypoints: Name → x, y in pixels and visibility.
        ignore: Whether it is neither positive nor negative.
        relative: Whether box and keypoints are relative to the width and height of the image.
    """

    name: str
    box: Sequence[float] | None
    keypoints: Mapping[str, Point] = field(default_factory=dict)
    ignore: bool = False
    relative: bool = False


@dataclass(frozen=True, eq=False)
class Annotated:
    """An image of an annotation tool.

    Attributes:
        photo: Name or path of the photo in the annotation.
        objects: Reads the objects; may raise one of `PARSE_ERRORS`.
        file: The annotation file.
        split: Its split, or `"all"`.
        size: Height and width in pixels, or None.
    """

    photo: str
    objects: Callable[[], Sequence[Object]]
    file: Path
    split: str = ALL
    size: tuple[int, int] | None = None


class Photos:
    """The photos below a folder by their names, listed once when the first is not where its annotation says."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._paths: dict[str, list[Path]] | None = None  # by name, and by stem for other suffixes

    def find(self, photo: str, beside: Path, split: str = ALL) -> Path:
        r"""The path of a photo; one that doesn't exist is `beside / name`.

        Args:
            photo: Name or path in the annotation, with `/` or `\`.
            beside: Folder of the annotation.
            split: Split of the annotation; photos in the folder of another split are not its own.

        Raises:
            CenterNetError: If several photos of this name have different content.
        """
        tail = PurePosixPath(photo.replace("\\", "/"))
        inside = not tail.is_absolute() and ".." not in tail.parts
        for folder in (beside, self.root) if inside else ():
            if os.path.isfile(folder / tail):
                return folder / tail
        if self._paths is None:
            self._paths = defaultdict(list)
            for place, _, names in os.walk(self.root):
                for name in filter(is_image, names):
                    self._paths[name].append(Path(place, name))
                    self._paths[Path(name).stem].append(Path(place, name))
        alike = (tail.name, tail.stem, _UPLOAD.sub("", tail.name))
        candidates = next((paths for name in alike if (paths := self._paths.get(name))), [])
        candidates = [path for path in candidates if not any(conflict(split, other) for other in self._splits(path))]
        same_path = [path for path in candidates if inside and path.as_posix().endswith(f"/{tail}")]
        candidates = same_path or candidates
        different = [path for path in candidates[1:] if not filecmp.cmp(candidates[0], path, shallow=False)]
        if different:
            raise CenterNetError(
                f"Several photos are called {tail.name}: {candidates[0]} and {different[0]} differ. Rename one, or "
                "give the folder that belongs to the annotations."
            )
        return candidates[0] if candidates else beside / tail.name

    def _splits(self, path: Path) -> list[str]:
        """The splits that the folders of a photo are named after."""
        return [split for folder in path.relative_to(self.root).parts[:-1] if (split := split_in(folder))]


def box_of_keypoints(points: Any) -> list[float] | None:
    """The box around labeled keypoints `(k, 3)`, widened by `KEYPOINT_MARGIN`; None if they are none, or one point."""
    labeled = np.asarray(points, np.float64).reshape(-1, 3)
    labeled = labeled[labeled[:, 2] > 0, :2]
    if not len(labeled):
        return None
    low, high = labeled.min(axis=0), labeled.max(axis=0)
    margin = KEYPOINT_MARGIN * (high - low).max()
    if not margin > 0:
        return None
    return [*(low - margin).tolist(), *(high + margin).tolist()]


def log_widened(where: str, count: int) -> None:
    """Log how many boxes were made from keypoints."""
    if count:
        logger.info(
            "%s: %d objects have keypoints but no box; their box is that of the labeled keypoints, widened by %d %% of "
            "its longer side.",
            *(where, count, round(100 * KEYPOINT_MARGIN)),
        )


class ToolFormat:
    """A format that is only read, made of functions; see `FormatModule`.

    Args:
        key: Key of the format.
        files: Its annotation files at a path.
        images: The images of an annotation file; the second argument is the dataset's folder.
        classes: Names of the classes in order, from the annotation files; by default those of all objects, sorted.
    """

    def __init__(
        self,
        key: str,
        files: Callable[[Path], Sequence[Path]],
        images: Callable[[Path, Path], Iterable[Annotated]],
        classes: Callable[[Sequence[Path]], Sequence[str]] | None = None,
    ) -> None:
        self._key, self._files, self._images, self._classes = key, files, images, classes

    def recognize(self, path: Path) -> bool:
        """See `FormatModule.recognize`."""
        return bool(self._files(path))

    def parts(self, path: Path) -> dict[str, list[Annotated]]:
        """See `FormatModule.parts`."""
        root, files = _root(path), self._files(path)
        images = [image for file in files for image in self._read_file(file, root, alone=len(files) == 1)]
        parts: dict[str, list[Annotated]] = defaultdict(list)
        for image in images:
            parts[image.split].append(image)
        return parts | {ALL: images}

    def _read_file(self, file: Path, root: Path, *, alone: bool) -> Iterator[Annotated]:
        """The images of a file; one of many that is invalid is an image that can't be read."""
        try:
            yield from self._images(file, root)
        except PARSE_ERRORS as error:
            if alone:
                raise ConfigError(
                    f"Expected {self._key} annotations in {file}. They can't be read: {error!r}"
                ) from error
            yield Annotated(file.name, partial(_refuse, error), file)

    def read(self, path: Path, splits: Sequence[str]) -> list[Dataset]:
        """See `FormatModule.read`."""
        parts, root = self.parts(path), _root(path)
        outcomes = {image: _outcome(image) for image in parts[ALL]}
        every = [one for outcome in outcomes.values() if not isinstance(outcome, Exception) for one in outcome]
        task = _task(every)
        classes = self._classes(self._files(path)) if self._classes else ()
        photos = Photos(root)
        named = {
            split: [
                NamedImage(_path_of(image, root), image.photo, partial(_sample, image, outcomes[image], photos, task))
                for image in parts[split]
            ]
            for split in {ALL, *splits}
        }
        datasets = read_named(named, splits, root.name, self._key, classes)
        log_widened(root.name, sum(one.box is None and bool(one.keypoints) for one in every))
        return [dataclasses.replace(dataset, keypoints=task) for dataset in datasets]


def _root(path: Path) -> Path:
    return path if os.path.isdir(path) else path.parent


def _path_of(image: Annotated, root: Path) -> str:
    """The photo's name, made unique by the annotation's folder, for image ids."""
    name = PurePosixPath(image.photo.replace("\\", "/")).name
    return (image.file.parent.relative_to(root) / name).as_posix() if image.split == ALL else f"{image.split}/{name}"


def _refuse(error: Exception) -> Sequence[Object]:
    raise ConfigError(f"{error!r}") from error


def _outcome(image: Annotated) -> Sequence[Object] | Exception:
    try:
        objects = image.objects()
        if not all(isinstance(one.name, str) and one.name for one in objects):
            raise ConfigError("an object without class")
        return objects
    except PARSE_ERRORS as error:
        return error


def _task(objects: Iterable[Object]) -> KeypointTask | None:
    """The keypoints of the class that has most; the order of names is that of their first occurrence."""
    posed = [one for one in objects if one.keypoints]
    if not posed:
        return None
    owner = Counter(one.name for one in posed).most_common(1)[0][0]
    names = dict.fromkeys(name for one in posed if one.name == owner for name in one.keypoints)
    return keypoint_task(owner, list(names))


def _sample(
    image: Annotated, outcome: Sequence[Object] | Exception, photos: Photos, task: KeypointTask | None
) -> NamedSample:
    if isinstance(outcome, Exception):
        raise outcome
    photo = photos.find(image.photo, image.file.parent, image.split)
    size = image.size
    if any(one.relative for one in outcome):
        size = size or upright_size(photo)
    kept = list(_in_pixels(outcome, size))
    keypoints = None
    if task and kept:
        owned = [points if one.name == task.class_name else {} for one, _, points in kept]
        missing = (0.0, 0.0, 0.0)
        keypoints = np.asarray([[points.get(name, missing) for name in task.names] for points in owned], np.float32)
    return NamedSample(
        [one.name for one, _, _ in kept],
        source=photo,
        boxes=np.asarray([box for _, box, _ in kept], np.float64).reshape(-1, 4),
        ignore=np.asarray([one.ignore for one, _, _ in kept], bool),
        keypoints=keypoints,
        size=size,
    )


def _in_pixels(
    objects: Iterable[Object], size: tuple[int, int] | None
) -> Iterator[tuple[Object, Any, Mapping[str, Point]]]:
    """Each object with a box, its box and its keypoints."""
    for one in objects:
        width, height = size[::-1] if one.relative and size else (1.0, 1.0)
        points = {name: (x * width, y * height, seen) for name, (x, y, seen) in one.keypoints.items()}
        if one.box is not None:
            yield one, np.asarray(one.box, np.float64).reshape(4) * (width, height, width, height), points
        elif (box := box_of_keypoints(list(points.values()))) is not None:
            yield one, box, points
