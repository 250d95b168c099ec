"""Training targets of the keypoint heads of Objects as Points (Zhou 2019, section 4.2, as in the TensorFlow API)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops

from centernet.errors import ConfigError
from centernet.models.settings import PointTargetSettings
from centernet.ops.gaussian import draw_gaussians
from centernet.ops.objects import cells_within, covered_cells, regression_targets


def keypoint_targets(
    positions: Any,
    labeled: Any,
    boxes: Any,
    centers: Any,
    object_deviations: Any,
    *,
    has_keypoints: Any,
    deviations: Sequence[float],
    size: tuple[int, int],
    settings: PointTargetSettings,
) -> dict[str, Any]:
    """Targets of the keypoints of a batch.

    A keypoint is drawn like an object's center, with the object's σ times its own deviation. Every cell of a disc
    around it regresses its offset. Every cell of a disc around the object's center regresses its position. Where
    discs overlap, a cell regresses several points.

    Args:
        positions: `y x` in cells, float32 `(batch, n, k, 2)`.
        labeled: Keypoints that count, bool `(batch, n, k)`.
        boxes: `x0 y0 x1 y1` in cells, float32 `(batch, n, 4)`; without area for padding.
        centers: Row and column of each object's center, int32 `(batch, n, 2)`.
        object_deviations: Standard deviation of each object's own Gaussian in cells, float32 `(batch, n)`.
        has_keypoints: Boxes of the class with keypoints, ignored ones included, bool `(batch, n)`.
        deviations: Deviation of each keypoint; empty: 1 for each.
        size: Height and width of the maps in cells.
        settings: Radius of the discs, and the rule for areas without labels.

    Returns:
        `keypoint_heatmap`, float32 `(batch, height, width, k)`; `keypoint_heatmap_mask`, cells that count, bool, same
        shape; `keypoint_mask`, the labeled keypoints, bool `(batch, n, k)`. And for `keypoint_offset` and
        `keypoint_regression`, with `d` cells in a disc: the targets, `y x` in cells, float32 `(batch, n, k, d, 2)`;
        `{name}_cell`, the cell numbers `y·width + x`, int32 `(batch, n, k, d)`; `{name}_mask`, targets that
        count, bool, same shape. Cells and targets that don't count are 0.

    Raises:
        ConfigError: If the number of deviations differs from the number of keypoints.
    """
    spread = _deviations(deviations, positions.shape[2])
    labeled = labeled & ops.all(positions == positions, axis=-1)  # NaN is no position
    positions = ops.where(labeled[..., None], positions, 0.0)
    around = cells_within(settings.keypoint_radius)
    own = ops.cast(ops.floor(positions), "int32")
    return {
        "keypoint_heatmap": _heatmap(own, object_deviations[..., None] * spread, labeled, size),
        "keypoint_heatmap_mask": ~_unlabeled_area(boxes, labeled, has_keypoints, size, settings.keypoint_mask),
        "keypoint_mask": labeled,
        **regression_targets("keypoint_offset", own[..., None, :] + around, positions, labeled, size),
        **regression_targets("keypoint_regression", centers[:, :, None, None] + around, positions, labeled, size),
    }


def _deviations(deviations: Sequence[float], count: int) -> Any:
    if len(deviations) not in (0, count):
        raise ConfigError(f"Expected a deviation for each of {count} keypoints. Received: {len(deviations)}")
    return ops.convert_to_tensor(list(deviations) or [1.0] * count, dtype="float32")


def _heatmap(cells: Any, deviations: Any, labeled: Any, size: tuple[int, int]) -> Any:
    """Gaussians of all keypoints, drawn like objects whose class is the keypoint's index."""
    batch, count, kinds = ops.shape(labeled)
    objects = (batch, count * kinds)
    radii = ops.cast(ops.ceil(6 * deviations), "int32") - 1  # cut like an object's Gaussian, at six deviations
    drawn = ops.where(labeled, ops.arange(kinds, dtype="int32"), -1)
    deviations, radii, drawn = (ops.reshape(value, objects) for value in (deviations, radii, drawn))
    centers = ops.reshape(ops.flip(cells, axis=-1), (*objects, 2))
    (heatmap,) = draw_gaussians([centers], [deviations], radii, drawn, size, kinds)
    return heatmap


def _unlabeled_area(boxes: Any, labeled: Any, has_keypoints: Any, size: tuple[int, int], rule: str) -> Any:
    """Cells that may have unlabeled keypoints, bool `(batch, height, width, k)`; see `PointTargetSettings`."""
    if rule == "2021-07":
        return covered_cells(boxes, ~labeled, size)
    none = has_keypoints & ~ops.any(labeled, axis=-1)
    hidden = covered_cells(boxes, none[..., None], size)
    return ops.broadcast_to(hidden, (*ops.shape(hidden)[:-1], labeled.shape[-1]))
