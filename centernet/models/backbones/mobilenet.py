"""MobileNetV2 (keras.applications) with a feature pyramid down to stride 4."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from centernet.models.backbones.build import Backbone, InputShape, check_arguments, finish
from centernet.models.backbones.imagenet import build_trunk
from centernet.models.backbones.pyramid import feature_pyramid

STRIDE = 32
# The published pyramid takes block 9 at stride 16, not the last block of that stride (12).
TAPS = ("block_2_add", "block_5_add", "block_9_add", "out_relu")


def MobileNetV2FPN(  # noqa: N802 - named like a class, as the models of keras.applications are
    *,
    alpha: float = 1.0,
    separable: bool = True,
    widths: Sequence[int] = (64, 32, 24, 24),
    momentum: float = 0.9997,
    input_shape: InputShape = (None, None, 3),
    weights: str | None = None,
    name: str = "mobilenetv2_fpn",
) -> keras.Model:
    """MobileNetV2 with a light feature pyramid.

    Height and width of the input must be multiples of 32. The trunk expects pixels scaled to -1..1.

    Args:
        alpha: Width multiplier of the trunk.
        separable: Whether the 3×3 convolutions of the pyramid are depthwise separable (as published).
        widths: Channels of the pyramid, coarsest level first.
        momentum: Momentum of the trunk's batch normalization (0.9997 as published).
        input_shape: `(height, width, 3)`; None for a size that varies.
        weights: None, `"imagenet"` (trunk only), or the path of a `.weights.h5` file of such a model.
        name: Name of the model.

    Returns:
        A model from preprocessed images `(batch, height, width, 3)` float32 to a list of one feature map
        `(batch, height / 4, width / 4, widths[-1])`.

    Raises:
        ConfigError: If the input size is no such multiple, or there are no such weights.
        DownloadError: If the ImageNet weights can't be fetched; offline, it says which file is needed where.
    """
    check_arguments(input_shape, weights, stride=STRIDE)
    trunk = build_trunk("MobileNetV2", input_shape, weights, alpha=alpha)
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
    taps = [trunk.get_layer(tap).output for tap in TAPS]
    features = feature_pyramid(taps, widths, separable=separable)
    return finish(Backbone(trunk.inputs[0], [features], name=name), weights, stride=STRIDE)
