"""Head maps of Keypoint Triplets (Duan 2019, section 3 and figure 2)."""

from __future__ import annotations

from centernet.models.heads import Head

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
