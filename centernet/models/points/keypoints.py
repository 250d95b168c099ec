"""Keypoints from head maps (Zhou 2019, section 4.2): regressed positions, snapped to heatmap peaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from centernet.models.rules import RULES
from centernet.models.settings import PointDecoderSettings
from centernet.ops.boxes import enlarge
from centernet.ops.peaks import Peaks, best_peaks_per_channel, gather_at, gather_cells

FAR = 1e5  # distance of what is no candidate, in cells


def decode_keypoints(
    maps: Mapping[str, Any], centers: Peaks, boxes: Any, settings: PointDecoderSettings, *, exact: bool = False
) -> tuple[Any, Any]:
    """Keypoints of every detection, whatever its class.

    Each keypoint starts at the position that its center regresses. The nearest peak of its heatmap replaces
    it, if that peak scores enough, lies in the enlarged box and is near enough.

    Args:
        maps: `keypoint_heatmap` (logits), `keypoint_regression` and `keypoint_offset` of the last stack.
        centers: The detections, fields `(batch, k)`.
        boxes: Their boxes in output cells, `(batch, k, 4)` as `x0 y0 x1 y1`.
        settings: Counts and thresholds.
        exact: See `decode`.

    Returns:
        Positions in output cells, `(batch, k, keypoints, 2)` as `x y`, and scores `(batch, k, keypoints)`.
    """
    candidates, candidate_scores = _candidates(maps, settings)  # (b, n, m, 2) and (b, n, m)
    regressed = _regressed(maps["keypoint_regression"], centers)  # (b, k, n, 2)
    valid = candidate_scores >= settings.candidate_min_score
    squared = ops.sum(ops.square(regressed[:, :, :, None] - candidates[:, None]), axis=-1)
    distances = ops.where(valid[:, None], ops.sqrt(squared), FAR)
    # (b, k, n), the first of equal ones; Keras's argmin looks at the bits of zeros, which can't be exported.
    values, indices = ops.top_k(-distances, 1)
    distance, nearest = -values[..., 0], ops.cast(indices[..., 0], "int32")
    found, score = _pick(candidates, candidate_scores, nearest)

    region = enlarge(boxes, settings.box_scale)[:, :, None]
    radius = ops.max(region[..., 2:] - region[..., :2], axis=-1) * settings.search_scale
    near = distance <= radius
    if exact and RULES[settings.rules].ignore_search_radius:
        near = ops.logical_or(near, ops.logical_not(ops.all(valid, axis=-1))[:, None])
    inside = ops.all(ops.logical_and(found >= region[..., :2], found <= region[..., 2:]), axis=-1)
    matched = ops.logical_and(ops.logical_and(inside, near), score >= settings.candidate_min_score)
    position = ops.where(matched[..., None], found, regressed)
    return position, ops.where(matched, score, settings.unmatched_score)


def _candidates(maps: Mapping[str, Any], settings: PointDecoderSettings) -> tuple[Any, Any]:
    """Peaks of every keypoint heatmap, moved by their offsets: `x y` in cells, and scores."""
    probability = ops.sigmoid(ops.cast(maps["keypoint_heatmap"], "float32"))
    peaks = best_peaks_per_channel(probability, settings.candidates, RULES[settings.rules].peak_tolerance)
    offsets = maps["keypoint_offset"]
    batch, _, width, _ = ops.shape(offsets)
    cell = peaks.rows * width + peaks.columns
    pairs = offsets.shape[-1] // 2  # one offset for each keypoint, or one for all
    index = cell * pairs + peaks.channels if pairs > 1 else cell
    offset = ops.cast(gather_cells(ops.reshape(offsets, (batch, -1, 2)), index), "float32")
    position = ops.cast(ops.stack([peaks.rows, peaks.columns], axis=-1), "float32") + offset
    return ops.flip(position, axis=-1), peaks.scores


def _pick(candidates: Any, scores: Any, index: Any) -> tuple[Any, Any]:
    """The candidate of each keypoint type that `index` `(batch, k, n)` names: position and score."""
    batch, types, count = ops.shape(scores)
    flat = ops.arange(types, dtype="int32")[None, None] * count + index
    position = gather_cells(ops.reshape(candidates, (batch, -1, 2)), flat)
    return position, gather_cells(ops.reshape(scores, (batch, -1, 1)), flat)[..., 0]


def _regressed(regression: Any, centers: Peaks) -> Any:
    """Positions that the centers predict, from the cell's index (no sub-cell offset): `x y` in cells."""
    values = ops.cast(gather_at(regression, centers.rows, centers.columns), "float32")
    vectors = ops.reshape(values, (*ops.shape(values)[:2], regression.shape[-1] // 2, 2))
    index = ops.cast(ops.stack([centers.rows, centers.columns], axis=-1), "float32")
    return ops.flip(index[:, :, None] + vectors, axis=-1)
