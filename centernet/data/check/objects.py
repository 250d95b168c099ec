"""All objects of a dataset side by side, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from centernet.data.dataset import Dataset

TOLERANCE = 1.0  # pixels that a box may reach over the edge: tools count pixels from 0 or from 1, and round


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a dataset, in the order of its images.

    Attributes:
        images: Number of its image in the dataset, int64 `(n,)`.
        numbers: Number of the object in its image, int64 `(n,)`.
        boxes: float64 `(n, 4)`, `x0 y0 x1 y1` in pixels.
        class_ids: int64 `(n,)`.
        ignore: bool `(n,)`.
        sizes: Width and height of its image in pixels, float64 `(n, 2)`, NaN where nobody knows.
    """

    images: np.ndarray
    numbers: np.ndarray
    boxes: np.ndarray
    class_ids: np.ndarray
    ignore: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, dataset: Dataset, sizes: Sequence[tuple[int, int] | None]) -> Objects:
        """The objects of a dataset.

        Args:
            dataset: The dataset.
            sizes: Height and width of each image in pixels, or None.
        """
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
        """Some of them."""
        return Objects(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.boxes)


def excess(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """How far boxes reach over the edge of their images, in pixels; below 0 inside, NaN where nobody knows.

    Args:
        boxes: `x0 y0 x1 y1`, `(n, 4)`.
        sizes: Width and height of their images, `(n, 2)`.
    """
    return np.maximum(-boxes[:, :2], boxes[:, 2:] - sizes).max(axis=1)


def is_sound(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which boxes are finite, at least a pixel wide and high, and inside their images, bool `(n,)`; see `excess`."""
    large = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)
    return np.asarray(large & np.isfinite(boxes).all(axis=1) & ~(excess(boxes, sizes) > TOLERANCE))


def later(place: Sequence[np.ndarray]) -> np.ndarray:
    """Which are not the first at their place, bool `(n,)`; places are the same that agree in all of some `(n,)`."""
    repeated = np.ones(len(place[0]), bool)
    repeated[np.unique(np.column_stack(place), axis=0, return_index=True)[1]] = False
    return repeated
