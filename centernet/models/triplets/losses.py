"""Losses of Keypoint Triplets (Duan 2019, section 3.4, equation 2; the terms are CornerNet's, Law and Deng 2018).

As in the reference, whose numbers the tests hold this to:

* Pull and push are summed over the images of a batch, not averaged: their share grows with the batch size of a device
  (six images in the published training).
* Push subtracts `1 / n` from every pair of objects, pairs of an object with itself included, so that it is 0 if all
  are far apart. An image with one object keeps a constant of about 1 (0.9999) without gradient.
* Offsets have a smooth L1 loss (the paper says L1).
* Clamped probabilities have no gradient.

Unlike the reference:

* A batch of one image per device works (the reference drops the batch axis and raises an IndexError).
* Masks are booleans, and a pair counts if both objects do. (The reference adds byte masks and compares with 2, which
  with booleans counts every pair with at least one object.)
* Padding, NaN included, affects neither losses nor gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from centernet.files.validation import check_non_negative
from centernet.ops.losses import DeviceSum, count_true, heatmap_loss, masked, one_device
from centernet.ops.peaks import gather_cells

EPSILON = 1e-4  # of the reference: guards its divisions


@dataclass(frozen=True)
class LossWeights:
    """Weight of each part of the total loss (Duan 2019, section 3.4).

    Attributes:
        pull: Pulls the embeddings of an object's two corners together.
        push: Pushes the embeddings of different objects apart.
        offset: Offsets of corners and centers.
    """

    pull: float = 0.1
    push: float = 0.1
    offset: float = 1.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_non_negative(self)


def triplet_losses(
    maps: Mapping[str, Sequence[Any]],
    targets: Mapping[str, Any],
    weights: LossWeights | None = None,
    device_sum: DeviceSum = one_device,
) -> dict[str, Any]:
    """Total loss and its parts, averaged over the stacks.

    Args:
        maps: Head name → list over stacks of `(batch, height, width, channels)`: logits `top_left`,
            `bottom_right` and `center`; `{keypoint}_offset`, `x y` in cells; `top_left_embedding` and
            `bottom_right_embedding` of one channel.
        targets: See `triplet_targets`.
        weights: Weight of each part; by default those of the paper.
        device_sum: Sums a number over all devices that share the batch. The losses of the devices then add up to that
            of the whole batch.

    Returns:
        Scalars, float32: `loss`, and its weighted summands `focal`, `pull`, `push` and `offset`.
    """
    weights = weights or LossWeights()
    stacks = len(maps["top_left"])
    sums: dict[str, Any] = dict.fromkeys(("focal", "pull", "push", "offset"), 0.0)
    for stack in range(stacks):
        of_stack = {name: values[stack] for name, values in maps.items()}
        for name, value in _stack_losses(of_stack, targets, device_sum).items():
            sums[name] = sums[name] + value
    scales = {"focal": 1.0, "pull": weights.pull, "push": weights.push, "offset": weights.offset}
    parts = {name: value * (scales[name] / stacks) for name, value in sums.items()}
    return {"loss": sum(parts.values())} | parts


def focal_loss(logits: Any, heatmap: Any, device_sum: DeviceSum = one_device) -> Any:
    """Focal loss of a heatmap against Gaussians (Law and Deng 2018, equation 1); see `focal_terms`.

    Args:
        logits: `(batch, height, width, classes)`.
        heatmap: Target, same shape, 0–1; exactly 1 is an object, everything else background.
        device_sum: See `triplet_losses`.

    Returns:
        Scalar, float32: the sum over the batch divided by the number of cells of value 1 (at least 1).
    """
    return heatmap_loss(logits, heatmap, device_sum(count_true(heatmap == 1)))


def pull_loss(top_left: Any, bottom_right: Any, mask: Any) -> Any:
    """Distance of the embeddings of an object's two corners from their mean (Law and Deng 2018, equation 4).

    Args:
        top_left: Embeddings of the top-left corners, `(batch, n)`.
        bottom_right: Embeddings of the bottom-right corners, same shape.
        mask: Objects that count, bool `(batch, n)`.

    Returns:
        Scalar, float32: the mean square over the objects of each image, summed over the images.
    """
    # Half the squared difference is the sum of both squared differences to the mean.
    squared = ops.square(masked(top_left, mask) - masked(bottom_right, mask)) / 2
    return ops.sum(squared / (count_true(mask, axis=-1)[:, None] + EPSILON))


def push_loss(top_left: Any, bottom_right: Any, mask: Any) -> Any:
    """Hinge loss on mean embeddings of an image's objects that are nearer than 1 (Law and Deng 2018, equation 5).

    Args:
        top_left: See `pull_loss`.
        bottom_right: See `pull_loss`.
        mask: See `pull_loss`.

    Returns:
        Scalar, float32: the mean over the pairs of objects of each image, summed over the images.
    """
    mean = (masked(top_left, mask) + masked(bottom_right, mask)) / 2
    near = ops.relu(1 - ops.abs(mean[:, None] - mean[:, :, None]))
    count = count_true(mask, axis=-1)[:, None, None]
    pairs = (near - 1 / (count + EPSILON)) / (count * (count - 1) + EPSILON)
    return ops.sum(ops.where(mask[:, None] & mask[:, :, None], pairs, 0.0))


def offset_loss(offset: Any, target: Any, mask: Any, device_sum: DeviceSum = one_device) -> Any:
    """Smooth L1 loss of offsets (Law and Deng 2018, equation 3).

    Args:
        offset: Offsets at the keypoints, `x y` in cells, `(batch, ..., 2)`.
        target: Same shape.
        mask: Offsets that count, bool `(batch, ...)`.
        device_sum: See `triplet_losses`.

    Returns:
        Scalar, float32: the sum of both coordinates, divided by the number of offsets that count.
    """
    distance = ops.abs(masked(offset, mask[..., None]) - masked(target, mask[..., None]))
    smooth = ops.where(distance < 1, ops.square(distance) / 2, distance - 0.5)
    return ops.sum(smooth) / (device_sum(count_true(mask)) + EPSILON)


def _stack_losses(maps: Mapping[str, Any], targets: Mapping[str, Any], device_sum: DeviceSum) -> dict[str, Any]:
    mask = targets["mask"]
    keypoints = ("top_left", "bottom_right", "center")
    first, second = (_at(maps[f"{name}_embedding"], targets[f"{name}_cell"])[..., 0] for name in keypoints[:2])
    return {
        "focal": sum(focal_loss(maps[name], targets[name], device_sum) for name in keypoints),
        "pull": pull_loss(first, second, mask),
        "push": push_loss(first, second, mask),
        "offset": sum(_offset_loss(maps, name, targets, device_sum) for name in keypoints),
    }


def _offset_loss(maps: Mapping[str, Any], name: str, targets: Mapping[str, Any], device_sum: DeviceSum) -> Any:
    """Loss of a keypoint's offsets, at several cells around it or at its own."""
    cell = targets.get(f"{name}_offset_cell", targets[f"{name}_cell"])
    mask = targets.get(f"{name}_offset_mask", targets["mask"])
    return offset_loss(_at(maps[f"{name}_offset"], cell), targets[f"{name}_offset"], mask, device_sum)


def _at(features: Any, cell: Any) -> Any:
    """Values of a map `(batch, height, width, channels)` at cells numbered `y·width + x`, `(batch, n)`."""
    batch, channels = ops.shape(features)[0], features.shape[-1]
    return gather_cells(ops.reshape(features, (batch, -1, channels)), cell)
