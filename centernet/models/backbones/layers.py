"""Convolution blocks and necks (feature pyramid, transposed convolutions) of the backbones."""

from __future__ import annotations

from collections.abc import Sequence
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


def feature_pyramid(taps: Sequence[Any], widths: Sequence[int], *, separable: bool = False) -> Any:
    """Top-down feature pyramid that keeps only its finest level.

    The coarsest map is projected to `widths[0]`; then, level by level, it is doubled in size (nearest), the
    projection of the next finer map is added, and a 3×3 convolution brings it to the next width.

    Args:
        taps: Trunk features, finest first, each half the size of the one before.
        widths: Channels of each level from the coarsest on; one more than the number of additions, that is
            as many as taps.
        separable: Whether the 3×3 convolutions are depthwise separable.

    Returns:
        Features `(batch, height, width, widths[-1])` of the size of the finest tap.

    Raises:
        ValueError: If there are not as many widths as taps.
    """
    if len(taps) != len(widths):
        raise ValueError(f"Expected one width a tap ({len(taps)} taps). Received: widths={tuple(widths)}")
    coarsest, *finer = reversed(taps)
    x = layers.Conv2D(widths[0], 1, name="fpn_top")(coarsest)
    for level, (tap, width, next_width) in enumerate(zip(finer, widths[:-1], widths[1:], strict=True), 1):
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"fpn{level}_up")(x)
        lateral = layers.Conv2D(width, 1, name=f"fpn{level}_lateral")(tap)
        x = layers.Add(name=f"fpn{level}_add")([x, lateral])
        x = neck_conv(x, next_width, f"fpn{level}", separable=separable)
    return x


def deconvolutions(x: Any, widths: Sequence[int]) -> Any:
    """Upsampling by transposed convolutions: for each width a 3×3 convolution, then a doubling of the size.

    Args:
        x: Trunk features `(batch, height, width, channels)`.
        widths: Channels of each step.

    Returns:
        Features `(batch, height * 2**len(widths), width * 2**len(widths), widths[-1])`.
    """
    for step, width in enumerate(widths, 1):
        x = neck_conv(x, width, f"up{step}")
        x = neck_deconv(x, width, f"up{step}")
    return x
