"""Heads: from the features of each stack to the maps that boxes and keypoints are read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keras import initializers, layers

from centernet.points.settings import HeadSettings

HEATMAP_PRIOR = -2.19  # log(0.1 / 0.9): every heatmap starts at probability 0.1
HEATMAPS = ("heatmap", "keypoint_heatmap")


def head_channels(num_classes: int, num_keypoints: int | None) -> dict[str, int]:
    """Channels of each head map of Objects as Points (section 3).

    Args:
        num_classes: Number of classes.
        num_keypoints: Keypoints of an object, or None for boxes only.

    Returns:
        Head name → channels: `heatmap` (one a class, logits), `size` (height, width in output cells),
        `offset` (y, x in cells) and, with keypoints, `keypoint_heatmap` (one a keypoint, logits),
        `keypoint_regression` and `keypoint_offset` (y, x of each keypoint in turn, in cells).
    """
    channels = {"heatmap": num_classes, "size": 2, "offset": 2}
    if num_keypoints:
        channels["keypoint_heatmap"] = num_keypoints
        channels["keypoint_regression"] = 2 * num_keypoints
        channels["keypoint_offset"] = 2 * num_keypoints
    return channels


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
    conv = layers.SeparableConv2D if settings.separable else layers.Conv2D
    x = conv(settings.filters, settings.kernel_size, padding="same", name=f"{name}_{stack}_hidden")(x)
    x = layers.ReLU(name=f"{name}_{stack}_relu")(x)
    bias = initializers.Constant(HEATMAP_PRIOR if name in HEATMAPS else 0.0)
    return layers.Conv2D(channels, 1, bias_initializer=bias, name=f"{name}_{stack}")(x)
