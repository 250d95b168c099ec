"""Head maps of Objects as Points (Zhou 2019, section 3)."""

from __future__ import annotations

from centernet.models.heads import Head


def point_heads(num_classes: int, num_keypoints: int | None = None) -> dict[str, Head]:
    """The head maps of Objects as Points. Vectors are `y x`, as in the published checkpoints.

    Args:
        num_classes: Number of classes.
        num_keypoints: Keypoints per object, or None for boxes only.

    Returns:
        Head name → map: `heatmap` (one channel per class, logits), `size` (height, width in output cells), `offset`
        (y, x in cells) and, with keypoints, `keypoint_heatmap` (one channel per keypoint, logits),
        `keypoint_regression` and `keypoint_offset` (y, x of each keypoint in turn, in cells).
    """
    heads = {"heatmap": Head(num_classes, heatmap=True), "size": Head(2), "offset": Head(2)}
    if num_keypoints:
        heads["keypoint_heatmap"] = Head(num_keypoints, heatmap=True)
        heads["keypoint_regression"] = Head(2 * num_keypoints)
        heads["keypoint_offset"] = Head(2 * num_keypoints)
    return heads


def head_channels(num_classes: int, num_keypoints: int | None = None) -> dict[str, int]:
    """Channels of each head map; see `point_heads`."""
    return {name: head.channels for name, head in point_heads(num_classes, num_keypoints).items()}


HEATMAPS = frozenset(name for name, head in point_heads(1, 1).items() if head.heatmap)
