"""Statistics of a dataset: objects per class, and objects in output cells at an input size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from centernet.data.batches.fitting import fitted_size
from centernet.data.check.boxes import duplicates
from centernet.data.check.objects import Objects, repeats
from centernet.data.check.problems import Problem, of_objects
from centernet.data.dataset_base import DatasetBase
from centernet.files.formatting import aligned_columns
from centernet.ops.constants import MAX_DETECTIONS, STRIDE

QUANTILES = {"smallest": 0.0, "5 %": 0.05, "median": 0.5, "95 %": 0.95, "largest": 1.0}
# Shares of all objects above which a note becomes a problem. At 512x512, 0.1 % of COCO's objects share a cell.
MAX_SHARED, MAX_SMALL, MAX_CROWDED = 0.01, 0.05, 0.01
MAX_CLASSES = 100  # in the text
NONE = "–"
HEAD = ("class", "objects", "share", "images", "crowds", "median cells", "< a cell", "same cell")


@dataclass(frozen=True, eq=False)
class Layout:
    """Objects in output cells."""

    cells: np.ndarray  # width and height of each box in cells, float64 (n, 2)
    small: np.ndarray  # boxes that cover less than a cell, bool (n,)
    same_class: np.ndarray  # center in the cell of an earlier object of the same class, bool (n,)
    any_class: np.ndarray  # center in the cell of an earlier object of any class, bool (n,)


@dataclass(frozen=True)
class ClassCounts:
    """Numbers of objects of a class; `cells`, `small` and `shared` are those of learnable objects."""

    name: str
    objects: int  # without ignored ones
    ignored: int  # such as crowds
    images: int  # with at least one object
    cells: tuple[float, float] | None  # median width and height in output cells; None without objects
    small: int  # smaller than a cell
    shared: int  # center in the cell of another object of the class


@dataclass(frozen=True)
class Figures:
    """Numbers of learnable objects at an input size."""

    objects: int
    sides: tuple[float, ...]  # square root of the box area in cells, at each of `QUANTILES`
    small: int  # smaller than a cell
    shared_class: int  # center in the cell of another object of the same class
    shared_any: int  # center in the cell of another object of any class
    in_image: tuple[int, float, int]  # objects per image: minimum, median, maximum
    without: int  # images without objects
    crowded: int  # images with more objects than the maximum detections per image


def layout_of(objects: Objects, input_size: tuple[int, int]) -> Layout:
    """Objects with valid boxes, in output cells after their images are fitted to the input (height, width)."""
    boxes = objects.boxes.clip(0, np.tile(objects.sizes, 2)) * np.tile(_scales(objects, input_size) / STRIDE, 2)
    cells = boxes[:, 2:] - boxes[:, :2]
    last = -(-np.array(input_size[::-1]) // STRIDE) - 1
    centers = np.minimum(np.floor((boxes[:, :2] + boxes[:, 2:]) / 2), last)
    place = [objects.images, *centers.T]
    return Layout(cells, cells.prod(axis=1) < 1, repeats([*place, objects.class_ids]), repeats(place))


def _scales(objects: Objects, input_size: tuple[int, int]) -> np.ndarray:
    """Pixels of the input per pixel of the image along x and y, `(n, 2)`."""
    sizes, index = np.unique(objects.sizes, axis=0, return_inverse=True)
    scales = [np.divide(fitted_size((int(h), int(w)), input_size)[::-1], (w, h)) for w, h in sizes]
    return np.reshape(scales, (-1, 2))[index.reshape(-1)]


def cell_problems(dataset: DatasetBase, objects: Objects, layout: Layout) -> list[Problem]:
    """Objects that are too small, too close to each other or too many to be detected; notes if they are few."""
    _, start = np.unique(objects.images, return_index=True)
    rank = np.arange(len(objects)) - np.repeat(start, np.diff([*start, len(objects)]))
    # No input size separates duplicate annotations; these are reported as such.
    shared = layout.same_class & ~np.any(list(duplicates(objects).values()), axis=0)
    problems = []
    for kind, mask, max_share, detail in (
        ("small", layout.small, MAX_SMALL, ""),
        ("shared cell", shared, MAX_SHARED, ""),
        ("crowded", rank >= MAX_DETECTIONS, MAX_CROWDED, f" ({MAX_DETECTIONS})"),
    ):
        level = "problem" if mask.sum() > max_share * len(objects) else "note"
        problems += of_objects(dataset, kind, objects, mask, detail=detail, level=level)
    return problems


def class_counts(dataset: DatasetBase, objects: Objects, learnable: Objects, layout: Layout) -> tuple[ClassCounts, ...]:
    """Statistics of each class, from all objects and from the learnable ones with their layout."""
    counts = []
    for class_id, name in enumerate(dataset.class_names):
        ours, mask = objects.class_ids == class_id, learnable.class_ids == class_id
        counts.append(
            ClassCounts(
                name=name,
                objects=int((ours & ~objects.ignore).sum()),
                ignored=int((ours & objects.ignore).sum()),
                images=len(np.unique(objects.images[ours & ~objects.ignore])),
                cells=tuple(np.median(layout.cells[mask], axis=0).round(2).tolist()) if mask.any() else None,
                small=int(layout.small[mask].sum()),
                shared=int(layout.same_class[mask].sum()),
            )
        )
    return tuple(counts)


def figures(dataset: DatasetBase, learnable: Objects, layout: Layout) -> Figures:
    """Statistics of the learnable objects with their layout."""
    sides = np.sqrt(layout.cells.prod(axis=1))
    in_image = np.bincount(learnable.images, minlength=len(dataset))
    return Figures(
        objects=len(learnable),
        sides=tuple(np.quantile(sides, list(QUANTILES.values())).round(2).tolist()) if len(sides) else (),
        small=int(layout.small.sum()),
        shared_class=int(layout.same_class.sum()),
        shared_any=int(layout.any_class.sum()),
        in_image=(int(in_image.min()), float(np.median(in_image)), int(in_image.max())) if len(in_image) else (0, 0, 0),
        without=int((in_image == 0).sum()),
        crowded=int((in_image > MAX_DETECTIONS).sum()),
    )


def class_table(classes: Sequence[ClassCounts]) -> str:
    """The statistics of classes as a text table, largest class first."""
    total = sum(one.objects for one in classes)
    rows = [list(HEAD)]
    for one in sorted(classes, key=lambda one: -one.objects)[:MAX_CLASSES]:
        share = f"{one.objects / total:.1%}" if total else NONE
        cells = f"{one.cells[0]:.1f} x {one.cells[1]:.1f}" if one.cells else NONE
        row = (one.name, one.objects, share, one.images, one.ignored, cells, one.small, one.shared)
        rows.append([value if isinstance(value, str) else f"{value:,}" for value in row])
    if not any(one.ignored for one in classes):
        crowds = HEAD.index("crowds")
        rows = [row[:crowds] + row[crowds + 1 :] for row in rows]
    more = len(classes) - MAX_CLASSES
    return aligned_columns(rows) + (f"\n… {more} more" if more > 0 else "")


def figures_table(one: Figures, input_size: tuple[int, int]) -> str:
    """The statistics of objects at an input size (height, width) as a text table."""
    low, median, high = one.in_image
    shared = _share(one.shared_class, one.objects)
    crowded = f", {one.crowded:,} have more than {MAX_DETECTIONS}" if one.crowded else ""
    rows = [
        ["box side in cells", ", ".join(f"{name} {side:.1f}" for name, side in zip(QUANTILES, one.sides, strict=True))],
        ["smaller than a cell", _share(one.small, one.objects)],
        ["center in a shared cell", f"{shared} with the same class, {one.shared_any:,} with any class"],
        ["objects per image", f"min {low}, median {median:g}, max {high}; {one.without:,} images have none{crowded}"],
    ]
    lead = f"At input size {input_size[1]}x{input_size[0]} (width x height), one output cell per 4x4 pixels:\n"
    return lead + aligned_columns(rows, left=2)


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.2%})"
