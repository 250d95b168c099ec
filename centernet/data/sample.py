"""One annotated image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from centernet.errors import ConfigError
from centernet.files.formatting import pluralize
from centernet.images.reading import read_image

DERIVED: Any = None  # an array after construction

MAX_SIDE = 2**31


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """An image and its objects exactly as annotated: nothing is repaired or left out.

    Attributes:
        source: A path, the bytes of an image file, a uint8 RGB array, or a function that returns such an array. It is
            read on access to `image`.
        boxes: float32 `(n, 4)`, `x0 y0 x1 y1` in pixels of the image, pixel edges.
        class_ids: int32 `(n,)`, 0-based index into the class names of the dataset.
        image_id: Number or name of the image, unique in the dataset.
        keypoints: float32 `(n, k, 3)`, `x y visibility` in pixels, visibility 0 (not labeled), 1 (hidden) or 2
            (visible); None if the dataset has none.
        ignore: bool `(n,)`: objects that are neither positive nor negative, such as crowds.
        areas: float32 `(n,)`, area of each object in square pixels, for COCO's size ranges; by default that of its box.
        size: Annotated height and width in pixels, or None.
    """

    source: Path | bytes | np.ndarray | Callable[[], np.ndarray]
    boxes: np.ndarray
    class_ids: np.ndarray
    image_id: int | str
    keypoints: np.ndarray | None = None
    ignore: np.ndarray = DERIVED
    areas: np.ndarray = DERIVED
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Convert the annotations to arrays and check that their lengths match."""
        if self.size and not max(map(abs, self.size)) < MAX_SIDE:
            raise ConfigError(f"Expected sides of less than {MAX_SIDE:,} pixels. Received: size={self.size}")
        boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        count, sides = len(boxes), boxes[:, 2:] - boxes[:, :2]
        arrays: dict[str, Any] = {
            "boxes": boxes,
            "class_ids": np.asarray(self.class_ids, np.int32),
            "ignore": np.zeros(count, bool) if self.ignore is None else np.asarray(self.ignore, bool),
            "areas": sides.prod(axis=1) if self.areas is None else np.asarray(self.areas, np.float32),
        }
        if self.keypoints is not None:
            points = np.asarray(self.keypoints, np.float32)
            if points.size or points.ndim != 3:
                points = points.reshape(count, -1 if points.size else 0, 3)
            arrays["keypoints"] = points
        for name, values in arrays.items():
            if len(values) != count:
                raise ConfigError(
                    f"Expected as many {name} as boxes ({count}) of image {self.image_id!r}. Received: {len(values)}"
                )
            object.__setattr__(self, name, values)

    def __repr__(self) -> str:
        source = self.source if isinstance(self.source, Path) else type(self.source).__name__
        fields = [pluralize(len(self.boxes), "object"), f"source={str(source)!r}", f"size={self.size}"]
        if self.keypoints is not None:
            fields.insert(1, f"keypoints={self.keypoints.shape[1]}")
        return f"Sample({self.image_id!r}, {', '.join(fields)})"

    @property
    def image(self) -> np.ndarray:
        """The image, read on each access: uint8 RGB `(height, width, 3)`.

        Raises:
            SourceError: If it is missing or damaged.
        """
        return read_image(self.source() if callable(self.source) else self.source, name=self.name).image

    @property
    def measurable(self) -> np.ndarray:
        """Objects whose box is finite and has an area, bool `(n,)`."""
        return np.isfinite(self.boxes).all(axis=1) & (self.boxes[:, 2:] > self.boxes[:, :2]).all(axis=1)

    def known(self, classes: int) -> np.ndarray:
        """Objects whose class id is below the number of classes, bool `(n,)`."""
        return (self.class_ids >= 0) & (self.class_ids < classes)

    def learnable(self, classes: int) -> np.ndarray:
        """Objects to train on: measurable, of a known class and not ignored, bool `(n,)`."""
        return self.measurable & self.known(classes) & ~self.ignore

    @property
    def name(self) -> str:
        """Name in messages: the path, or the image id."""
        return str(self.source if isinstance(self.source, Path) else self.image_id)
