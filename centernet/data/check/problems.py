"""Problems of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from centernet.data.check.kinds import KINDS, Level
from centernet.data.check.objects import Objects
from centernet.data.dataset import Dataset

SHOWN = 5  # cases that a text names


@dataclass(frozen=True)
class Problem:
    """What was found of one kind; as text it reads well.

    Attributes:
        kind: Key of `KINDS`.
        text: What it is, without the cases.
        count: How often.
        level: `"fatal"` if nothing good can be learned, `"problem"`, or `"note"` if it may be meant.
        advice: What comes of it, and what to do.
        images: Ids of the images that have it.
        cases: What the text names: image ids, paths of images that can't be read, or names of classes.
        objects: Number of an image in the dataset → numbers of its objects that have it; none for the image itself.
    """

    kind: str
    text: str
    count: int
    level: Level
    advice: str
    images: tuple[int | str, ...] = ()
    cases: tuple[str, ...] = ()
    objects: Mapping[int, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """What it is, with the first cases."""
        more = len(self.cases) - SHOWN
        named = ", ".join(self.cases[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
        return f"{self.text}: {named}" if named else self.text

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON has it, with all images."""
        return {
            "kind": self.kind,
            "level": self.level,
            "text": self.text,
            "advice": self.advice,
            "count": self.count,
            "images": list(self.images),
            "cases": list(self.cases),
        }


def problem(kind: str, count: int, cases: Iterable[str] = (), *, detail: str = "", **fields: Any) -> Problem:
    """A problem of a kind; `detail` follows its text."""
    entry = KINDS[kind]
    text = f"{f'{count:,}' if count else 'no'} {entry.one if count == 1 else entry.many}{detail}"
    return Problem(kind, text, count, **{"level": entry.level, "advice": entry.advice, "cases": tuple(cases), **fields})


def of_images(
    dataset: Dataset, kind: str, numbers: Sequence[int], cases: Sequence[str] = (), **fields: Any
) -> list[Problem]:
    """A problem of some images, if there are any; by their numbers in the dataset."""
    if not len(numbers):
        return []
    ids = tuple(dataset[number].image_id for number in numbers)
    marked = {int(number): () for number in numbers}
    return [problem(kind, len(numbers), cases or map(str, ids), images=ids, objects=marked, **fields)]


def of_objects(
    dataset: Dataset, kind: str, objects: Objects, mask: np.ndarray, count: int | None = None, **fields: Any
) -> list[Problem]:
    """A problem of some objects, if there are any.

    Args:
        dataset: The dataset.
        kind: Key of `KINDS`.
        objects: All objects of the dataset.
        mask: Which of them have it, bool `(n,)`.
        count: How often it is there, if not once for each of them.
        **fields: Of the problem.
    """
    if not mask.any():
        return []
    images, first = np.unique(objects.images[mask], return_index=True)
    parts = np.split(objects.numbers[mask], first[1:])
    marked = {int(image): tuple(numbers.tolist()) for image, numbers in zip(images, parts, strict=True)}
    ids = tuple(dataset[image].image_id for image in images.tolist())
    detail = f"{fields.pop('detail', '')}, in {len(ids):,} image{'s' * (len(ids) > 1)}"
    number = int(mask.sum()) if count is None else count
    return [problem(kind, number, map(str, ids), images=ids, objects=marked, detail=detail, **fields)]
