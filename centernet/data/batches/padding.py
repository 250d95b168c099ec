"""Objects of images as arrays of one shape (NumPy)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from centernet.data.sample import Sample
from centernet.errors import ConfigError

# What a batch has of each object: shape and type of one, and what stands where there is none.
_FIELDS: dict[str, tuple[tuple[int, ...], Any, int]] = {
    "boxes": ((4,), np.float32, 0),
    "class_ids": ((), np.int32, -1),
    "ignore": ((), bool, 0),
    "keypoints": ((0, 3), np.float32, 0),
}


def pad_objects(max_objects: int, **fields: Sequence[Any]) -> dict[str, np.ndarray]:
    """Objects of several images as one batch.

    Args:
        max_objects: Objects that an image has room for.
        **fields: For each image, `boxes` `(n, 4)`, `class_ids` `(n,)` from 0, `ignore` `(n,)` or `keypoints`
            `(n, k, 3)` with the same `k`.

    Returns:
        Those that were given: `boxes` float32 `(batch, max_objects, 4)`, `class_ids` int32 `(batch, max_objects)`,
        `ignore` bool likewise, `keypoints` float32 `(batch, max_objects, k, 3)`. Where there is no object the class id
        is -1 and all else 0.

    Raises:
        ConfigError: If an image has more objects than that, or not as many in one field as in another.
    """
    for image, counts in enumerate(zip(*(map(len, values) for values in fields.values()), strict=True)):
        if len(set(counts)) > 1 or counts[0] > max_objects:
            found = ", ".join(f"{count} {name}" for name, count in zip(fields, counts, strict=True))
            raise ConfigError(
                f"Expected at most {max_objects} objects in an image, and as many of each field. Received: {found} in "
                f"image {image} of the batch. Raise max_objects, or leave some out."
            )
    return {name: _pad(name, values, max_objects) for name, values in fields.items()}


def _pad(name: str, values: Sequence[Any], count: int) -> np.ndarray:
    shape, dtype, fill = _FIELDS[name]
    arrays = [np.asarray(found, dtype) for found in values]
    shape = next((found.shape[1:] for found in arrays if len(found)), shape)
    padded = np.full((len(arrays), count, *shape), fill, dtype)
    for row, found in zip(padded, arrays, strict=True):
        row[: len(found)] = found.reshape(-1, *shape)
    return padded


def fit_objects(sample: Sample, factor: tuple[float, float], max_objects: int) -> dict[str, np.ndarray]:
    """Objects of an image where they lie on a canvas.

    Args:
        sample: The image.
        factor: Pixels of the canvas to one of the image, along `y x`.
        max_objects: Of more than that, the largest are kept, and ignored ones the last.

    Returns:
        `boxes`, `class_ids`, `ignore`, and `keypoints` if it has them, as in `Sample`.
    """
    along = np.array(factor[::-1], np.float32)
    fields = {"boxes": sample.boxes * np.tile(along, 2), "class_ids": sample.class_ids, "ignore": sample.ignore}
    if sample.keypoints is not None:
        fields["keypoints"] = sample.keypoints * np.append(along, np.float32(1))
    if len(sample.boxes) <= max_objects:
        return fields
    kept = np.sort(np.lexsort((-sample.areas, sample.ignore))[:max_objects])
    return {name: values[kept] for name, values in fields.items()}
