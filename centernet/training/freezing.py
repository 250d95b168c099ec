"""Keeping parts of a detector as they are while the rest is trained."""

from __future__ import annotations

import re
from typing import Any

import keras

from centernet.errors import ConfigError


def freeze(detector: Any, what: str | None) -> tuple[str, ...]:
    """Freeze a part of a detector: its weights, and the statistics of its batch normalization.

    Args:
        detector: The detector; whatever was frozen before is trainable again.
        what: `"backbone"`; `"stages:N"`, the layers of the backbone in order, up to the first whose map is more than
            2 to the N times smaller than the input; or None for nothing.

    Returns:
        Names of the frozen layers that have weights.

    Raises:
        ConfigError: If it is none of these.
    """
    for layer in (detector, *detector.layers, *detector.backbone.layers):
        layer.trainable = True
    stages = re.fullmatch(r"stages:(\d+)", what or "")
    if what is not None and what != "backbone" and not stages:
        raise ConfigError(f"Expected freeze to be 'backbone', 'stages:N' or None. Received: {what!r}")
    layers = detector.backbone.layers if what == "backbone" else []
    if stages:
        layers = _down_to(detector.backbone, 2 ** int(stages[1]))
    for layer in layers:
        layer.trainable = False
    return tuple(layer.name for layer in layers if layer.weights)


def _down_to(backbone: keras.Model, stride: int) -> list[Any]:
    """The layers of a backbone in order, until one has a map of a larger stride."""
    side = 8 * backbone.input_multiple
    copy = keras.models.clone_model(backbone, input_tensors=keras.Input((side, side, 3)))
    found: list[Any] = []
    for layer, of_copy in zip(backbone.layers, copy.layers, strict=True):
        if side / min(tensor.shape[1] for tensor in keras.tree.flatten(of_copy.output)) > stride:
            break
        found.append(layer)
    return found
