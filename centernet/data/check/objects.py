"""All objects of a dataset as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from centernet.data.dataset_base import DatasetBase

TOLERANCE = 1.0  # pixels beyond the image edge: tools count pixels from 0 or from 1, and round


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a dataset, in the order of its images."""

    images: np.ndarray  # index of the image in the dataset, int64 (n,)
    numbers: np.ndarray  # index of the object in its image, int64 (n,)
    boxes: np.ndarray  # x0 y0 x1 y1 in pixels, float64 (n, 4)
    class_ids: np.ndarray  # int64 (n,)
    ignore: np.ndarray  # bool (n,)
    sizes: np.ndarray  # width and height of the image in pixels, float64 (n, 2); NaN if unknown

    @classmethod
    def of(cls, dataset: DatasetBase, sizes: Sequence[tuple[int, int] | None]) -> Objects:
        """The objects of a dataset whose images have these heights and widths in pixels (None: unknown)."""
        counts = [len(sample.boxes) for sample in dataset]
        images = np.repeat(np.arange(len(dataset)), np.array(counts, int))
        sides = np.array([size[::-1] if size else (np.nan, np.nan) for size in sizes]).reshape(-1, 2)
        return cls(
            images,
            np.concatenate([np.arange(0), *map(np.arange, counts)]),
            np.concatenate([np.zeros((0, 4)), *(sample.boxes for sample in dataset)]),
            np.concatenate([np.zeros(0, np.int64), *(sample.class_ids for sample in dataset)]),
            np.concatenate([np.zeros(0, bool), *(sample.ignore for sample in dataset)]),
            sides[images],
        )

    def __getitem__(self, mask: np.ndarray) -> Objects:
        """The objects that a mask or indices select."""
        return Objects(*(getattr(self, field.name)[mask] for field in dataclasses.fields(self)))

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def valid(self) -> np.ndarray:
        """Objects with a valid box, bool `(n,)`; see `is_valid`."""
        return is_valid(self.boxes, self.sizes)


def excess(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """How far boxes `(n, 4)` extend beyond images of width and height `(n, 2)`, in pixels `(n,)`.

    Negative inside the image, NaN if the size is unknown.
    """
    return np.maximum(-boxes[:, :2], boxes[:, 2:] - sizes).max(axis=1)


def is_valid(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes that are finite, at least a pixel wide and high, and inside their images, bool `(n,)`; see `excess`."""
    large = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)
    return np.asarray(large & np.isfinite(boxes).all(axis=1) & ~(excess(boxes, sizes) > TOLERANCE))


def repeats(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Rows whose values in all columns, each `(n,)`, equal those of an earlier row, bool `(n,)`."""
    repeated = np.ones(len(columns[0]), bool)
    repeated[np.unique(np.column_stack(columns), axis=0, return_index=True)[1]] = False
    return repeated
