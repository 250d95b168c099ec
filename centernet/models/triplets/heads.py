"""Pooling modules and head maps of Keypoint Triplets (Duan 2019, section 3 and figure 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from centernet.models.heads import Head, apply_heads
from centernet.models.settings import TripletHeadSettings
from centernet.models.triplets.pooling import CascadeCornerPooling, CenterPooling

BRANCHES = ("top_left", "bottom_right", "center")


def branch_heads(branch: str, num_classes: int) -> dict[str, Head]:
    """The head maps of one branch. Offsets are `x y`, as in the reference.

    Args:
        branch: One of `BRANCHES`.
        num_classes: Number of classes.

    Returns:
        Head name → map: the branch's heatmap (`top_left`, `bottom_right` or `center`; one channel per class,
        logits), `{branch}_offset` (x, y in output cells) and, for corners, `{branch}_embedding` (one value, similar
        for the two corners of an object).
    """
    heads = {branch: Head(num_classes, heatmap=True), f"{branch}_offset": Head(2)}
    if branch != "center":
        heads[f"{branch}_embedding"] = Head(1)
    return heads


def head_channels(branch: str, num_classes: int) -> dict[str, int]:
    """Channels of each head map of one branch; see `branch_heads`."""
    return {name: head.channels for name, head in branch_heads(branch, num_classes).items()}


def triplet_heads(features: Sequence[Any], num_classes: int, settings: TripletHeadSettings) -> dict[str, list[Any]]:
    """Pool the features of each stack for corners and centers and put heads on them.

    Args:
        features: One map per stack, `(batch, height, width, channels)`.
        num_classes: Number of classes.
        settings: Shape of the pooling modules and heads.

    Returns:
        Head name (see `branch_heads`) → list over stacks of `(batch, height, width, channels)`.
    """
    maps: dict[str, list[Any]] = {}
    for branch in BRANCHES:
        pooled = [_pool(x, branch, stack, settings) for stack, x in enumerate(features)]
        maps |= apply_heads(pooled, branch_heads(branch, num_classes), settings)
    return maps


def _pool(x: Any, branch: str, stack: int, settings: TripletHeadSettings) -> Any:
    filters, inner = settings.pooling_filters, settings.pooling_inner_filters
    name = f"{branch}_{stack}_pooling"
    if branch == "center":
        return CenterPooling(filters, inner, name=name)(x)
    return CascadeCornerPooling(branch, filters=filters, inner_filters=inner, name=name)(x)
