"""Keypoint Triplets that are built in a moment, with random weights that find something."""

from __future__ import annotations

from typing import Any

import numpy as np
from small import BACKBONE, SIZE, add_tiny

HEADS = {"filters": 16, "pooling_filters": 16, "pooling_inner_filters": 8}
DECODER = {"keypoints": 30, "max_pairs": 300, "max_detections": 50}


def small_triplets(classes: Any = ("a", "b"), *, seed: int = 0, lively: bool = True, **options: Any) -> Any:
    """A detector on an hourglass of two levels.

    Args:
        classes: As `TripletDetector` takes them.
        seed: Of the weights.
        lively: Whether the heads' last layers are drawn such that there are pairs and centers.
        **options: Of `TripletDetector`.

    Returns:
        The detector.
    """
    import keras

    from centernet import TripletDetector
    from centernet.models.settings import TripletDecoderSettings, TripletHeadSettings

    add_tiny()
    keras.utils.set_random_seed(seed)
    parts = {"heads": TripletHeadSettings(**HEADS), "decoder": TripletDecoderSettings(**DECODER)}
    chosen = {"backbone": BACKBONE, "classes": classes, "image_size": SIZE, "name": "small_triplets", **parts}
    detector = TripletDetector(**chosen | options)
    if lively:
        enliven(detector, seed)
    return detector


def enliven(detector: Any, seed: int = 0) -> None:
    """Draw all kernels, the same on every backend, and the heads' last such that there are pairs and centers."""
    rng = np.random.default_rng(seed)
    for variable in detector.variables:
        if variable.ndim == 4:
            spread = np.sqrt(2 / np.prod(variable.shape[:3]))
            variable.assign(spread * rng.standard_normal(variable.shape))
    for layer in detector.layers:
        if layer.name.endswith("_0") and layer.weights:
            # Pooled features are about 30; probabilities shall not all be 0 or 1, nor embeddings far apart.
            spread = 0.005 if "embedding" in layer.name or "offset" in layer.name else 0.03
            kernel = spread * rng.standard_normal(layer.kernel.shape)
            layer.kernel.assign(kernel - kernel.mean(axis=2, keepdims=True))
    detector.refresh()
