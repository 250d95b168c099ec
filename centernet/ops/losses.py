"""The focal loss of heatmaps that CornerNet introduced and all CenterNets have."""

from __future__ import annotations

from typing import Any

from keras import ops

MIN_PROBABILITY = 1e-4  # a published constant: the references clamp probabilities so


def focal_terms(logits: Any, heatmap: Any) -> Any:
    """Focal loss of each value of a heatmap (Law and Deng 2018, equation 1, with α = 2 and β = 4).

    Where probability is clamped to 1e-4 or 1 - 1e-4, there is no gradient, as in the references.

    Args:
        logits: `(batch, height, width, classes)`.
        heatmap: Target, float32, same shape, 0–1; what is exactly 1 is an object, everything else background, which
            counts the less the nearer it is to 1.

    Returns:
        float32, same shape, at least 0; neither summed nor normalized.
    """
    is_object = heatmap == 1
    logits = ops.cast(logits, "float32")
    right = ops.sigmoid(ops.where(is_object, logits, -logits))
    # Not ops.clip: its gradient at the bounds themselves differs between backends.
    right = ops.where(right < MIN_PROBABILITY, MIN_PROBABILITY, right)
    right = ops.where(right > 1 - MIN_PROBABILITY, 1 - MIN_PROBABILITY, right)
    weight = ops.where(is_object, 1.0, ops.square(ops.square(1 - heatmap)))
    return -ops.log(right) * ops.square(1 - right) * weight
