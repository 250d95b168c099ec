"""How a dataset looks to a detector of some input size: boxes in output cells, and objects that share one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from centernet.data.batches.fitting import fitted_size
from centernet.data.check.boxes import repeats
from centernet.data.check.objects import Objects, later
from centernet.data.check.problems import Problem, of_objects
from centernet.data.dataset import Dataset
from centernet.ops.preprocessing import MAX_DETECTIONS, STRIDE

# Parts of all objects from which on it is a problem. At 512x512, COCO has 0.1 % that share a cell.
MOST_SHARED, MOST_SMALL, MOST_CROWDED = 0.01, 0.05, 0.01


@dataclass(frozen=True, eq=False)
class Layout:
    """The objects of a dataset on the output of a detector.

    Attributes:
        cells: Width and height of each box in cells, float64 `(n, 2)`.
        small: Which cover less than a cell, bool `(n,)`.
        of_class: Which have their center in the cell of an earlier object of their class, bool `(n,)`.
        of_any: Which have it in the cell of an earlier object of any class, bool `(n,)`.
    """

    cells: np.ndarray
    small: np.ndarray
    of_class: np.ndarray
    of_any: np.ndarray


def layout_of(objects: Objects, input_size: tuple[int, int]) -> Layout:
    """Where objects come to lie when their images are fitted to the network's input.

    Args:
        objects: Objects with sound boxes in images of known sizes.
        input_size: Height and width of the network's input in pixels.
    """
    factor = _factors(objects, input_size) / STRIDE
    limit = np.tile(objects.sizes, 2)
    boxes = objects.boxes.clip(0, limit) * np.tile(factor, 2)
    cells = boxes[:, 2:] - boxes[:, :2]
    last = -(-np.array(input_size[::-1]) // STRIDE) - 1
    centers = np.minimum(np.floor((boxes[:, :2] + boxes[:, 2:]) / 2), last)
    place = [objects.images, *centers.T]
    return Layout(cells, cells.prod(axis=1) < 1, later([*place, objects.class_ids]), later(place))


def cell_problems(dataset: Dataset, objects: Objects, layout: Layout) -> list[Problem]:
    """Objects that can't be found for their size, their neighbors or their number; notes, if they are few.

    Args:
        dataset: The dataset.
        objects: The objects of the layout.
        layout: Where they lie.
    """
    most = MAX_DETECTIONS
    _, start = np.unique(objects.images, return_index=True)
    rank = np.arange(len(objects)) - np.repeat(start, np.diff([*start, len(objects)]))
    found = (
        ("small", layout.small, MOST_SMALL, ""),
        # No input size parts objects that were annotated twice; they are found as such.
        ("shared cell", layout.of_class & ~np.any(list(repeats(objects).values()), axis=0), MOST_SHARED, ""),
        ("crowded", rank >= most, MOST_CROWDED, f" ({most})"),
    )
    problems = []
    for kind, mask, part, detail in found:
        level = "problem" if mask.sum() > part * len(objects) else "note"
        problems += of_objects(dataset, kind, objects, mask, detail=detail, level=level)
    return problems


def _factors(objects: Objects, input_size: tuple[int, int]) -> np.ndarray:
    """Pixels of the input to one of the image along x and y, `(n, 2)`."""
    sizes, index = np.unique(objects.sizes, axis=0, return_inverse=True)
    factors = [np.divide(fitted_size((int(h), int(w)), input_size)[::-1], (w, h)) for w, h in sizes]
    return np.reshape(factors, (-1, 2))[index.reshape(-1)]
