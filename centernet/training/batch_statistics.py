"""How fast the statistics of batch normalization forget, in a training that may be short."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

PART = 0.05  # of a training, that its statistics are averaged over at the end
FEWEST = 10  # batches that they are averaged over at least


@contextmanager
def forgetting(detector: Any, steps: int) -> Iterator[None]:
    """Within it, moving averages of batch normalization have forgotten what they began with when a training ends.

    The published networks average over thousands of batches (a momentum of 0.9997), which suits their 100,000 steps.
    After 1,000 steps such averages are still what they began with, not what the network has learned to expect: its
    loss is low, and it finds nothing.

    Args:
        detector: The detector; layers that forget sooner are left as they are.
        steps: Batches of the whole training.
    """
    layers = [layer for layer in detector._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    own = [layer.momentum for layer in layers]
    momentum = 1 - 1 / max(FEWEST, PART * steps)
    try:
        for layer in layers:
            layer.momentum = min(layer.momentum, momentum)
        yield
    finally:
        for layer, before in zip(layers, own, strict=True):
            layer.momentum = before
