"""Heads, as both detectors have them: a hidden convolution and one that gives a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from centernet.errors import ConfigError
from centernet.files.validation import check_types

HEATMAP_PRIOR = -2.19  # log(0.1 / 0.9): every heatmap starts at probability 0.1
HEATMAPS = frozenset({"heatmap", "keypoint_heatmap", "top_left", "bottom_right", "center"})


@dataclass(frozen=True)
class HeadSettings:
    """Shape of every head: one hidden 3×3 convolution, ReLU, and a 1×1 convolution.

    Attributes:
        filters: Channels of the hidden convolution.
        kernel_size: Side of its kernel.
        separable: Whether it is depthwise separable.
    """

    filters: int = 256
    kernel_size: int = 3
    separable: bool = False

    def __post_init__(self) -> None:
        """Check that the numbers can describe a convolution."""
        check_types(self)
        if self.filters < 1 or self.kernel_size < 1 or self.kernel_size % 2 == 0:
            raise ConfigError(
                "Expected heads with at least one filter and an odd kernel size. "
                f"Received: filters={self.filters}, kernel_size={self.kernel_size}"
            )


def apply_heads(features: Sequence[Any], channels: Mapping[str, int], settings: HeadSettings) -> dict[str, list[Any]]:
    """Put one head a name and stack on the features.

    Args:
        features: One map a stack, `(batch, height, width, channels)`.
        channels: Head name → output channels.
        settings: Shape of the heads.

    Returns:
        Head name → list over stacks of `(batch, height, width, channels[name])`.
    """
    return {
        name: [_head(x, name, stack, count, settings) for stack, x in enumerate(features)]
        for name, count in channels.items()
    }


def _head(x: Any, name: str, stack: int, channels: int, settings: HeadSettings) -> Any:
    from keras import initializers, layers

    conv = layers.SeparableConv2D if settings.separable else layers.Conv2D
    x = conv(settings.filters, settings.kernel_size, padding="same", name=f"{name}_{stack}_hidden")(x)
    x = layers.ReLU(name=f"{name}_{stack}_relu")(x)
    bias = initializers.Constant(HEATMAP_PRIOR if name in HEATMAPS else 0.0)
    return layers.Conv2D(channels, 1, bias_initializer=bias, name=f"{name}_{stack}")(x)
