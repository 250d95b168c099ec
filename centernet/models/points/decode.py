"""Boxes (Zhou 2019, section 3, "From points to bounding boxes") and keypoints (section 4.2) from head maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from centernet.models.config import ModelConfig
from centernet.models.settings import RULES, DecodeRules, PointDecoderSettings
from centernet.ops.boxes import enlarge, from_center, reverse
from centernet.ops.constants import STRIDE
from centernet.ops.namespace import namespace
from centernet.ops.peaks import Peaks, best_peaks, best_peaks_per_channel, gather_at, gather_cells
from centernet.ops.preprocessing import Placement

FAR = 1e5  # distance of what is no candidate, in cells


class Centers(NamedTuple):
    """The best centers of each image and their boxes in output cells.

    `peaks` has fields `(batch, k)`; `boxes` is `(batch, k, 4)` as `x0 y0 x1 y1`.
    """

    peaks: Peaks
    boxes: Any


def decode(
    maps: Mapping[str, Any],
    image_sizes: Any,
    settings: PointDecoderSettings,
    *,
    keypoint_class: int | None = None,
    offsets: Any = None,
    exact: bool = False,
) -> dict[str, Any]:
    """Detections of a batch, best first.

    Args:
        maps: Head name → map of the last stack `(batch, height, width, channels)`; see `head_channels`.
        image_sizes: Height and width of each image on the network's input, without padding, in pixels,
            int32 `(batch, 2)`.
        settings: Counts, thresholds and rules.
        keypoint_class: Class whose objects have keypoints; needed when `maps` has keypoint maps.
        offsets: Row and column of the network's input where each image starts, in pixels, int32 `(batch, 2)`;
            None for its top left.
        exact: Also reproduce what newer runtimes make of the rules (`DecodeRules.ignore_search_radius`).

    Returns:
        `boxes` float32 `(batch, k, 4)` as `x0 y0 x1 y1`, normalized to 0–1 of the unpadded image;
        `scores` float32 `(batch, k)`, descending; `class_ids` int32 `(batch, k)`; and with keypoints
        `keypoints` float32 `(batch, k, n, 2)` as `x y`, normalized likewise, and `keypoint_scores` float32
        `(batch, k, n)`.
    """
    rules, ops = RULES[settings.rules], namespace(maps["heatmap"])
    centers = _find_centers(maps, image_sizes, settings.max_detections, rules)
    # Cells to fractions of the image, in x y order: times `scale`, less `start`.
    offsets = ops.zeros_like(image_sizes) if offsets is None else offsets
    sizes, starts = (reverse(ops.cast(pair, "float32"))[:, None] for pair in (image_sizes, offsets))
    scale, start = STRIDE / sizes, starts / sizes
    corners = centers.boxes * ops.concatenate([scale, scale], axis=-1) - ops.concatenate([start, start], axis=-1)
    found = {
        "boxes": ops.clip(corners, 0.0, 1.0),
        "scores": centers.peaks.scores,
        "class_ids": centers.peaks.channels,
    }
    if "keypoint_heatmap" in maps:
        single_class = maps["heatmap"].shape[-1] == 1
        cells, scores = decode_keypoints(maps, centers.peaks, centers.boxes, settings, exact=exact)
        keypoints = cells * scale[:, :, None] - start[:, :, None]
        if not single_class:
            belongs = ops.logical_and(centers.peaks.channels == keypoint_class, centers.peaks.scores > 0)
            keypoints = ops.where(belongs[..., None, None], keypoints, 0.0)
            scores = ops.where(belongs[..., None], scores, 0.0)
        if rules.drop_keypoints_outside and not single_class:
            inside = ops.all(ops.logical_and(keypoints >= 0, keypoints <= 1), axis=-1)
            keypoints, scores = ops.clip(keypoints, 0.0, 1.0), ops.where(inside, scores, 0.0)
        found |= {"keypoints": keypoints, "keypoint_scores": scores}
    return found


def decode_in_pixels(
    config: ModelConfig,
    maps: Mapping[str, Any],
    image_sizes: Any,
    placement: Placement,
    canvas: tuple[int, int],
    exact: bool,
) -> dict[str, Any]:
    """See `Family.decode`. Positions are fractions of the image first, so `canvas` isn't needed."""
    ops, place = namespace(image_sizes), {"image_sizes": placement.sizes, "offsets": placement.offsets}
    found = decode(maps, settings=config.decoder, keypoint_class=config.keypoint_class, exact=exact, **place)
    scale = reverse(ops.cast(image_sizes, "float32"))[:, None]
    found["boxes"] = found["boxes"] * ops.concatenate([scale, scale], axis=-1)
    if "keypoints" in found:
        found["keypoints"] = found["keypoints"] * scale[:, :, None]
    return found


