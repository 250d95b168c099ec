"""Keeping parts of a detector as they are while the rest is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from centernet.errors import ConfigError


@contextmanager
def frozen(detector: Any, what: str | None) -> Iterator[tuple[str, ...]]:
    """Within it, a part of a detector is frozen: its weights, and the statistics of its batch normalization.

    Args:
        detector: The detector; what its user has frozen stays so.
        what: `"backbone"`; `"stages:N"`, the layers of the backbone in order, up to the first whose map is more than
            2 to the N times smaller than the input; or None for nothing.

    Yields:
        Names of the layers with weights that are frozen so.

    Raises:
        ConfigError: If it is none of these.
    """
    layers = _layers(detector, what)
    every = [part for layer in layers for part in layer._flatten_layers()]  # each before what is inside it
    before = [part.trainable for part in every]
    try:
        for layer in layers:
            layer.trainable = False
        yield tuple(layer.name for layer in layers if layer.weights)
    finally:
        for part, value in zip(every, before, strict=True):
            part.trainable = value


def _layers(detector: Any, what: str | None) -> list[Any]:
    stages = re.fullmatch(r"stages:(\d+)", what or "")
    if what is not None and what != "backbone" and not stages:
        raise ConfigError(f"Expected freeze to be 'backbone', 'stages:N' or None. Received: {what!r}")
    if stages:
        return _down_to(detector.backbone, 2 ** int(stages[1]))
    return list(detector.backbone.layers) if what else []


def _down_to(backbone: keras.Model, stride: int) -> list[Any]:
    """The layers of a backbone in order, until one has a map of a larger stride."""
    side = 8 * backbone.input_multiple
    copy = keras.models.clone_model(backbone, input_tensors=keras.Input((side, side, 3)))
    found: list[Any] = []
    for layer, of_copy in zip(backbone.layers, copy.layers, strict=True):
        maps = [tensor.shape[1] for tensor in keras.tree.flatten(of_copy.output) if len(tensor.shape) == 4]
        if any(1 < height < side / stride for height in maps):  # a height of 1 is what is left of a pooled map
            break
        found.append(layer)
    return found
