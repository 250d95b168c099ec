"""Keypoint Triplets that are built in a moment, with random weights that find something."""

from __future__ import annotations

from typing import Any

import numpy as np
from small import BACKBONE, SIZE

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
    from centernet.triplets.settings import DecoderSettings, HeadSettings

    keras.utils.set_random_seed(seed)
    parts = {"heads": HeadSettings(**HEADS), "decoder": DecoderSettings(**DECODER)}
    chosen = {"backbone": BACKBONE, "classes": classes, "image_size": SIZE, "name": "small_triplets", **parts}
    detector = TripletDetector(**chosen | options)
    if lively:
        enliven(detector, seed)
    return detector


def enliven(detector: Any, seed: int = 0) -> None:
    """Draw the heads' last kernels, so that there are pairs and centers."""
    rng = np.random.default_rng(seed)
    for layer in detector.layers:
        if layer.name.endswith("_0") and layer.weights:
            spread = 0.05 if "embedding" in layer.name or "offset" in layer.name else 1.0
            layer.kernel.assign(spread * rng.standard_normal(layer.kernel.shape))
    detector.refresh()
