"""One annotated image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from centernet.errors import ConfigError

DERIVED: Any = None  # an array after construction


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and the objects in it, as they were annotated: nothing is repaired or left out.

    Attributes:
        source: Where the image is: a path, the bytes of an image file, a uint8 RGB array, or a function that makes
            such an array. It is read when `image` is asked for.
        boxes: float32 `(n, 4)`, `x0 y0 x1 y1` in pixels of the image, pixel edges.
        class_ids: int32 `(n,)`, from 0; they index the class names of the dataset.
        image_id: What the dataset calls the image: a number or a name, unique in it.
        keypoints: float32 `(n, k, 3)`, `x y visibility` in pixels, visibility 0 (not labeled), 1 (hidden) or 2; None
            if the dataset has none.
        ignore: bool `(n,)`: crowds and the like, which are neither asked for nor wrong.
        areas: float32 `(n,)`, square pixels of each object, which COCO's sizes go by; of the box if the dataset
            doesn't say.
        size: Height and width in pixels that the annotation states, or None.
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
        """Make the annotations arrays of their types, and check that they belong together."""
        boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        count = len(boxes)
        ignore = np.zeros(count, bool) if self.ignore is None else np.asarray(self.ignore, bool)
        sides = boxes[:, 2:] - boxes[:, :2]
        areas = sides.prod(axis=1) if self.areas is None else np.asarray(self.areas, np.float32)
        arrays: dict[str, Any] = {
            "boxes": boxes,
            "class_ids": np.asarray(self.class_ids, np.int32),
            "ignore": ignore,
            "areas": areas,
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

    @property
    def image(self) -> np.ndarray:
        """The image, read now: uint8 RGB `(height, width, 3)`.

        Raises:
            SourceError: If it is missing or damaged.
        """
        from centernet.images.reading import read_image

        return read_image(self.source() if callable(self.source) else self.source, name=self.name).image

    @property
    def measurable(self) -> np.ndarray:
        """Objects whose box has an area, bool `(n,)`."""
        return np.isfinite(self.boxes).all(axis=1) & (self.boxes[:, 2:] > self.boxes[:, :2]).all(axis=1)

    def known(self, classes: int) -> np.ndarray:
        """Objects whose class is one of so many, bool `(n,)`."""
        return (self.class_ids >= 0) & (self.class_ids < classes)

    def learnable(self, classes: int) -> np.ndarray:
        """Objects that are asked for, if there are so many classes, bool `(n,)`: measurable, known and not ignored."""
        return self.measurable & self.known(classes) & ~self.ignore

    @property
    def name(self) -> str:
        """What messages call the image: its path, or its id."""
        return str(self.source if isinstance(self.source, Path) else self.image_id)
