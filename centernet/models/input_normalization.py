"""Preprocessing that each trunk was trained with (plain data, no Keras)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from centernet.ops.preprocessing import Preprocessing

Normalization = tuple[Literal["rgb", "bgr"], tuple[float, float, float], tuple[float, float, float]]

SCALED: Normalization = ("rgb", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5))  # pixels to -1..1
CAFFE: Normalization = ("bgr", (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
TF_HOURGLASS: Normalization = ("bgr", (104.01362025, 114.03422265, 119.9165958), (73.6027665, 69.89082075, 70.9150767))
# Of both PyTorch references: 0.40789654, 0.44719302, 0.47026115 and 0.28863828, 0.27408164, 0.27809835 of 0 to 1.
PYTORCH: Normalization = (
    "bgr",
    (104.0136177, 114.03422010, 119.91659325),
    (73.6027614, 69.8908182, 70.91507925),
)
# Backbone → channel order, mean and standard deviation of its input; `SCALED` for any backbone not listed.
NORMALIZATION: Mapping[str, Normalization] = {
    "hourglass": TF_HOURGLASS,
    "hourglass52": TF_HOURGLASS,
    "hourglass104": TF_HOURGLASS,
    "resnet50_v1_fpn": CAFFE,
    "resnet101_v1_fpn": CAFFE,
    "resnet18_deconv": PYTORCH,
    "resnet101_deconv": PYTORCH,
}


def default_preprocessing(
    name: str, preprocessing: Preprocessing | None = None, image_size: tuple[int, int] | None = None
) -> Preprocessing:
    """The preprocessing that a backbone's trunk expects, unless one is given.

    Args:
        name: A key of `centernet.backbones.BACKBONES`.
        preprocessing: Replaces the default.
        image_size: Height and width that replace its size; 512×512 by default.

    Returns:
        The preprocessing.
    """
    if preprocessing is None:
        channels, mean, std = NORMALIZATION.get(name, SCALED)
        preprocessing = Preprocessing((512, 512), channels, mean, std)
    return dataclasses.replace(preprocessing, size=image_size) if image_size else preprocessing
