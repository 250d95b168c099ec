"""ResNet backbones: the networks of keras.applications under a pyramid or under transposed convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from centernet.models.backbones.build import Backbone, InputShape, check_arguments, finish
from centernet.models.backbones.imagenet import build_trunk
from centernet.models.backbones.pyramid import deconvolutions, feature_pyramid

STRIDE = 32
# The last block of conv2 to conv5.
V1_TAPS = {
    50: ("conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
    101: ("conv2_block3_out", "conv3_block4_out", "conv4_block23_out", "conv5_block3_out"),
}
V2_OUTPUT = "conv5_block3_out"  # before the last batch normalization, as in the published networks


def ResNetV1FPN(  # noqa: N802 - named like a class, as the models of keras.applications are
    depth: int = 50,
    *,
    widths: Sequence[int] = (256, 128, 64, 64),
    input_shape: InputShape = (None, None, 3),
    weights: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """ResNet v1 with a feature pyramid down to stride 4.

    Height and width of the input must be multiples of 32. The trunk expects the normalization of
    `keras.applications.resnet` (BGR, ImageNet mean subtracted).

    Args:
        depth: 50 or 101.
        widths: Channels of the pyramid, coarsest level first.
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
    trunk = _trunk(f"ResNet{depth}", input_shape, weights)
    taps = [trunk.get_layer(tap).output for tap in V1_TAPS[depth]]
    model = Backbone(trunk.inputs[0], [feature_pyramid(taps, widths)], name=name or f"resnet{depth}_v1_fpn")
    return finish(model, weights, stride=STRIDE)


def ResNetV2Deconv(  # noqa: N802
    depth: int = 50,
    *,
    widths: Sequence[int] = (256, 128, 64),
    input_shape: InputShape = (None, None, 3),
    weights: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """ResNet v2 (pre-activation) with three transposed convolutions up to stride 4.

    Height and width of the input must be multiples of 32. The trunk expects pixels scaled to -1..1.

    Args:
        depth: 50 or 101.
        widths: Channels of the three upsampling steps.
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
    trunk = _trunk(f"ResNet{depth}V2", input_shape, weights)
    features = deconvolutions(trunk.get_layer(V2_OUTPUT).output, widths)
    model = Backbone(trunk.inputs[0], [features], name=name or f"resnet{depth}_v2")
    return finish(model, weights, stride=STRIDE)


def ResNet50V1FPN(**options: Any) -> keras.Model:  # noqa: N802
    """ResNet-50 v1 with a feature pyramid; see `ResNetV1FPN`."""
    return ResNetV1FPN(50, **options)


def ResNet101V1FPN(**options: Any) -> keras.Model:  # noqa: N802
    """ResNet-101 v1 with a feature pyramid; see `ResNetV1FPN`."""
    return ResNetV1FPN(101, **options)


def ResNet50V2(**options: Any) -> keras.Model:  # noqa: N802
    """ResNet-50 v2 with transposed convolutions; see `ResNetV2Deconv`."""
    return ResNetV2Deconv(50, **options)


def ResNet101V2(**options: Any) -> keras.Model:  # noqa: N802
    """ResNet-101 v2 with transposed convolutions; see `ResNetV2Deconv`."""
    return ResNetV2Deconv(101, **options)


def _trunk(network: str, input_shape: InputShape, weights: str | None) -> keras.Model:
    check_arguments(input_shape, weights, stride=STRIDE)
    return build_trunk(network, input_shape, weights)
