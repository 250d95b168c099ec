"""Figures of a dataset: what classes have, and how its objects look to a detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from centernet.data.check.cells import Layout
from centernet.data.check.objects import Objects
from centernet.data.dataset import Dataset
from centernet.ops.preprocessing import MAX_DETECTIONS

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True)
class ClassCounts:
    """The objects of a class; sizes and places are those of objects that can be learned.

    Attributes:
        name: Its name.
        objects: How many it has, without crowds.
        ignored: Crowds and the like.
        images: How many images have one of these.
        cells: Median width and height in output cells; None if there is none.
        small: Objects that cover less than a cell.
        shared: Objects whose center lies in the cell of another of the class.
    """

    name: str
    objects: int
    ignored: int
    images: int
    cells: tuple[float, float] | None
    small: int
    shared: int


@dataclass(frozen=True)
class Figures:
    """The objects that can be learned, on the output of a detector.

    Attributes:
        objects: How many there are.
        sides: Side in cells of a square as large as the box: of the smallest, 5 %, median, 95 %, largest.
        small: How many cover less than a cell.
        shared_class: How many have their center in the cell of another of their class.
        shared_any: How many have it in the cell of another of any class.
        in_image: Objects of an image: fewest, median, most.
        without: Images without any.
        crowded: Images with more objects than a detector gives.
    """

    objects: int
    sides: tuple[float, ...]
    small: int
    shared_class: int
    shared_any: int
    in_image: tuple[int, float, int]
    without: int
    crowded: int


def class_counts(dataset: Dataset, objects: Objects, learned: Objects, layout: Layout) -> tuple[ClassCounts, ...]:
    """The objects of each class.

    Args:
        dataset: The dataset.
        objects: All objects.
        learned: Those that can be learned.
        layout: Of these.
    """
    counts = []
    for class_id, name in enumerate(dataset.class_names):
        ours, mask = objects.class_ids == class_id, learned.class_ids == class_id
        counts.append(
            ClassCounts(
                name=name,
                objects=int((ours & ~objects.ignore).sum()),
                ignored=int((ours & objects.ignore).sum()),
                images=len(np.unique(objects.images[ours & ~objects.ignore])),
                cells=tuple(np.median(layout.cells[mask], axis=0).round(2).tolist()) if mask.any() else None,
                small=int(layout.small[mask].sum()),
                shared=int(layout.of_class[mask].sum()),
            )
        )
    return tuple(counts)


def figures(dataset: Dataset, learned: Objects, layout: Layout) -> Figures:
    """How objects look to a detector.

    Args:
        dataset: The dataset.
        learned: The objects that can be learned.
        layout: Where they lie.
    """
    sides = np.sqrt(layout.cells.prod(axis=1))
    in_image = np.bincount(learned.images, minlength=len(dataset))
    return Figures(
        objects=len(learned),
        sides=tuple(np.quantile(sides, QUANTILES).round(2).tolist()) if len(sides) else (),
        small=int(layout.small.sum()),
        shared_class=int(layout.of_class.sum()),
        shared_any=int(layout.of_any.sum()),
        in_image=(int(in_image.min()), float(np.median(in_image)), int(in_image.max())) if len(in_image) else (0, 0, 0),
        without=int((in_image == 0).sum()),
        crowded=int((in_image > MAX_DETECTIONS).sum()),
    )
