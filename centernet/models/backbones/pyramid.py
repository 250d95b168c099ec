"""Necks: from a classification trunk's features down to one map of stride 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import layers

from centernet.models.backbones.layers import neck_conv, neck_deconv


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
