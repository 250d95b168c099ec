"""A dataset: annotated images, which can be checked before training."""

from __future__ import annotations

from dataclasses import dataclass

from centernet.data.check import CheckReport, check_dataset
from centernet.data.dataset_base import DatasetBase


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(DatasetBase):
    """Annotated images; attributes, indexing and `split` are those of `DatasetBase`."""

    def check(self, *, input_size: tuple[int, int] = (512, 512), images: bool = True) -> CheckReport[Dataset]:
        """Look for everything that spoils training, and count the objects.

        Args:
            input_size: Height and width in pixels of the network's input, to which images are fitted.
            images: Read the images, which takes most of the time. Otherwise they are assumed to exist and to have
                their annotated sizes.

        Returns:
            The report: print it, or draw a contact sheet with `draw()`.

        Raises:
            ConfigError: If the input size is less than an output cell.
        """
        return check_dataset(self, input_size=input_size, images=images)
