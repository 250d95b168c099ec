"""Mixup: two canvases of a batch that show through each other (Zhang 2018; for detection: Zhang 2019)."""

from __future__ import annotations

from typing import Any

from keras import ops

from centernet.training.augmentation.objects import choose_objects, count_objects, first_objects

SHARE = (0.4, 0.6)  # of a canvas in its mixture; about what YOLOX draws


def mix(
    probability: float, numbers: Any, pixels: Any, sizes: Any, objects: dict[str, Any]
) -> tuple[Any, Any, dict[str, Any]]:
    """Mix canvases with others of the batch, where there is room for the objects of both.

    Args:
        probability: That a canvas is mixed.
        numbers: Three random numbers for each, `(batch, 3)`.
        pixels: float32 `(batch, ...)`.
        sizes: int32 `(batch, 2)`.
        objects: See `place_objects`, `(batch, n, ...)`.

    Returns:
        The same three, changed.
    """
    wanted, which, share = (numbers[:, column] for column in range(3))
    slots = objects["class_ids"].shape[1]
    partner, other = _partners(which)
    both = {name: ops.concatenate([x, ops.take(x, partner, axis=0)], axis=1) for name, x in objects.items()}
    use = (wanted < probability) & other & (count_objects(both) <= slots)
    share = ops.where(use, SHARE[0] + (SHARE[1] - SHARE[0]) * share, 1.0)[:, None, None]
    pixels = pixels * share + ops.take(pixels, partner, axis=0) * (1 - share)
    sizes = ops.where(use[:, None], ops.maximum(sizes, ops.take(sizes, partner, axis=0)), sizes)
    return pixels, sizes, choose_objects(use, first_objects(both, slots), objects)


def _partners(numbers: Any) -> tuple[Any, Any]:
    """Another canvas of the batch for each, and whether there is one."""
    batch = ops.shape(numbers)[0]
    others = ops.cast(batch - 1, "float32")
    step = 1 + ops.cast(numbers * others, "int32")
    own = ops.arange(batch, dtype="int32")
    partner = (own + step) % batch
    return partner, partner != own
