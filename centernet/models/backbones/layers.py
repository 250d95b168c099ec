"""The convolution blocks that the backbones and their necks are made of."""

from __future__ import annotations

from typing import Any

from keras import layers

from centernet.models.normalization import BatchNormalization

NECK_EPSILON = 1e-3  # batch normalization of every published neck
NECK_MOMENTUM = 0.99


def padded_conv(x: Any, filters: int, kernel_size: int, strides: int = 1, *, name: str, use_bias: bool = False) -> Any:
    """Convolution with `(kernel_size - 1) // 2` zeros on every side, whatever the stride.

    Keras's `padding="same"` puts all the padding at the bottom and right of a stride-2 convolution; the
    hourglass was trained with equal padding on both sides.

    Args:
        x: Features `(batch, height, width, channels)`.
        filters: Output channels.
        kernel_size: Odd side of the square kernel.
        strides: Step in both directions.
        name: Name of the convolution layer.
        use_bias: Whether the convolution has a bias.

    Returns:
        Features `(batch, ceil(height / strides), ceil(width / strides), filters)`.
    """
    padding = "same"
    if strides > 1 and kernel_size > 1:
        x = layers.ZeroPadding2D((kernel_size - 1) // 2, name=f"{name}_pad")(x)
        padding = "valid"
    return layers.Conv2D(filters, kernel_size, strides, padding, use_bias=use_bias, name=name)(x)


def normalize(x: Any, prefix: str, *, epsilon: float, momentum: float, relu: bool = True) -> Any:
    """Batch normalization named `{prefix}_bn`, followed by a ReLU unless told otherwise."""
    x = BatchNormalization(epsilon=epsilon, momentum=momentum, name=f"{prefix}_bn")(x)
    return layers.ReLU(name=f"{prefix}_relu")(x) if relu else x


def neck_conv(x: Any, filters: int, prefix: str, *, separable: bool = False) -> Any:
    """3×3 convolution (with bias), batch normalization and ReLU, as in the published necks."""
    conv = layers.SeparableConv2D if separable else layers.Conv2D
    x = conv(filters, 3, padding="same", name=f"{prefix}_conv")(x)
    return normalize(x, prefix, epsilon=NECK_EPSILON, momentum=NECK_MOMENTUM)


def neck_deconv(x: Any, filters: int, prefix: str) -> Any:
    """3×3 transposed convolution of stride 2 (twice the size), batch normalization and ReLU."""
    x = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", name=f"{prefix}_deconv")(x)
    return normalize(x, f"{prefix}_deconv", epsilon=NECK_EPSILON, momentum=NECK_MOMENTUM)