def _find_centers(maps: Mapping[str, Any], image_sizes: Any, count: int, rules: DecodeRules) -> Centers:
    ops = namespace(maps["heatmap"])
    probability = ops.sigmoid(ops.cast(maps["heatmap"], "float32"))
    _, height, width, _ = ops.shape(probability)
    if rules.mask_beyond_image:
        probability = probability * _beyond_image_mask(height, width, image_sizes)
    peaks = best_peaks(probability, count, rules.peak_tolerance)
    size = ops.cast(gather_at(maps["size"], peaks.rows, peaks.columns), "float32")
    offset = ops.cast(gather_at(maps["offset"], peaks.rows, peaks.columns), "float32")
    if rules.clamp_sizes:
        size = ops.maximum(size, 0.0)
    index = ops.cast(ops.stack([peaks.rows, peaks.columns], axis=-1), "float32")
    boxes = from_center(index + offset, size)
    if rules.clip_search_boxes:
        limit = ops.cast(ops.stack([width, height, width, height]), "float32")
        boxes = ops.clip(boxes, 0.0, limit)
    return Centers(peaks, boxes)


def _beyond_image_mask(height: Any, width: Any, image_sizes: Any) -> Any:
    ops = namespace(image_sizes)
    rows = ops.arange(height, dtype="int32")[None, :] < image_sizes[:, :1]
    columns = ops.arange(width, dtype="int32")[None, :] < image_sizes[:, 1:]
    return ops.cast(ops.logical_and(rows[:, :, None], columns[:, None, :]), "float32")[..., None]


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
    ops = namespace(boxes)
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
    ops = namespace(maps["keypoint_heatmap"])
    probability = ops.sigmoid(ops.cast(maps["keypoint_heatmap"], "float32"))
    peaks = best_peaks_per_channel(probability, settings.candidates, RULES[settings.rules].peak_tolerance)
    offsets = maps["keypoint_offset"]
    batch, _, width, _ = ops.shape(offsets)
    cell = peaks.rows * width + peaks.columns
    pairs = offsets.shape[-1] // 2  # one offset for each keypoint, or one for all
    index = cell * pairs + peaks.channels if pairs > 1 else cell
    offset = ops.cast(gather_cells(ops.reshape(offsets, (batch, -1, 2)), index), "float32")
    position = ops.cast(ops.stack([peaks.rows, peaks.columns], axis=-1), "float32") + offset
    return reverse(position), peaks.scores


def _pick(candidates: Any, scores: Any, index: Any) -> tuple[Any, Any]:
    """The candidate of each keypoint type that `index` `(batch, k, n)` names: position and score."""
    ops = namespace(scores)
    batch, types, count = ops.shape(scores)
    flat = ops.arange(types, dtype="int32")[None, None] * count + index
    position = gather_cells(ops.reshape(candidates, (batch, -1, 2)), flat)
    return position, gather_cells(ops.reshape(scores, (batch, -1, 1)), flat)[..., 0]


def _regressed(regression: Any, centers: Peaks) -> Any:
    """Positions that the centers predict, from the cell's index (no sub-cell offset): `x y` in cells."""
    ops = namespace(regression)
    values = ops.cast(gather_at(regression, centers.rows, centers.columns), "float32")
    vectors = ops.reshape(values, (*ops.shape(values)[:2], regression.shape[-1] // 2, 2))
    index = ops.cast(ops.stack([centers.rows, centers.columns], axis=-1), "float32")
    return reverse(index[:, :, None] + vectors)
