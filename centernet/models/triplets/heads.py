"""Pooling modules and head maps of Keypoint Triplets (Duan 2019, section 3 and figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from centernet.models.heads import apply_heads
from centernet.models.triplets.pooling import CascadeCornerPooling, CenterPooling
from centernet.models.triplets.settings import HeadSettings

BRANCHES = ("top_left", "bottom_right", "center")


def head_channels(branch: str, num_classes: int) -> dict[str, int]:
    """Channels of each head map of one branch.

    Args:
        branch: One of `BRANCHES`.
        num_classes: Number of classes.

    Returns:
        Head name → channels: the branch's heatmap (`top_left`, `bottom_right` or `center`; one channel a class,
        logits), `{branch}_offset` (x, y in output cells) and, for corners, `{branch}_embedding` (one value that
        is alike for the two corners of an object).
    """
    channels = {branch: num_classes, f"{branch}_offset": 2}
    if branch != "center":
        channels[f"{branch}_embedding"] = 1
    return channels


def triplet_heads(features: Sequence[Any], num_classes: int, settings: HeadSettings) -> dict[str, list[Any]]:
    """Pool the features of each stack for corners and centers and put heads on them.

    Args:
        features: One map a stack, `(batch, height, width, channels)`.
        num_classes: Number of classes.
        settings: Shape of the pooling modules and heads.

    Returns:
        Head name (see `head_channels`) → list over stacks of `(batch, height, width, channels)`.
    """
    maps: dict[str, list[Any]] = {}
    for branch in BRANCHES:
        pooled = [_pool(x, branch, stack, settings) for stack, x in enumerate(features)]
        maps |= apply_heads(pooled, head_channels(branch, num_classes), settings)
    return maps


def _pool(x: Any, branch: str, stack: int, settings: HeadSettings) -> Any:
    filters, inner = settings.pooling_filters, settings.pooling_inner_filters
    name = f"{branch}_{stack}_pooling"
    if branch == "center":
        return CenterPooling(filters, inner, name=name)(x)
    return CascadeCornerPooling(branch, filters=filters, inner_filters=inner, name=name)(x)
