"""Heads of both families: a hidden convolution and one that gives a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from centernet.models.settings import HeadSettings

HEATMAP_PRIOR = -2.19  # log(0.1 / 0.9): every heatmap starts at probability 0.1


class Head(NamedTuple):
    """A head map.

    Attributes:
        channels: Number of output channels.
        heatmap: Whether it is a heatmap (logits, focal loss) or a map of vectors.
    """

    channels: int
    heatmap: bool = False


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
