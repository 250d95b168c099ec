"""The fields of a dataset: samples, classes and keypoints. `Dataset` adds the check on top."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar, overload

import numpy as np

from centernet.data.keypoints import KeypointTask
from centernet.data.sample import Sample
from centernet.errors import ConfigError
from centernet.files.formatting import pluralize

MAX_SHOWN_CLASSES = 8
AnyDataset = TypeVar("AnyDataset", bound="DatasetBase")


@dataclass(frozen=True, eq=False, repr=False)
class DatasetBase(Sequence[Sample]):
    """Annotated images.

    Attributes:
        samples: The images with their objects.
        class_names: Name of each class; `class_ids` index it.
        dataset_ids: Id of each class in the dataset's files (COCO: 1–90 with gaps); empty if they are 0, 1, 2 …
        keypoints: Keypoints of one class, or None.
        name: Name in messages, with the split: `"bccd (train)"`.
        format: Key of the format that it was read from.
    """

    samples: tuple[Sample, ...]
    class_names: tuple[str, ...]
    dataset_ids: tuple[int, ...] = ()
    keypoints: KeypointTask | None = None
    name: str = "dataset"
    format: str = ""

    def __post_init__(self) -> None:
        """Convert the sequences to tuples."""
        for field in ("samples", "class_names", "dataset_ids"):
            object.__setattr__(self, field, tuple(getattr(self, field)))
        if self.dataset_ids and len(self.dataset_ids) != len(self.class_names):
            raise ConfigError(
                f"Expected one dataset id per class ({len(self.class_names)}). Received: {len(self.dataset_ids)}"
            )

    def __repr__(self) -> str:
        names, more = self.class_names[:MAX_SHOWN_CLASSES], len(self.class_names) - MAX_SHOWN_CLASSES
        fields = [
            pluralize(len(self), "image"),
            pluralize(sum(len(sample.boxes) for sample in self), "object"),
            f"classes={names}" + (f" and {more} more" if more > 0 else ""),
        ]
        if self.keypoints is not None:
            fields.append(f"keypoints={len(self.keypoints.names)}")
        split = re.fullmatch(r".* \((.+)\)", self.name)
        fields.append(f"split={split[1]!r}" if split else f"name={self.name!r}")
        return f"{type(self).__name__}({', '.join(fields)})"

    def __len__(self) -> int:
        return len(self.samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | np.ndarray) -> Self: ...
    def __getitem__(self, index: int | slice | Sequence[int] | np.ndarray) -> Sample | Self:
        """One sample by its index, or a dataset of several by a slice, indices or a mask."""
        if isinstance(index, (int, np.integer)):
            return self.samples[index]
        chosen = np.arange(len(self))[index]
        return dataclasses.replace(self, samples=tuple(self.samples[i] for i in chosen))

    def __iter__(self) -> Iterator[Sample]:
        return iter(self.samples)

    def split(self, part: float, seed: int = 0) -> tuple[Self, Self]:
        """Split the images at random; both parts keep the order.

        Args:
            part: Share of the images in the second part, 0–1; each part gets at least one image.
            seed: The same seed gives the same split.

        Returns:
            The first and the second part.

        Raises:
            ConfigError: If there are fewer than two images, or `part` is not between 0 and 1.
        """
        if len(self) < 2 or not 0 < part < 1:
            raise ConfigError(f"Expected at least 2 images and a part between 0 and 1. Received: {len(self)}, {part}")
        count = min(max(round(part * len(self)), 1), len(self) - 1)
        second = np.zeros(len(self), bool)
        second[np.random.default_rng(seed).permutation(len(self))[:count]] = True
        return self[~second], self[second]
