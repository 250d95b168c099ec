"""ResNets under three transposed convolutions, as Objects as Points has them in PyTorch (Zhou 2019, section 5)."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from centernet.errors import ConfigError
from centernet.models.backbones.build import Backbone, InputShape, check_arguments, finish
from centernet.models.backbones.layers import normalize, padded_conv

STRIDE = 32
EPSILON = 1e-5
WIDTHS = (64, 128, 256, 512)  # of the four stages; a bottleneck's output has four times as many channels
EXPANSION = 4
UPSAMPLED_FILTERS = 256
# Depth → whether the blocks are bottlenecks, blocks of each stage (He 2015, table 1).
DEPTHS = {18: (False, (2, 2, 2, 2)), 101: (True, (3, 4, 23, 3))}


def ResNetDeconv(  # noqa: N802 - named like a class, as the models of keras.applications are
    depth: int = 18,
    *,
    momentum: float = 0.9,
    input_shape: InputShape = (None, None, 3),
    weights: str | None = None,
    name: str | None = None,
) -> keras.Model:
    """ResNet with three transposed convolutions of 256 channels up to stride 4 (Xiao 2018).

    The trunk is the ResNet of PyTorch's model zoo, which keras.applications doesn't have: it has no ResNet-18, and
    its ResNet-101 has convolutions with biases, the stride of a stage in the first 1×1 convolution instead of the 3×3
    one, and another epsilon of batch normalization. Height and width of the input must be multiples of 32.

    Args:
        depth: 18 (basic blocks) or 101 (bottlenecks).
        momentum: Momentum of the moving averages of batch normalization, in Keras's convention.
        input_shape: `(height, width, 3)`; None for a size that varies.
        weights: None, or the path of a `.weights.h5` file saved from such a model.
        name: Name of the model.

    Returns:
        A model from preprocessed images `(batch, height, width, 3)` float32 to a list of one feature map
        `(batch, height / 4, width / 4, 256)`.

    Raises:
        ConfigError: If there is no such depth, the input size is no such multiple, or there are no such weights.
    """
    if depth not in DEPTHS:
        raise ConfigError(f"Expected a depth of {sorted(DEPTHS)}. Received: depth={depth!r}")
    check_arguments(input_shape, weights, stride=STRIDE, imagenet=False)
    norm: dict[str, Any] = {"epsilon": EPSILON, "momentum": momentum}
    inputs = keras.Input(input_shape, name="images")
    x = normalize(padded_conv(inputs, WIDTHS[0], 7, 2, name="conv1_conv"), "conv1", **norm)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)  # zeros will do: what is pooled went through a ReLU
    x = layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
    bottleneck, blocks = DEPTHS[depth]
    for stage, (count, width) in enumerate(zip(blocks, WIDTHS, strict=True), 2):
        for index in range(count):
            strides = 2 if index == 0 and stage > 2 else 1
            x = _block(x, width, strides, f"conv{stage}_block{index + 1}", norm, bottleneck=bottleneck)
    for step in (1, 2, 3):
        x = _upsample(x, f"up{step}_deconv", norm)
    return finish(Backbone(inputs, [x], name=name or f"resnet{depth}_deconv"), weights, stride=STRIDE)


def ResNet18Deconv(**options: Any) -> keras.Model:  # noqa: N802
    """ResNet-18 with transposed convolutions; see `ResNetDeconv`."""
    return ResNetDeconv(18, **options)


def ResNet101Deconv(**options: Any) -> keras.Model:  # noqa: N802
    """ResNet-101 with transposed convolutions; see `ResNetDeconv`."""
    return ResNetDeconv(101, **options)


def _block(x: Any, width: int, strides: int, prefix: str, norm: dict[str, Any], *, bottleneck: bool) -> Any:
    """A residual block, whose shortcut is projected when the size or the width changes."""
    # Channels, kernel size and strides of each convolution.
    steps = [(width, 1, 1), (width, 3, strides), (width * EXPANSION, 1, 1)]
    if not bottleneck:
        steps = [(width, 3, strides), (width, 3, 1)]
    filters = steps[-1][0]
    shortcut = x
    if strides != 1 or x.shape[-1] != filters:
        shortcut = padded_conv(x, filters, 1, strides, name=f"{prefix}_0_conv")
        shortcut = normalize(shortcut, f"{prefix}_0", **norm, relu=False)
    for number, (channels, kernel_size, step) in enumerate(steps, 1):
        x = padded_conv(x, channels, kernel_size, step, name=f"{prefix}_{number}_conv")
        x = normalize(x, f"{prefix}_{number}", **norm, relu=number < len(steps))
    return layers.ReLU(name=f"{prefix}_out")(layers.Add(name=f"{prefix}_add")([shortcut, x]))


def _upsample(x: Any, prefix: str, norm: dict[str, Any]) -> Any:
    """A 4×4 transposed convolution that doubles the size: with this kernel `same` cuts a cell on every side."""
    x = layers.Conv2DTranspose(UPSAMPLED_FILTERS, 4, 2, "same", use_bias=False, name=prefix)(x)
    return normalize(x, prefix, **norm)
