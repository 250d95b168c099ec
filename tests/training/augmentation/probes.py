"""Batches whose pixels tell where they come from, and changes of batches as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from centernet.training.augmentation import Augmentation
from centernet.training.settings import AugmentationSettings

LOADED = (48, 60)
CANVAS = (40, 40)
SLOTS = 8
STEPS = (4.0, 5.0, 40.0)  # grey levels: a column is worth 4 of red, a row 5 of green, a photo 40 of blue


def photos(sizes: np.ndarray) -> np.ndarray:
    """uint8 ramps: red tells the column, green the row, blue the photo (and is never 0)."""
    rows, columns = np.mgrid[: LOADED[0], : LOADED[1]]
    batch = np.zeros((len(sizes), *LOADED, 3), np.uint8)
    for index, (height, width) in enumerate(sizes):
        ramp = np.stack([columns * STEPS[0], rows * STEPS[1], np.full(LOADED, (index + 1) * STEPS[2])], axis=-1)
        batch[index, :height, :width] = ramp[:height, :width]
    return batch


def probe_batch(sizes: Any, points: int = 25, seed: int = 0) -> dict[str, np.ndarray]:
    """Photos with one object each, whose class is the photo's index; keypoints are all over it and visible."""
    sizes = np.array(sizes, np.int32)
    rng = np.random.default_rng(seed)
    count = len(sizes)
    boxes = np.zeros((count, SLOTS, 4), np.float32)
    boxes[:, 0] = np.concatenate([sizes[:, ::-1] * 0.1, sizes[:, ::-1] * 0.9], axis=1)
    class_ids = np.full((count, SLOTS), -1, np.int32)
    class_ids[:, 0] = np.arange(count)
    keypoints = np.zeros((count, SLOTS, points, 3), np.float32)
    keypoints[:, 0, :, :2] = rng.random((count, points, 2)) * sizes[:, None, ::-1]
    keypoints[:, 0, :, 2] = 2
    ignore = np.zeros((count, SLOTS), bool)
    return {
        "images": photos(sizes),
        "sizes": sizes,
        "boxes": boxes,
        "class_ids": class_ids,
        "ignore": ignore,
        "keypoints": keypoints,
    }


def augment(batch: dict[str, np.ndarray], seed: Any = 0, sampling: Any = "legacy", flip: Any = None, **options: Any):
    """A changed batch, as arrays; keypoints stay what they are in a mirrored photo if no `flip` is given."""
    settings = AugmentationSettings(**options)
    if flip is None:
        flip = tuple(range(batch["keypoints"].shape[2])) if "keypoints" in batch else ()
    tensors = {name: ops.convert_to_tensor(values) for name, values in batch.items()}
    changed = Augmentation(settings, CANVAS, flip, sampling)(tensors, seed)
    return {name: ops.convert_to_numpy(values) for name, values in changed.items()}
