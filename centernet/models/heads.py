"""Heads of both families: a hidden convolution and one that gives a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from centernet.errors import ConfigError
from centernet.files.validation import check_types

HEATMAP_PRIOR = -2.19  # log(0.1 / 0.9): every heatmap starts at probability 0.1


class Head(NamedTuple):
    """A head map.

    Attributes:
        channels: Number of output channels.
        heatmap: Whether it is a heatmap (logits, focal loss) or a map of vectors.
    """

    channels: int
    heatmap: bool = False


@dataclass(frozen=True)
class HeadSettings:
    """Shape of every head: one hidden convolution, ReLU, and a 1×1 convolution.

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


def apply_heads(features: Sequence[Any], heads: Mapping[str, Head], settings: HeadSettings) -> dict[str, list[Any]]:
    """Put the heads on the features of each stack.

    Args:
        features: One map per stack, `(batch, height, width, channels)`.
        heads: Head name → its map.
        settings: Shape of the heads.

    Returns:
        Head name → list over stacks of `(batch, height, width, heads[name].channels)`.
    """
    return {
        name: [_head(x, f"{name}_{stack}", head, settings) for stack, x in enumerate(features)]
        for name, head in heads.items()
    }


def _head(x: Any, name: str, head: Head, settings: HeadSettings) -> Any:
    from keras import initializers, layers

    conv = layers.SeparableConv2D if settings.separable else layers.Conv2D
    x = conv(settings.filters, settings.kernel_size, padding="same", name=f"{name}_hidden")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    bias = initializers.Constant(HEATMAP_PRIOR if head.heatmap else 0.0)
    return layers.Conv2D(head.channels, 1, bias_initializer=bias, name=name)(x)
