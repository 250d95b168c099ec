"""Backbones: from preprocessed images to one feature map of stride 4 a stack, usable alone.

Each is a function that returns a `keras.Model`, as the networks of `keras.applications` are.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

import keras

from centernet.errors import ConfigError
from centernet.models.backbones.build import as_backbone
from centernet.models.backbones.hourglass import Hourglass, Hourglass52, Hourglass104
from centernet.models.backbones.mobilenet import MobileNetV2FPN
from centernet.models.backbones.resnet import ResNet50V1FPN, ResNet50V2, ResNet101V1FPN, ResNet101V2
from centernet.models.backbones.resnet_deconv import ResNet18Deconv, ResNet101Deconv, ResNetDeconv
from centernet.ops.preprocessing import Preprocessing

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

# The name in a configuration, and what builds it: any function that returns a functional model, see `as_backbone`.
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


Normalization = tuple[Literal["rgb", "bgr"], tuple[float, ...], tuple[float, ...]]
# Of both PyTorch references: 0.40789654, 0.44719302, 0.47026115 and 0.28863828, 0.27408164, 0.27809835 of 0 to 1.
PYTORCH: Normalization = (
    "bgr",
    (104.0136177, 114.03422010, 119.91659325),
    (73.6027614, 69.8908182, 70.91507925),
)
# What each trunk was trained to see: channel order, mean, standard deviation.
NORMALIZATION: Mapping[str, Normalization] = {
    "hourglass": ("bgr", (104.01362025, 114.03422265, 119.9165958), (73.6027665, 69.89082075, 70.9150767)),
    "resnet50_v1": ("bgr", (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "resnet101_v1": ("bgr", (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "resnet18_deconv": PYTORCH,
    "resnet101_deconv": PYTORCH,
}
SCALED = ("rgb", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5))  # pixels to -1..1


def default_preprocessing(
    name: str, preprocessing: Preprocessing | None = None, image_size: tuple[int, int] | None = None
) -> Preprocessing:
    """The preprocessing that a backbone's trunk expects, unless one is given.

    Args:
        name: A key of `BACKBONES`.
        preprocessing: Used instead of the default.
        image_size: Height and width that replace its size; 512×512 by default.

    Returns:
        The preprocessing.
    """
    if preprocessing is None:
        known = (value for prefix, value in NORMALIZATION.items() if name.startswith(prefix))
        channels, mean, std = next(known, SCALED)
        preprocessing = Preprocessing((512, 512), channels, mean, std)  # type: ignore[arg-type]
    return dataclasses.replace(preprocessing, size=image_size) if image_size else preprocessing


def build_backbone(name: str, **options: Any) -> keras.Model:
    """Build a backbone by the name that configurations use.

    Args:
        name: A key of `BACKBONES`.
        **options: Arguments of its function.

    Returns:
        The backbone.

    Raises:
        ConfigError: If the name or an option is unknown, or the function gives no backbone.
    """
    if name not in BACKBONES:
        raise ConfigError(f"Expected a backbone of {sorted(BACKBONES)}. Received: backbone={name!r}")
    builder = BACKBONES[name]
    try:
        model = builder(**options)
    except TypeError as error:
        accepted = sorted(set(inspect.signature(Hourglass if "hourglass" in name else builder).parameters))
        raise ConfigError(f"Backbone {name!r} can't be built with {options} ({error}); it takes {accepted}") from error
    return as_backbone(model)
