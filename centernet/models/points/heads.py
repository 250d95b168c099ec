"""Head maps of Objects as Points: from the features of each stack to what boxes and keypoints are read from."""

from __future__ import annotations

from centernet.models.heads import HEATMAP_PRIOR, apply_heads

__all__ = ["HEATMAP_PRIOR", "apply_heads", "head_channels"]


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
