"""Loss terms of both families: focal loss of heatmaps, masked vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras import ops

MIN_PROBABILITY = 1e-4  # both references clamp probabilities to this distance from 0 and 1

# Sums a value over all devices that share a batch.
DeviceSum = Callable[[Any], Any]


def one_device(value: Any) -> Any:
    """The `DeviceSum` of a single device: returns the value."""
    return value


def focal_terms(logits: Any, heatmap: Any) -> Any:
    """Focal loss of each heatmap cell (Law and Deng 2018, equation 1, with α = 2 and β = 4).

    Clamped probabilities (1e-4, 1 - 1e-4) have no gradient, as in the references.

    Args:
        logits: `(batch, height, width, classes)`.
        heatmap: Target, float32, same shape, 0–1. Exactly 1 is positive; other cells have the weight (1 - value)⁴.

    Returns:
        float32, same shape, not reduced.
    """
    is_object = heatmap == 1
    logits = ops.cast(logits, "float32")
    right = ops.sigmoid(ops.where(is_object, logits, -logits))
    # Not ops.clip: its gradient at the bounds differs between backends.
    right = ops.where(right < MIN_PROBABILITY, MIN_PROBABILITY, right)
    right = ops.where(right > 1 - MIN_PROBABILITY, 1 - MIN_PROBABILITY, right)
    weight = ops.where(is_object, 1.0, ops.square(ops.square(1 - heatmap)))
    return -ops.log(right) * ops.square(1 - right) * weight


def heatmap_loss(logits: Any, heatmap: Any, count: Any, masks: Sequence[Any] = ()) -> Any:
    """Focal loss of a heatmap, summed and normalized (Zhou 2019, equation 1).

    Args:
        logits: `(batch, height, width, channels)`.
        heatmap: Target; see `focal_terms`.
        count: Number of objects or keypoints in the batch; divides the sum (at least 1).
        masks: Valid cells, bool, of the heatmap's shape or with one channel; combined by AND.

    Returns:
        Scalar, float32.
    """
    terms = focal_terms(logits, heatmap)
    for mask in masks:
        terms = ops.where(mask, terms, 0.0)
    return ops.sum(terms) / ops.maximum(ops.cast(count, "float32"), 1.0)


def masked(values: Any, mask: Any) -> Any:
    """Cast to float32 and zero where the mask is false, so that NaN there affects neither loss nor gradient."""
    return ops.where(mask, ops.cast(values, "float32"), 0.0)


def count_true(mask: Any, axis: int | None = None) -> Any:
    """Number of true values of a mask, float32."""
    return ops.sum(ops.cast(mask, "float32"), axis=axis)
