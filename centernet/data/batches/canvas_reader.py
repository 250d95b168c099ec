"""Reads images of a dataset onto canvases, and replaces those that can't be read."""

from __future__ import annotations

import itertools
import logging
import threading
from dataclasses import dataclass

import numpy as np

from centernet.data.batches.fitting import fitted_size, resize_into
from centernet.data.dataset_base import DatasetBase
from centernet.errors import SourceError

logger = logging.getLogger("centernet")


@dataclass(frozen=True)
class Placed:
    """An image on a canvas."""

    index: int  # in the dataset
    size: tuple[int, int]  # height and width in pixels
    fitted: tuple[int, int]  # height and width on the canvas

    @property
    def factor(self) -> tuple[float, float]:
        """Pixels of the canvas per pixel of the image, along `y x`."""
        return self.fitted[0] / self.size[0], self.fitted[1] / self.size[1]


class CanvasReader:
    """Reads images; safe to use from several threads.

    Args:
        dataset: The images.
        sampling: See `centernet.ops.resize.sample_positions`.

    Attributes:
        unreadable: Index of an image in the dataset → why it can't be read, for those tried so far.
    """

    def __init__(self, dataset: DatasetBase, sampling: str) -> None:
        self.unreadable: dict[int, str] = {}
        self._dataset, self._sampling = dataset, sampling
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def read(self, out: np.ndarray, place: int, order: np.ndarray) -> Placed:
        """Read the image at a place in the order of an epoch; if it can't be read, one half an epoch later.

        It is written to `out`, a canvas of zeros, uint8 `(height, width, 3)`.

        Raises:
            SourceError: If no image of the epoch can be read.
        """
        later = place + len(order) // 2
        for position in itertools.chain([place], range(later, later + len(order))):
            index = int(order[position % len(order)])
            if index in self.unreadable:
                continue
            try:
                image = self._dataset[index].image
            except (SourceError, OSError) as error:
                self._mark_unreadable(index, error)
                continue
            size = image.shape[0], image.shape[1]
            height, width = fitted_size(size, (out.shape[0], out.shape[1]))
            resize_into(out[:height, :width], image, self._sampling)
            return Placed(index, size, (height, width))
        raise SourceError(
            f"None of the {len(order)} images of {self._dataset.name} can be read. The first: "
            f"{self.unreadable[int(order.min())]} `centernet check` lists the others."
        )

    def _mark_unreadable(self, index: int, error: Exception) -> None:
        with self._lock:
            new = index not in self.unreadable
            self.unreadable[index] = str(error)
        if new:
            logger.warning("skipped, another image replaces it (%d so far): %s", len(self.unreadable), error)
