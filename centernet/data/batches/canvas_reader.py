"""Reads images of a dataset onto canvases, and replaces those that can't be read."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from centernet.data.batches.fitting import fitted_size, resize_into
from centernet.data.dataset_base import DatasetBase
from centernet.errors import SourceError

logger = logging.getLogger("centernet")


class Placed(NamedTuple):
    """An image on a canvas."""

    sample_index: int  # in the dataset
    fitted: tuple[int, int]  # height and width on the canvas
    factor: tuple[float, float]  # pixels of the canvas per pixel of the image, along y x


@dataclass(frozen=True)
class CanvasReader:
    """Reads images of a dataset; safe to use from several threads."""

    dataset: DatasetBase
    sampling: str  # see centernet.ops.resize.sample_positions
    unreadable: dict[int, str] = field(default_factory=dict)  # index in the dataset → why it can't be read

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
                image = self.dataset[index].image
            except (SourceError, OSError) as error:
                self._mark_unreadable(index, str(error))
                continue
            height, width = fitted_size(image.shape[:2], out.shape[:2])
            resize_into(out[:height, :width], image, self.sampling)
            return Placed(index, (height, width), (height / image.shape[0], width / image.shape[1]))
        raise SourceError(
            f"None of the {len(order)} images of {self.dataset.name} can be read. The first: "
            f"{self.unreadable[int(order.min())]} `centernet check` lists the others."
        )

    def _mark_unreadable(self, index: int, reason: str) -> None:
        # Only the thread that stores the reason logs it.
        if self.unreadable.setdefault(index, reason) is reason:
            logger.warning("skipped, another image replaces it (%d so far): %s", len(self.unreadable), reason)
