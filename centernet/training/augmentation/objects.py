"""Boxes and keypoints in augmented images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from centernet.training.augmentation.windows import Windows

NAMES = ("boxes", "class_ids", "ignore", "keypoints")  # the last is optional
NONE = -1  # class id of a slot without object
YX = [1, 0]


class _Frame(NamedTuple):
    """Windows in a form for points, all float32 `(batch, parts, 1, 2)`, `x y`.

    A point of the image is at `factor * point + shift` on the canvas; the image is visible from `low` to `high`.
    """

    factor: Any
    shift: Any
    low: Any
    high: Any


def place_objects(batch: Mapping[str, Any], windows: Windows, flip: Sequence[int], cut_objects: str) -> dict[str, Any]:
    """The objects of all parts of a canvas, in pixels of the canvas, clipped to the visible part of their image.

    Objects with a visible center remain; `cut_objects` decides on other objects that are partly visible. Ignored
    objects (crowds) remain if they are partly visible.

    Args:
        batch: Objects of the loaded images: `boxes` `(batch, n, 4)`, `class_ids` and `ignore` `(batch, n)`, optionally
            `keypoints` `(batch, n, k, 3)`.
        windows: The windows.
        flip: Index of the keypoint that each one becomes in a mirrored image; empty without mirroring.
        cut_objects: See `AugmentationSettings`.

    Returns:
        The same names with `parts * n` objects. Removed objects have class id -1 and zeros; invisible keypoints have
        visibility 0 and zeros.
    """
    objects = {name: ops.take(batch[name], windows.sources, axis=0) for name in NAMES if name in batch}
    frame = _frame(windows)
    boxes = objects["boxes"]
    ends = _to_canvas(boxes[..., :2], frame), _to_canvas(boxes[..., 2:], frame)
    center = (ends[0] + ends[1]) / 2
    centered = ops.all((center >= frame.low) & (center < frame.high), axis=-1)
    first, last = (ops.clip(order(*ends), frame.low, frame.high) for order in (ops.minimum, ops.maximum))
    seen = ops.all(last > first, axis=-1)
    ignored = ops.cast(objects["ignore"], "bool")
    stays = ops.where(ignored, seen, centered if cut_objects == "drop" else centered | seen)
    stays = stays & (objects["class_ids"] != NONE)
    if cut_objects == "ignore":
        ignored = ignored | ~centered
    placed = {
        "boxes": ops.where(stays[..., None], ops.concatenate([first, last], axis=-1), 0.0),
        "class_ids": ops.where(stays, objects["class_ids"], NONE),
        "ignore": stays & ignored,
    }
    if "keypoints" in objects:
        keypoints = _keypoints(objects["keypoints"], frame, flip)
        placed["keypoints"] = ops.where(stays[..., None, None], keypoints, 0.0)
    return {name: _join_parts(values) for name, values in placed.items()}


def seen_sizes(windows: Windows, canvas: tuple[int, int]) -> Any:
    """Height and width of canvases without the padding at the bottom and right, int32 `(batch, 2)`."""
    photo = (windows.sizes - windows.starts) / windows.ratios
    # A pixel belongs to the image if its center does.
    ends = ops.where(windows.high > windows.low, ops.ceil(ops.minimum(photo, windows.high) - 0.5), 0.0)
    whole = ops.convert_to_tensor(canvas, dtype="float32")
    return ops.cast(ops.minimum(ops.maximum(ops.max(ends, axis=1), 1.0), whole), "int32")


def first_objects(objects: Mapping[str, Any], slots: int) -> dict[str, Any]:
    """The existing objects of a batch, in their order, in a given number of slots.

    Args:
        objects: See `place_objects`, `(batch, n, ...)`.
        slots: Objects per image; surplus objects are dropped.
    """
    there = objects["class_ids"] != NONE
    order = ops.arange(there.shape[1], dtype="int32")
    first = ops.argsort(ops.where(there, order, order + there.shape[1]), axis=1)[:, :slots]

    def taken(values: Any) -> Any:
        index = ops.reshape(first, (-1, first.shape[1], *[1] * (len(values.shape) - 2)))
        return ops.take_along_axis(values, index, axis=1)

    return {name: taken(values) for name, values in objects.items()}


def choose_objects(use: Any, ours: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """The first objects for images where `use`, bool `(batch,)`, is true, and the second for the others."""

    def chosen(one: Any, other: Any) -> Any:
        return ops.where(ops.reshape(use, (-1, *[1] * (len(one.shape) - 1))), one, other)

    return {name: chosen(ours[name], others[name]) for name in ours}


def count_objects(objects: Mapping[str, Any]) -> Any:
    """Number of objects of each image, int32 `(batch,)`."""
    return ops.sum(ops.cast(objects["class_ids"] != NONE, "int32"), axis=1)


def _join_parts(values: Any) -> Any:
    _, parts, count, *rest = ops.shape(values)
    return ops.reshape(values, (-1, parts * count, *rest))


def _frame(windows: Windows) -> _Frame:
    begin = -windows.starts / windows.ratios
    end = (windows.sizes - windows.starts) / windows.ratios
    low, high = ops.maximum(windows.low, begin), ops.minimum(windows.high, end)
    shift = ops.where(windows.mirrored, end, begin)
    factor = ops.where(windows.mirrored, -1.0, 1.0) / windows.ratios
    values = factor, shift, low, ops.maximum(low, high)
    return _Frame(*(ops.flip(value, axis=-1)[:, :, None] for value in values))


def _to_canvas(points: Any, frame: _Frame) -> Any:
    return points * frame.factor + frame.shift


def _keypoints(keypoints: Any, frame: _Frame, flip: Sequence[int]) -> Any:
    """Keypoints `(batch, parts, n, k, 3)` on the canvas, with zeros for invisible ones."""
    frame = _Frame(*(value[:, :, None] for value in frame))
    if flip:
        # Mirroring along both axes is a rotation by 180°, which doesn't swap left and right.
        odd = ops.prod(frame.factor, axis=-1, keepdims=True) < 0
        keypoints = ops.where(odd, ops.take(keypoints, np.argsort(flip), axis=3), keypoints)
    places, visibility = _to_canvas(keypoints[..., :2], frame), keypoints[..., 2:]
    seen = ops.all((places >= frame.low) & (places <= frame.high), axis=-1, keepdims=True) & (visibility > 0)
    return ops.where(seen, ops.concatenate([places, visibility], axis=-1), 0.0)


def transpose(
    use: Any, images: Any, sizes: Any, objects: dict[str, Any], flip: Sequence[int]
) -> tuple[Any, Any, dict[str, Any]]:
    """Exchange rows and columns of some canvases.

    Args:
        use: Canvases to transpose, bool `(batch,)`.
        images: float32 `(batch, side, side, 3)`.
        sizes: int32 `(batch, 2)`.
        objects: See `place_objects`.
        flip: Index of the keypoint that each one becomes in a mirrored image; empty without keypoints.

    Returns:
        The last three, mixed.
    """
    turned = dict(objects, boxes=ops.take(objects["boxes"], [*YX, 3, 2], axis=-1))
    if "keypoints" in objects:
        keypoints = ops.take(objects["keypoints"], [*YX, 2], axis=-1)
        turned["keypoints"] = ops.take(keypoints, np.argsort(flip), axis=2)
    images = ops.where(use[:, None, None, None], ops.transpose(images, (0, 2, 1, 3)), images)
    sizes = ops.where(use[:, None], ops.take(sizes, YX, axis=1), sizes)
    return images, sizes, choose_objects(use, turned, objects)
