"""A dataset: samples, and what their class ids and keypoints mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

from centernet.data.keypoints import KeypointTask
from centernet.data.sample import Sample
from centernet.errors import ConfigError

if TYPE_CHECKING:
    from centernet.data.check.report import CheckReport


@dataclass(frozen=True, eq=False)
class Dataset(Sequence[Sample]):
    """Annotated images.

    Attributes:
        samples: The images with their objects.
        class_names: Name of each class; `class_ids` index it.
        dataset_ids: Id of each class in the dataset (COCO's 1–90 with gaps); empty if it has no other than ours.
        keypoints: The keypoints of one class, or None.
        name: What messages call the dataset, with its split.
        format: Key of the format that it was read from.
    """

    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    dataset_ids: tuple[int, ...] = ()
    keypoints: KeypointTask | None = None
    name: str = "dataset"
    format: str = ""

    def __post_init__(self) -> None:
        """Make the sequences tuples."""
        for field in ("samples", "class_names", "dataset_ids"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if self.dataset_ids and len(self.dataset_ids) != len(self.class_names):
            raise ConfigError(
                f"Expected one dataset id a class ({len(self.class_names)}). Received: {len(self.dataset_ids)}"
            )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> Dataset: ...
    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> Sample | Dataset:
        """One sample, or a dataset of those in a slice, of those with some indices, or of those that a mask keeps."""
        if isinstance(index, (int, np.integer)):
            return self.samples[index]
        chosen = np.arange(len(self))[index]
        return dataclasses.replace(self, samples=tuple(self.samples[i] for i in chosen))

    def __iter__(self) -> Iterator[Sample]:
        """The samples in order."""
        return iter(self.samples)

    def split(self, part: float, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Two datasets: the first without, the second with a random part of the images.

        Args:
            part: Share of the images that the second gets, 0–1; at least one image goes to each.
            seed: The same seed gives the same split.

        Returns:
            Both datasets, in the order that this one has.

        Raises:
            ConfigError: If there are fewer than two images, or `part` is not between 0 and 1.
        """
        if len(self) < 2 or not 0 < part < 1:
            raise ConfigError(f"Expected at least 2 images and a part between 0 and 1. Received: {len(self)}, {part}")
        count = min(max(round(part * len(self)), 1), len(self) - 1)
        second = np.zeros(len(self), bool)
        second[np.random.default_rng(seed).permutation(len(self))[:count]] = True
        return self[~second], self[second]

    def check(self, *, input_size: tuple[int, int] = (512, 512), images: bool = True) -> CheckReport:
        """Look for everything that would spoil a training, and count what there is.

        Args:
            input_size: Height and width of the network's input in pixels.
            images: Whether images are read, which takes most of the time.

        Returns:
            What was found; it prints as text, and `draw()` gives a contact sheet.
        """
        from centernet.data.check.checking import check

        return check(self, input_size=input_size, images=images)
