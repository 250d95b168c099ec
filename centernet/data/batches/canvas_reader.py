"""Reads the images of a dataset onto canvases, and remembers which ones can't be read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from centernet.data.batches.fitting import fitted_size, resize_into
from centernet.data.dataset_base import DatasetBase
from centernet.errors import SourceError

logger = logging.getLogger("centernet")


@dataclass(frozen=True)
class Placed:
    """An image on a canvas.

    Attributes:
        index: Its number in the dataset.
        size: Height and width in pixels.
        fitted: Height and width on the canvas.
    """

    index: int
    size: tuple[int, int]
    fitted: tuple[int, int]

    @property
    def factor(self) -> tuple[float, float]:
        """Pixels of the canvas to one of the image, along `y x`."""
        return self.fitted[0] / self.size[0], self.fitted[1] / self.size[1]


class CanvasReader:
    """Reads images; several threads may use it.

    Attributes:
        unreadable: Number of a sample in the dataset → why it can't be read, of those that were tried.
    """

    def __init__(self, dataset: DatasetBase, sampling: str) -> None:
        """Make a reader.

        Args:
            dataset: The images.
            sampling: See `centernet.ops.resize.sample_positions`.
        """
        self.unreadable: dict[int, str] = {}
        self._dataset, self._sampling = dataset, sampling
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        """Everything but the lock."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take a state over."""
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def read(self, out: np.ndarray, order: np.ndarray, place: int) -> Placed:
        """Put an image on a canvas; if it can't be read, one that comes half an epoch later takes its place.

        Args:
            out: The canvas, uint8 `(height, width, 3)`, zeros.
            order: Numbers of the samples of an epoch, in their order.
            place: Where in the order the image is.

        Returns:
            The image that is on the canvas.

        Raises:
            SourceError: If none of the order can be read.
        """
        for index in _candidates(order, place):
            if index in self.unreadable:
                continue
            try:
                image = self._dataset[index].image
            except (SourceError, OSError) as error:
                self._skip(index, error)
                continue
            size = image.shape[0], image.shape[1]
            height, width = fitted_size(size, (out.shape[0], out.shape[1]))
            resize_into(out[:height, :width], image, self._sampling)
            return Placed(index, size, (height, width))
        raise SourceError(
            f"None of the {len(order)} images of {self._dataset.name} can be read. The first: "
            f"{self.unreadable[int(order.min())]} `centernet check` names the others."
        )

    def _skip(self, index: int, error: Exception) -> None:
        with self._lock:
            new = index not in self.unreadable
            self.unreadable[index] = str(error)
        if new:
            logger.warning("skipped, another image takes its place (%d so far): %s", len(self.unreadable), error)


def _candidates(order: np.ndarray, place: int) -> Iterator[int]:
    """The number at a place in the order, then the others, from half an epoch later on."""
    yield int(order[place])
    for step in range(len(order)):
        yield int(order[(place + len(order) // 2 + step) % len(order)])
