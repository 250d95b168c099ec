"""Losses of Keypoint Triplets (Duan 2019, section 3.4, equation 2; the terms are CornerNet's, Law and Deng 2018).

As in the reference, whose numbers the tests hold this to:

* Pull and push are sums over the images of a batch, not means: their part grows with the batch on a device (six
  images in the published training).
* Push subtracts `1 / n` from every pair of objects, each object with itself included, so that it is 0 when all are
  far apart. An image with one object is left with a constant of about 1 (0.9999), which has no gradient.
* Offsets have a smooth L1 loss (the paper says L1).
* Where probability is clamped, a heatmap has no gradient.

Unlike the reference:

* A batch of one image works (there, dropping the batch axis ends in an IndexError), so the batch of a device may be 1.
* Masks are booleans, and a pair counts when both objects do. (There, masks are bytes that are added and compared
  with 2, which with booleans counts every pair with at least one object.)
* Whatever lies in padding, NaN included, has no part in values or gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from centernet.files.validation import check_non_negative
from centernet.ops.focal import focal_terms
from centernet.ops.peaks import gather_cells
from centernet.ops.reduction import Total, itself

EPSILON = 1e-4  # a published constant: the reference guards its divisions so


@dataclass(frozen=True)
class LossWeights:
    """Parts of the total (Duan 2019, section 3.4).

    Attributes:
        pull: Embeddings of an object's corners coming together.
        push: Embeddings of different objects going apart.
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
    total: Total = itself,
) -> dict[str, Any]:
    """The total loss and its parts, summed over the stacks and divided by their number.

    Args:
        maps: Head name → list over stacks of `(batch, height, width, channels)`: logits `top_left`,
            `bottom_right` and `center`; `{keypoint}_offset`, `x y` in cells; `top_left_embedding` and
            `bottom_right_embedding` of one channel.
        targets: What `triplet_targets` gives.
        weights: Parts of the total; the paper's by default.
        total: Gives the sum of a number over all devices that share the batch, of which this is a part; the parts'
            losses then add up to that of the batch.

    Returns:
        Scalars, float32: `loss`, and its summands `focal`, `pull`, `push` and `offset`, with their weights.
    """
    weights = weights or LossWeights()
    stacks = len(maps["top_left"])
    sums: dict[str, Any] = dict.fromkeys(("focal", "pull", "push", "offset"), 0.0)
    for stack in range(stacks):
        of_stack = {name: values[stack] for name, values in maps.items()}
        for name, value in _stack_losses(of_stack, targets, total).items():
            sums[name] = sums[name] + value
    scales = {"focal": 1.0, "pull": weights.pull, "push": weights.push, "offset": weights.offset}
    parts = {name: value * (scales[name] / stacks) for name, value in sums.items()}
    return {"loss": sum(parts.values())} | parts


def focal_loss(logits: Any, heatmap: Any, total: Total = itself) -> Any:
    """Focal loss of a heatmap against Gaussians (Law and Deng 2018, equation 1); see `focal_terms`.

    Args:
        logits: `(batch, height, width, classes)`.
        heatmap: Target, same shape, 0–1; what is exactly 1 is an object, everything else background.
        total: See `triplet_losses`.

    Returns:
        Scalar, float32: the sum over the batch divided by the number of cells that are 1, or undivided if none is.
    """
    count = total(ops.sum(ops.cast(heatmap == 1, "float32")))
    return ops.sum(focal_terms(logits, heatmap)) / ops.maximum(count, 1.0)


def pull_loss(top_left: Any, bottom_right: Any, mask: Any) -> Any:
    """How far the embeddings of an object's two corners are from their mean (Law and Deng 2018, equation 4).

    Args:
        top_left: Embeddings of the top-left corners, `(batch, n)`.
        bottom_right: Embeddings of the bottom-right corners, same shape.
        mask: Which objects count, bool `(batch, n)`.

    Returns:
        Scalar, float32: the squares' mean over the objects of each image, summed over the images.
    """
    # Half the squared difference is the sum of both squared differences to the mean.
    squared = ops.square(_masked(top_left, mask) - _masked(bottom_right, mask)) / 2
    return ops.sum(squared / (_count(mask)[:, None] + EPSILON))


def push_loss(top_left: Any, bottom_right: Any, mask: Any) -> Any:
    """How much the mean embeddings of an image's objects are nearer than 1 (Law and Deng 2018, equation 5).

    Args:
        top_left: See `pull_loss`.
        bottom_right: See `pull_loss`.
        mask: See `pull_loss`.

    Returns:
        Scalar, float32: the mean over the pairs of objects of each image, summed over the images.
    """
    mean = (_masked(top_left, mask) + _masked(bottom_right, mask)) / 2
    near = ops.relu(1 - ops.abs(mean[:, None] - mean[:, :, None]))
    count = _count(mask)[:, None, None]
    pairs = (near - 1 / (count + EPSILON)) / (count * (count - 1) + EPSILON)
    return ops.sum(ops.where(mask[:, None] & mask[:, :, None], pairs, 0.0))


def offset_loss(offset: Any, target: Any, mask: Any, total: Total = itself) -> Any:
    """Smooth L1 loss of offsets (Law and Deng 2018, equation 3).

    Args:
        offset: Offsets at the keypoints, `x y` in cells, `(batch, ..., 2)`.
        target: What they should be, same shape.
        mask: Which count, bool `(batch, ...)`.
        total: See `triplet_losses`.

    Returns:
        Scalar, float32: the sum of both coordinates, divided by the number of those that count.
    """
    distance = ops.abs(_masked(offset, mask[..., None]) - _masked(target, mask[..., None]))
    smooth = ops.where(distance < 1, ops.square(distance) / 2, distance - 0.5)
    return ops.sum(smooth) / (total(ops.sum(_count(mask))) + EPSILON)


def _stack_losses(maps: Mapping[str, Any], targets: Mapping[str, Any], total: Total) -> dict[str, Any]:
    mask = targets["mask"]
    keypoints = ("top_left", "bottom_right", "center")
    first, second = (_at(maps[f"{name}_embedding"], targets[f"{name}_cell"])[..., 0] for name in keypoints[:2])
    return {
        "focal": sum(focal_loss(maps[name], targets[name], total) for name in keypoints),
        "pull": pull_loss(first, second, mask),
        "push": push_loss(first, second, mask),
        "offset": sum(_offset_loss(maps, name, targets, total) for name in keypoints),
    }


def _offset_loss(maps: Mapping[str, Any], name: str, targets: Mapping[str, Any], total: Total) -> Any:
    """Loss of a keypoint's offsets, at cells of their own or at the keypoint's."""
    cell = targets.get(f"{name}_offset_cell", targets[f"{name}_cell"])
    mask = targets.get(f"{name}_offset_mask", targets["mask"])
    return offset_loss(_at(maps[f"{name}_offset"], cell), targets[f"{name}_offset"], mask, total)


def _at(features: Any, cell: Any) -> Any:
    """Values of a map `(batch, height, width, channels)` at cells numbered `y·width + x`, `(batch, n)`."""
    batch, channels = ops.shape(features)[0], features.shape[-1]
    return gather_cells(ops.reshape(features, (batch, -1, channels)), cell)


def _masked(values: Any, mask: Any) -> Any:
    """Values as float32, 0 where they don't count: so neither they nor their gradients matter, NaN or not."""
    return ops.where(mask, ops.cast(values, "float32"), 0.0)


def _count(mask: Any) -> Any:
    return ops.sum(ops.cast(mask, "float32"), axis=-1)
