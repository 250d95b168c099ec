"""Losses of Objects as Points (Zhou 2019, sections 3 and 4.2), normalized as in the TensorFlow API.

As there, whose numbers the tests hold this to:

* Each part is summed over the batch and divided by a count of the batch: heatmap, size and offset by the number of
  objects; the keypoint heatmap by the number of labeled keypoints; keypoint offset and regression by the number of
  cells that regress them. (At least 1: without objects, the background remains.)
* Each part is the mean over the stacks.
* Cells in the padding of the canvas don't count in heatmap losses.
* Clamped probabilities have no gradient.

Values of cells without a target, NaN included, affect neither losses nor gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from centernet.errors import ConfigError
from centernet.files.validation import check_non_negative
from centernet.models.points.heads import HEATMAPS
from centernet.ops.losses import DeviceSum, count_true, heatmap_loss, masked, one_device
from centernet.ops.peaks import gather_cells


@dataclass(frozen=True)
class LossWeights:
    """Weight of each head in the total loss; by default those of all published models.

    Attributes:
        heatmap: Centers.
        size: Height and width, in cells.
        offset: Position of centers inside their cells.
        keypoint_heatmap: Keypoints.
        keypoint_regression: Vectors from the object's center to its keypoints, in cells.
        keypoint_offset: Vectors from the cells around a keypoint to it.
    """

    heatmap: float = 1.0
    size: float = 0.1
    offset: float = 1.0
    keypoint_heatmap: float = 1.0
    keypoint_regression: float = 0.1
    keypoint_offset: float = 1.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_non_negative(self)


def point_losses(
    maps: Mapping[str, Sequence[Any]],
    targets: Mapping[str, Any],
    weights: LossWeights | None = None,
    device_sum: DeviceSum = one_device,
) -> dict[str, Any]:
    """Total loss and its parts over all stacks.

    Args:
        maps: Head name → list over stacks of `(batch, height, width, channels)`; see `point_heads`.
        targets: See `point_targets`.
        weights: Weight of each part; by default those of the published models.
        device_sum: Sums a number over all devices that share the batch. The losses of the devices then add up to that
            of the whole batch.

    Returns:
        Scalars, float32: `loss`, and its weighted summands by head name.

    Raises:
        ConfigError: If a head has no target.
    """
    weights = weights or LossWeights()
    if not targets.keys() >= maps.keys():
        missing = ", ".join(sorted(maps.keys() - targets.keys()))
        raise ConfigError(f"Expected targets of every head. Received: none of {missing}. Add the keypoints.")
    parts = {}
    for name, stacks in maps.items():
        loss = _heatmap_loss if name in HEATMAPS else _vector_loss
        summed = sum(loss(stack, name, targets, device_sum) for stack in stacks)
        parts[name] = summed * (getattr(weights, name) / len(stacks))
    return {"loss": sum(parts.values())} | parts


def l1_loss(vectors: Any, target: Any, mask: Any, device_sum: DeviceSum = one_device) -> Any:
    """L1 loss of vectors (Zhou 2019, equations 2 and 3).

    Args:
        vectors: `(..., 2)`.
        target: Same shape.
        mask: Vectors that count, bool `(...)`.
        device_sum: See `point_losses`.

    Returns:
        Scalar, float32: the sum of both coordinates, divided by the number of vectors that count.
    """
    distance = ops.abs(masked(vectors, mask[..., None]) - masked(target, mask[..., None]))
    return ops.sum(distance) / ops.maximum(device_sum(count_true(mask)), 1.0)


def _heatmap_loss(logits: Any, name: str, targets: Mapping[str, Any], device_sum: DeviceSum) -> Any:
    counted = targets["mask" if name == "heatmap" else "keypoint_mask"]
    masks = [targets[mask] for mask in {"heatmap_mask", f"{name}_mask"} & targets.keys()]
    return heatmap_loss(logits, targets[name], device_sum(count_true(counted)), masks)


def _vector_loss(head: Any, name: str, targets: Mapping[str, Any], device_sum: DeviceSum) -> Any:
    """Loss of a map with one or several vectors per cell, at the cells with a target."""
    place = f"{name}_" if f"{name}_cell" in targets else ""  # its own cells, or the cell of the object
    cell, mask = targets[f"{place}cell"], targets[f"{place}mask"]
    if place:  # (batch, n, k, d): vector k of the cell; (batch, n, d) where it has only one
        pairs = head.shape[-1] // 2
        cell = cell * pairs + ops.arange(pairs, dtype="int32")[:, None]
    vectors = gather_cells(ops.reshape(head, (ops.shape(head)[0], -1, 2)), cell)
    return l1_loss(vectors, targets[name], mask, device_sum)
