"""Losses of Objects as Points (Zhou 2019, sections 3 and 4.2), normalized as in the TensorFlow API.

As there, whose numbers the tests hold this to:

* Each part is summed over the batch and divided by what it asks for in the batch: heatmap, size and offset by the
  number of objects; the keypoint heatmap by the number of labeled keypoints; their offset and regression by the
  number of cells that are asked. (At least 1: without objects, the background is left.)
* Each part is the mean over the stacks.
* Cells in the padding of the canvas have no part in the heatmaps' losses.
* Where probability is clamped, a heatmap has no gradient.

Whatever lies where nothing is asked for, NaN included, has no part in values or gradients of the other maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from centernet.errors import ConfigError
from centernet.files.validation import check_non_negative
from centernet.ops.focal import focal_terms
from centernet.ops.peaks import gather_cells
from centernet.ops.reduction import Total, itself


@dataclass(frozen=True)
class LossWeights:
    """Parts of the total, by head; those of all published models.

    Attributes:
        heatmap: Centers.
        size: Height and width, in cells.
        offset: Place of centers in their cells.
        keypoint_heatmap: Keypoints.
        keypoint_regression: Keypoints as seen from the object's center, in cells.
        keypoint_offset: Place of keypoints as seen from the cells around them.
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
    total: Total = itself,
) -> dict[str, Any]:
    """The total loss and its parts, of all stacks.

    Args:
        maps: Head name → list over stacks of `(batch, height, width, channels)`; see `head_channels`.
        targets: What `point_targets` gives.
        weights: Parts of the total; those of the published models by default.
        total: Gives the sum of a number over all devices that share the batch, of which this is a part; the parts'
            losses then add up to that of the batch.

    Returns:
        Scalars, float32: `loss`, and its summands, with their weights, by the names of the heads.

    Raises:
        ConfigError: If a head has no target.
    """
    weights = weights or LossWeights()
    if not targets.keys() >= maps.keys():
        missing = ", ".join(sorted(maps.keys() - targets.keys()))
        raise ConfigError(f"Expected targets of every head. Received: none of {missing}. Give the boxes' keypoints.")
    parts = {}
    for name, stacks in maps.items():
        loss = _heatmap_loss if name.endswith("heatmap") else _vector_loss
        summed = sum(loss(stack, name, targets, total) for stack in stacks)
        parts[name] = summed * (getattr(weights, name) / len(stacks))
    return {"loss": sum(parts.values())} | parts


def heatmap_loss(logits: Any, heatmap: Any, count: Any, masks: Sequence[Any] = ()) -> Any:
    """Focal loss of a heatmap (Zhou 2019, equation 1).

    Args:
        logits: `(batch, height, width, channels)`.
        heatmap: Target, see `focal_terms`.
        count: What the sum is divided by: number of objects or keypoints in the batch.
        masks: Where the heatmap counts, bool, of its shape or with one channel; everywhere where all are true.

    Returns:
        Scalar, float32.
    """
    terms = focal_terms(logits, heatmap)
    for mask in masks:
        terms = ops.where(mask, terms, 0.0)
    return ops.sum(terms) / ops.maximum(ops.cast(count, "float32"), 1.0)


def l1_loss(vectors: Any, target: Any, mask: Any, total: Total = itself) -> Any:
    """L1 loss of vectors (Zhou 2019, equations 2 and 3).

    Args:
        vectors: `(..., 2)`.
        target: What they should be, same shape.
        mask: Which count, bool `(...)`.
        total: See `point_losses`.

    Returns:
        Scalar, float32: the sum of both coordinates, divided by the number of vectors that count.
    """
    vectors = ops.where(mask[..., None], ops.cast(vectors, "float32"), 0.0)
    distance = ops.abs(vectors - ops.where(mask[..., None], target, 0.0))
    return ops.sum(distance) / ops.maximum(total(ops.sum(ops.cast(mask, "float32"))), 1.0)


def _heatmap_loss(logits: Any, name: str, targets: Mapping[str, Any], total: Total) -> Any:
    counted = targets["mask" if name == "heatmap" else "keypoint_mask"]
    masks = [targets[mask] for mask in {"heatmap_mask", f"{name}_mask"} & targets.keys()]
    return heatmap_loss(logits, targets[name], total(ops.sum(ops.cast(counted, "float32"))), masks)


def _vector_loss(head: Any, name: str, targets: Mapping[str, Any], total: Total) -> Any:
    """Loss of a map with one or several vectors a cell, at the cells that are asked."""
    place = f"{name}_" if f"{name}_cell" in targets else ""  # cells of its own, or the object's
    cell, mask = targets[f"{place}cell"], targets[f"{place}mask"]
    if place:  # (batch, n, k, d): vector k of the cell; (batch, n, d) where it has only one
        pairs = head.shape[-1] // 2
        cell = cell * pairs + ops.arange(pairs, dtype="int32")[:, None]
    vectors = gather_cells(ops.reshape(head, (ops.shape(head)[0], -1, 2)), cell)
    return l1_loss(vectors, targets[name], mask, total)
