"""Backbones on networks of keras.applications, with their ImageNet weights: MobileNetV2 and ResNets."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from centernet.errors import ConfigError, DownloadError
from centernet.files.environment import is_offline
from centernet.files.validation import check_at_most
from centernet.models.backbones.build import IMAGENET, Backbone, InputShape, check_arguments, finish
from centernet.models.backbones.layers import deconvolutions, feature_pyramid
from centernet.models.settings import MAX_FILTERS

URL = "https://storage.googleapis.com/tensorflow/keras-applications"
# Network → MD5 of the file without the classifier, as keras.applications.resnet has it.
RESNETS: Mapping[str, str] = {
    "ResNet50": "4d473c1dd8becc155b73f8504c6f6626",
    "ResNet101": "88cf7a10940856eca736dc7b7e228a21",
    "ResNet50V2": "fac2f116257151a9d068a22e544a4917",
    "ResNet101V2": "c0ed64b8031c3730f411d2eb4eea35b5",
}
# Widths and input sizes that keras.applications.MobileNetV2 has weights for; other sizes get those of the last.
ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
SIDES = (96, 128, 160, 192, 224)
MAX_ALPHA = 16
STRIDE = 32
# The published pyramid takes block 9 at stride 16, not the last block of that stride (12).
TAPS = ("block_2_add", "block_5_add", "block_9_add", "out_relu")
# The last block of conv2 to conv5.
V1_TAPS = {
    50: ("conv2_block3_out", "conv3_block4_out", "conv4_block6_out", "conv5_block3_out"),
    101: ("conv2_block3_out", "conv3_block4_out", "conv4_block23_out", "conv5_block3_out"),
}
V2_OUTPUT = "conv5_block3_out"  # before the last batch normalization, as in the published networks


def build_trunk(network: str, input_shape: InputShape, weights: str | None, *, alpha: float = 1.0) -> keras.Model:
    """A network of keras.applications without its classifier.

    Args:
        network: Its name there: `MobileNetV2` or a key of `RESNETS`.
        input_shape: `(height, width, 3)`; None for a size that varies.
        weights: `"imagenet"` for those weights; anything else for random ones.
        alpha: Width multiplier of MobileNetV2.

    Returns:
        The network.

    Raises:
        ConfigError: If there are no weights for this width.
        DownloadError: If the weights are not there and can't be fetched, or `CENTERNET_OFFLINE` forbids it.
    """
    options: dict[str, Any] = {} if network in RESNETS else {"alpha": alpha}
    if weights == IMAGENET:
        options["weights"] = str(_fetch(*_file(network, input_shape, alpha)))
    build = getattr(keras.applications, network)
    return build(**{"include_top": False, "weights": None, "input_shape": input_shape, **options})


def _file(network: str, input_shape: InputShape, alpha: float) -> tuple[str, str, str | None]:
    """Folder under `URL` and name of a file, and its MD5 where Keras has one."""
    if network in RESNETS:
        return "resnet", f"{network.lower()}_weights_tf_dim_ordering_tf_kernels_notop.h5", RESNETS[network]
    if alpha not in ALPHAS:
        raise ConfigError(f"Expected an alpha of {ALPHAS} for ImageNet weights. Received: alpha={alpha}")
    height, width = input_shape[:2]
    side = height if height == width and height in SIDES else SIDES[-1]
    name = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{float(alpha)}_{side}_no_top.h5"
    return "mobilenet_v2", name, None


def _fetch(folder: str, name: str, md5: str | None) -> Path:
    """The local file, downloaded unless it exists."""
    cache = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    url, target = f"{URL}/{folder}/{name}", cache / "models" / name
    by_hand = f"Fetch {url} on a computer with a network and put it at {target}"
    if is_offline():
        if target.is_file():
            return target
        raise DownloadError(f"CENTERNET_OFFLINE is set and {target} is missing. {by_hand}, or unset CENTERNET_OFFLINE.")
    try:
        return Path(keras.utils.get_file(name, url, cache_subdir="models", cache_dir=str(cache), file_hash=md5))
    except Exception as error:  # what get_file raises when a download fails is no narrower
        raise DownloadError(f"The ImageNet weights {name} can't be fetched: {error}. {by_hand}.") from error


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
    check_at_most("a pyramid", MAX_FILTERS, widths=widths)
    check_at_most("MobileNetV2", MAX_ALPHA, alpha=alpha)
    trunk = build_trunk("MobileNetV2", input_shape, weights, alpha=alpha)
    for layer in trunk.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = momentum
    taps = [trunk.get_layer(tap).output for tap in TAPS]
    features = feature_pyramid(taps, widths, separable=separable)
    return finish(Backbone(trunk.inputs[0], [features], name=name), weights, stride=STRIDE)


def ResNetV1FPN(  # noqa: N802
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
    trunk = _trunk(f"ResNet{depth}", input_shape, weights, widths)
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

    Arguments and errors are those of `ResNetV1FPN`; `widths` are those of the three upsampling steps.

    Returns:
        A model from preprocessed images `(batch, height, width, 3)` float32 to a list of one feature map
        `(batch, height / 4, width / 4, widths[-1])`.
    """
    trunk = _trunk(f"ResNet{depth}V2", input_shape, weights, widths)
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


def _trunk(network: str, input_shape: InputShape, weights: str | None, widths: Sequence[int]) -> keras.Model:
    check_at_most("a ResNet", MAX_FILTERS, widths=widths)
    check_arguments(input_shape, weights, stride=STRIDE)
    return build_trunk(network, input_shape, weights)
