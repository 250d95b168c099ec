"""Backbones: preprocessed images to one stride-4 feature map per stack. Usable alone.

Each is a function that returns a `keras.Model`, like the networks of `keras.applications`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from centernet.errors import ConfigError
from centernet.models.backbones.build import as_backbone
from centernet.models.backbones.hourglass import Hourglass, Hourglass52, Hourglass104
from centernet.models.backbones.imagenet import MobileNetV2FPN, ResNet50V1FPN, ResNet50V2, ResNet101V1FPN, ResNet101V2
from centernet.models.backbones.resnet_deconv import ResNet18Deconv, ResNet101Deconv, ResNetDeconv
from centernet.models.input_normalization import default_preprocessing

__all__ = [
    "BACKBONES",
    "Hourglass",
    "Hourglass52",
    "Hourglass104",
    "MobileNetV2FPN",
    "ResNet18Deconv",
    "ResNet50V1FPN",
    "ResNet50V2",
    "ResNet101Deconv",
    "ResNet101V1FPN",
    "ResNet101V2",
    "ResNetDeconv",
    "build_backbone",
    "default_preprocessing",
]

# Name in configurations → function that returns a functional model (see `as_backbone`).
BACKBONES: dict[str, Callable[..., keras.Model]] = {
    "hourglass": Hourglass,
    "hourglass52": Hourglass52,
    "hourglass104": Hourglass104,
    "mobilenetv2_fpn": MobileNetV2FPN,
    "resnet50_v1_fpn": ResNet50V1FPN,
    "resnet101_v1_fpn": ResNet101V1FPN,
    "resnet50_v2": ResNet50V2,
    "resnet101_v2": ResNet101V2,
    "resnet18_deconv": ResNet18Deconv,
    "resnet101_deconv": ResNet101Deconv,
}


def build_backbone(name: str, **options: Any) -> keras.Model:
    """Build a backbone by the name that configurations use.

    Args:
        name: A key of `BACKBONES`.
        **options: Arguments of its function.

    Returns:
        The backbone.

    Raises:
        ConfigError: If the name or an option is unknown, or the function returns no backbone.
    """
    if name not in BACKBONES:
        raise ConfigError(f"Expected a backbone of {sorted(BACKBONES)}. Received: backbone={name!r}")
    builder = BACKBONES[name]
    try:
        model = builder(**options)
    except TypeError as error:
        accepted = sorted(set(inspect.signature(builder).parameters))
        raise ConfigError(f"Backbone {name!r} can't be built with {options} ({error}); it takes {accepted}") from error
    return as_backbone(model)
