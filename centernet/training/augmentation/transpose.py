"""Canvases whose rows and columns are exchanged: with flips, photos that have no top are seen in all eight ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from centernet.training.augmentation.objects import choose_objects

YX = [1, 0]


def transpose(
    use: Any, images: Any, sizes: Any, objects: dict[str, Any], flip: Sequence[int]
) -> tuple[Any, Any, dict[str, Any]]:
    """Exchange rows and columns of some canvases, as a mirror on the diagonal does.

    Args:
        use: Of which, bool `(batch,)`.
        images: float32 `(batch, side, side, 3)`.
        sizes: int32 `(batch, 2)`.
        objects: See `place_objects`.
        flip: Index of the keypoint that each becomes in a mirrored photo; empty if there is none.

    Returns:
        The same three, changed.
    """
    turned = dict(objects, boxes=ops.take(objects["boxes"], [*YX, 3, 2], axis=-1))
    if "keypoints" in objects:
        keypoints = ops.take(objects["keypoints"], [*YX, 2], axis=-1)
        turned["keypoints"] = ops.take(keypoints, np.argsort(flip), axis=2)
    images = ops.where(use[:, None, None, None], ops.transpose(images, (0, 2, 1, 3)), images)
    sizes = ops.where(use[:, None], ops.take(sizes, YX, axis=1), sizes)
    return images, sizes, choose_objects(use, turned, objects)
