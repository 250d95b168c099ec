"""A dataset: annotated images, which can be checked before training."""

from __future__ import annotations

from dataclasses import dataclass

from centernet.data.check import CheckReport, check_dataset
from centernet.data.dataset_base import DatasetBase


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(DatasetBase):
    """Annotated images; attributes, indexing and `split` are those of `DatasetBase`."""

    def check(self, *, input_size: tuple[int, int] = (512, 512), images: bool = True) -> CheckReport[Dataset]:
        """Look for everything that spoils training, and count objects; see `centernet.data.check.check_dataset`.

        Args:
            input_size: Height and width of the network's input in pixels.
            images: Whether to read the images, which takes most of the time.

        Returns:
            The report: print it, or draw a contact sheet with `draw()`.
        """
        return check_dataset(self, input_size=input_size, images=images)
