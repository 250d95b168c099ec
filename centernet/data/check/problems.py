"""The kinds of problems that checking a dataset can find, and the problems of one dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from centernet.data.check.objects import Objects
from centernet.data.dataset_base import DatasetBase
from centernet.files.formatting import shortened_list

Level = Literal["fatal", "problem", "note"]
LEVELS: tuple[Level, ...] = ("fatal", "problem", "note")  # worst first
IMAGE_FAILURES = ("missing", "truncated", "unreadable")  # kinds of images that can't be read


class Kind(NamedTuple):
    """A kind of problem: its text for one case and for several, advice, and default level."""

    one: str
    many: str
    advice: str
    level: Level = "problem"


_REPLACED = "Training uses other images instead. Restore these files, or delete their annotations."
_BACKGROUND = "Training treats these objects as background. Correct or delete them."
_DUPLICATE = "A detector detects one and misses its duplicates. Delete them."
_NAMES = "Compare the class ids of the annotations with the list of names."
_POSITION = "Give keypoints in pixels, and visibility 0 to those that are not labeled."
_LARGER = "Train at a larger input size, or on crops of the images."

KINDS: Mapping[str, Kind] = {
    "reading": Kind("warning of the reader", "warnings of the reader", "Skipped annotations are not checked."),
    "missing": Kind("image is missing", "images are missing", _REPLACED),
    "truncated": Kind("image is truncated", "images are truncated", _REPLACED),
    "unreadable": Kind("image can't be read", "images can't be read", _REPLACED),
    "size": Kind(
        "image differs in size from its annotation",
        "images differ in size from their annotations",
        "If they were resized or rotated after annotation, their boxes are wrong.",
    ),
    "same image": Kind(
        "image is a byte-for-byte copy of another",
        "images are byte-for-byte copies of others",
        "Keep one of each, and no copy of a training image in a test split.",
    ),
    "same id": Kind("image has a duplicate id", "images have duplicate ids", "Evaluation mixes them up. Rename them."),
    "no number": Kind("box has a NaN or infinite coordinate", "boxes have NaN or infinite coordinates", _BACKGROUND),
    "reversed": Kind("box has swapped corners", "boxes have swapped corners", _BACKGROUND),
    "empty": Kind("box has no width or no height", "boxes have no width or no height", _BACKGROUND),
    "outside": Kind("box lies outside its image", "boxes lie outside their images", _BACKGROUND),
    "over the edge": Kind("box extends beyond its image", "boxes extend beyond their images", "Training clips them."),
    "below a pixel": Kind(
        "box is less than a pixel wide or high",
        "boxes are less than a pixel wide or high",
        "Such objects are invisible. If they should be large, normalized coordinates were read as pixels.",
    ),
    "twice": Kind("object is an exact duplicate", "objects are exact duplicates", _DUPLICATE),
    "nearly twice": Kind(
        "object is a near duplicate (same class, IoU of at least 0.9)",
        "objects are near duplicates (same class, IoU of at least 0.9)",
        f"Review them. {_DUPLICATE}",
    ),
    "misread": Kind(
        "box is stored in the wrong format",
        "boxes are stored in the wrong format",
        "Write boxes as the format of the dataset specifies.",
        "fatal",
    ),
    "pixels from 1": Kind(
        "dataset looks like Pascal VOC that counts pixels from 1: no corner at 0, some at 1",
        "datasets look like Pascal VOC that counts pixels from 1: no corner at 0, some at 1",
        "If so, read it with voc_origin=1 (--voc-origin 1), which moves left and top edges by one pixel.",
        "note",
    ),
    "unknown class": Kind(
        "object has a class that the dataset doesn't name",
        "objects have a class that the dataset doesn't name",
        f"Training treats them as background. {_NAMES}",
    ),
    "class off by one": Kind("class id is off by one", "class ids are off by one", _NAMES, "fatal"),
    "class perhaps off by one": Kind("class id may be off by one", "class ids may be off by one", _NAMES),
    "class unused": Kind(
        "class has no object", "classes have no object", "Add examples of it, or leave it out.", "note"
    ),
    "class rare": Kind("class has few objects", "classes have few objects", "Add more examples.", "note"),
    "background": Kind("class names the background", "classes name the background", "Remove this class.", "note"),
    "classes alike": Kind(
        "class name has several spellings", "class names have several spellings", "Each counts as a class. Choose one."
    ),
    "keypoint count": Kind(
        "image has another number of keypoints than the dataset",
        "images have another number of keypoints than the dataset",
        "Give every object the keypoints that dataset.keypoints names.",
        "fatal",
    ),
    "keypoint outside": Kind("keypoint lies outside its image", "keypoints lie outside their images", _POSITION),
    "keypoint at 0, 0": Kind("labeled keypoint lies at 0, 0", "labeled keypoints lie at 0, 0", _POSITION),
    "keypoint no number": Kind("keypoint is NaN or infinite", "keypoints are NaN or infinite", _POSITION),
    "visibility": Kind(
        "keypoint has a visibility other than 0, 1 and 2",
        "keypoints have a visibility other than 0, 1 and 2",
        "Values above 0 count as labeled.",
    ),
    "keypoint far": Kind(
        "keypoint lies outside the search area around its box",
        "keypoints lie outside the search areas around their boxes",
        "Check that box and keypoints belong to the same object.",
        "note",
    ),
    "keypoint unused": Kind("keypoint is never labeled", "keypoints are never labeled", "Label it somewhere.", "note"),
    "flip": Kind(
        "keypoint has no valid counterpart in a mirrored image",
        "keypoints have no valid counterparts in a mirrored image",
        "Define left and right by keypoint names (left_eye) or by flip_idx.",
    ),
    "small": Kind("object is smaller than an output cell", "objects are smaller than an output cell", _LARGER, "note"),
    "shared cell": Kind(
        "object has its center in the same output cell as another of its class",
        "objects have their centers in the same output cells as others of their class",
        f"Objects as Points detects one object per cell and class. {_LARGER}",
        "note",
    ),
    "crowded": Kind(
        "object exceeds the maximum detections per image",
        "objects exceed the maximum detections per image",
        "Raise max_detections of the decoder, or train on crops of the images.",
        "note",
    ),
    "no image": Kind("image is in the dataset", "images are in the dataset", "Check the path and the split.", "fatal"),
    "no class": Kind("class is named", "classes are named", "Annotate objects, or name the classes.", "fatal"),
    "no readable image": Kind("image can be read", "images can be read", "Check the paths.", "fatal"),
    "no object": Kind("object is usable", "objects are usable", "See the problems below.", "fatal"),
}


@dataclass(frozen=True)
class Problem:
    """All cases of one kind of problem; `str(problem)` is a line of text."""

    kind: str  # key of KINDS
    text: str  # description without the cases
    count: int  # number of cases
    level: Level  # "fatal" if training is pointless, "note" if it may be intended
    advice: str  # consequence, and what to do
    images: tuple[int | str, ...] = field(default=(), repr=False)  # ids of the affected images
    cases: tuple[str, ...] = field(default=(), repr=False)  # what the text names: images, classes or keypoints
    # Index of an image in the dataset → indices of its affected objects; empty for the image itself.
    objects: Mapping[int, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return f"{self.text}: {shortened_list(self.cases)}" if self.cases else self.text

    def to_dict(self) -> dict[str, Any]:
        """The problem as JSON-compatible values, with all images."""
        values = {name: getattr(self, name) for name in ("kind", "level", "text", "advice", "count")}
        return {**values, "images": list(self.images), "cases": list(self.cases)}


def problem(kind: str, count: int, cases: Iterable[str] = (), *, detail: str = "", **fields: Any) -> Problem:
    """A problem of a kind; `detail` is appended to its text."""
    entry = KINDS[kind]
    text = f"{f'{count:,}' if count else 'no'} {entry.one if count == 1 else entry.many}{detail}"
    return Problem(kind, text, count, **{"level": entry.level, "advice": entry.advice, "cases": tuple(cases), **fields})


def of_images(
    dataset: DatasetBase, kind: str, numbers: Sequence[int], cases: Sequence[str] = (), **fields: Any
) -> list[Problem]:
    """A list with the problem of the images with these indices; empty if there are none."""
    if not numbers:
        return []
    ids = tuple(dataset[number].image_id for number in numbers)
    affected = {number: () for number in numbers}
    return [problem(kind, len(numbers), cases or map(str, ids), images=ids, objects=affected, **fields)]


def of_objects(
    dataset: DatasetBase, kind: str, objects: Objects, mask: np.ndarray, count: int | None = None, **fields: Any
) -> list[Problem]:
    """A list with the problem of the objects in a mask, bool `(n,)`; empty if there are none.

    `count` is the number of cases if it is not one per object; further `fields` are those of `problem`.
    """
    if not mask.any():
        return []
    images, first = np.unique(objects.images[mask], return_index=True)
    parts = np.split(objects.numbers[mask], first[1:])
    affected = {int(image): tuple(numbers.tolist()) for image, numbers in zip(images, parts, strict=True)}
    ids = tuple(dataset[image].image_id for image in affected)
    detail = f"{fields.pop('detail', '')}, in {len(ids):,} image{'s' * (len(ids) > 1)}"
    cases = int(mask.sum()) if count is None else count
    return [problem(kind, cases, map(str, ids), images=ids, objects=affected, detail=detail, **fields)]
