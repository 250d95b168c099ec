"""Temporary changes to a detector during training; everything is restored afterwards."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from centernet.errors import ConfigError
from centernet.files.validation import dataclass_from
from centernet.models.network import Network
from centernet.training.settings import TrainingSettings

OVERRIDES = {"target_settings": "targets", "loss_weights": "loss_weights"}  # attribute → field of TrainingSettings
STATISTICS_FRACTION = 0.05  # of the training, over which batch normalization averages at the end
MIN_STATISTICS_STEPS = 10


@contextmanager
def overridden(detector: Network, settings: TrainingSettings) -> Iterator[None]:
    """Apply the targets and loss weights of the settings.

    Raises:
        ConfigError: If the family has no such field, or a value is invalid.
    """
    original = {name: getattr(detector, name) for name in OVERRIDES}
    try:
        for name, field in OVERRIDES.items():
            values = dataclasses.asdict(original[name]) | dict(getattr(settings, field))
            setattr(detector, name, dataclass_from(type(original[name]), values, f"{field} of the training"))
        yield
    finally:
        for name, value in original.items():
            setattr(detector, name, value)


@contextmanager
def changed_normalization(detector: Network, steps: int, *, synchronized: bool = False) -> Iterator[None]:
    """Adapt batch normalization to the length of the training and the number of devices.

    The published networks average over thousands of batches (momentum 0.9997), which suits their 100,000 steps. After
    1,000 steps such averages are still dominated by their initial values: the loss is low, but nothing is detected.

    Args:
        detector: The detector; layers with a lower momentum keep it.
        steps: Number of batches of the whole training.
        synchronized: Whether the statistics are those of the whole batch, across devices.
    """
    layers = [layer for layer in detector._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    original = [(layer.momentum, layer.synchronized) for layer in layers]
    momentum = 1 - 1 / max(MIN_STATISTICS_STEPS, STATISTICS_FRACTION * steps)
    try:
        for layer in layers:
            layer.momentum = min(layer.momentum, momentum)
            layer.synchronized = layer.synchronized or synchronized
        yield
    finally:
        for layer, values in zip(layers, original, strict=True):
            layer.momentum, layer.synchronized = values


@contextmanager
def frozen(detector: Network, part: str | None) -> Iterator[tuple[str, ...]]:
    """Freeze a part of a detector: its weights, and the statistics of its batch normalization.

    Args:
        detector: The detector; layers that the user has frozen stay frozen.
        part: `"backbone"`; `"stages:N"`, the layers of the backbone in order, up to the first whose stride is more
            than 2 to the N; or None for nothing.

    Yields:
        Names of the frozen layers that have weights.

    Raises:
        ConfigError: If `part` is invalid.
    """
    layers = _frozen_layers(detector, part)
    nested = [inner for layer in layers for inner in layer._flatten_layers()]  # outer layers before inner ones
    original = [layer.trainable for layer in nested]
    try:
        for layer in layers:
            layer.trainable = False
        yield tuple(layer.name for layer in layers if layer.weights)
    finally:
        for layer, trainable in zip(nested, original, strict=True):
            layer.trainable = trainable


def _frozen_layers(detector: Network, part: str | None) -> list[Any]:
    stages = re.fullmatch(r"stages:(\d+)", part or "")
    if part is not None and part != "backbone" and not stages:
        raise ConfigError(f"Expected freeze to be 'backbone', 'stages:N' or None. Received: {part!r}")
    if stages:
        return _layers_down_to(detector.backbone, 2 ** int(stages[1]))
    return list(detector.backbone.layers) if part else []


def _layers_down_to(backbone: Any, stride: int) -> list[Any]:
    """The layers of a backbone in order, up to the first with a larger stride."""
    side = 8 * backbone.input_multiple
    copy = keras.models.clone_model(backbone, input_tensors=keras.Input((side, side, 3)))
    layers: list[Any] = []
    for layer, copied in zip(backbone.layers, copy.layers, strict=True):
        heights = [tensor.shape[1] for tensor in keras.tree.flatten(copied.output) if len(tensor.shape) == 4]
        if any(1 < height < side / stride for height in heights):  # 1 is the height of pooled features
            break
        layers.append(layer)
    return layers
