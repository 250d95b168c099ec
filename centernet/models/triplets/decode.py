"""Boxes from the head maps of Keypoint Triplets (Duan 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from centernet.errors import ConfigError
from centernet.models.config import ModelConfig
from centernet.models.settings import TripletDecoderSettings
from centernet.models.triplets.geometry import NO_PAIR, Frame, boxes_in_image, triplet_scores
from centernet.ops.boxes import reverse
from centernet.ops.constants import EXACT_PEAK, STRIDE
from centernet.ops.namespace import namespace
from centernet.ops.peaks import Peaks, best_peaks, gather_at, gather_cells, gather_rows, top_k
from centernet.ops.preprocessing import Placement


class Pairs(NamedTuple):
    """Pairs of corners, best first; each field `(batch, n)` but `boxes`, `(batch, n, 4)` as `x0 y0 x1 y1`.

    Positions are output cells. `scores` is the mean of the two corners' scores, or -1 where two corners don't
    belong together.
    """

    boxes: Any
    scores: Any
    top_left_scores: Any
    bottom_right_scores: Any
    class_ids: Any


class Centers(NamedTuple):
    """Center keypoints, best first: `points` `(batch, k, 2)` as `x y` in output cells, `scores`, `class_ids`."""

    points: Any
    scores: Any
    class_ids: Any


def decode_pairs(
    maps: Mapping[str, Any], settings: TripletDecoderSettings, *, exact: bool = False
) -> tuple[Pairs, Centers]:
    """Pairs of corners, and centers, before they are matched.

    Two corners belong together when they are of one class, their embeddings are alike and the top-left one is
    not right of or below the other.

    Args:
        maps: Head name → map of the last stack `(batch, height, width, channels)`; see
            `centernet.models.triplets.heads.head_channels`.
        settings: Counts and thresholds.
        exact: Where a heatmap has fewer peaks than keypoints are asked for, take positions of probability 0 for
            keypoints, too, as the reference does. Otherwise there are no pairs of these, and such a center is of
            class -1.

    Returns:
        `settings.max_pairs` pairs and `settings.keypoints` centers an image.

    Raises:
        ConfigError: If the maps have fewer cells than keypoints are asked for.
    """
    ops = namespace(maps["center"])
    _check_cells(maps["center"], settings.keypoints)
    top_left, start, start_tags = _corners(maps, "top_left", settings.keypoints)
    bottom_right, end, end_tags = _corners(maps, "bottom_right", settings.keypoints)
    centers = _peaks(maps, "center", settings.keypoints)
    scores = (top_left.scores[:, :, None] + bottom_right.scores[:, None]) / 2
    alike = ops.abs(start_tags[:, :, None] - end_tags[:, None]) <= settings.embedding_threshold
    same = top_left.channels[:, :, None] == bottom_right.channels[:, None]
    ordered = ops.all(end[:, None] >= start[:, :, None], axis=-1)
    valid = ops.logical_and(ops.logical_and(same, alike), ordered)
    center_ids = centers.channels
    if not exact:
        peaks = ops.minimum(top_left.scores[:, :, None], bottom_right.scores[:, None]) > 0
        valid = ops.logical_and(valid, peaks)
        center_ids = ops.where(centers.scores > 0, center_ids, -1)
    count = settings.keypoints
    best, index = top_k(ops.reshape(ops.where(valid, scores, NO_PAIR), (-1, count * count)), settings.max_pairs)
    row, column = index // count, index % count
    pairs = Pairs(
        ops.concatenate([gather_cells(start, row), gather_cells(end, column)], axis=-1),
        best,
        gather_rows(top_left.scores, row),
        gather_rows(bottom_right.scores, column),
        gather_rows(top_left.channels, row),
    )
    return pairs, Centers(_positions(maps, "center", centers), centers.scores, center_ids)


def decode_in_pixels(
    config: ModelConfig,
    maps: Mapping[str, Any],
    image_sizes: Any,
    placement: Placement,
    canvas: tuple[int, int],
    exact: bool,
) -> dict[str, Any]:
    """See `Family.decode`."""
    found = decode_pairs(maps, config.decoder, exact=exact)
    pairs, centers = in_image(*found, frame_of(image_sizes, placement, canvas), image_sizes)
    boxes, scores, class_ids = join_centers(pairs, centers, config.decoder)
    return {"boxes": boxes, "scores": scores, "class_ids": class_ids}


def frame_of(image_sizes: Any, placement: Placement, canvas: tuple[int, int]) -> Frame:
    """Mapping of output cells to images; its fields broadcast with positions `(batch, n, 2)`.

    Args:
        image_sizes: Height and width of the original images in pixels, int32 `(batch, 2)`.
        placement: Where they lie on the canvas.
        canvas: Height and width of the network's input.
    """
    ops = namespace(image_sizes)
    sizes, offsets, own = (reverse(ops.cast(pair, "float32"))[:, None] for pair in (*placement, image_sizes))
    ratio = np.array([-(-side // STRIDE) / side for side in canvas[::-1]], np.float32)
    return Frame(ratio, offsets, sizes, sizes / own)


def in_image(pairs: Pairs, centers: Centers, frame: Frame, image_sizes: Any) -> tuple[Pairs, Centers]:
    """Pairs and centers in pixels of the original images instead of output cells; see `boxes_in_image`."""
    ops = namespace(pairs.boxes)
    boxes, scores = boxes_in_image(pairs.boxes, pairs.scores, frame, ops)
    own = reverse(ops.cast(image_sizes, "float32"))[:, None]
    limits = ops.concatenate([own, own], axis=-1)  # rounding may exceed them
    pairs = pairs._replace(boxes=ops.minimum(boxes, limits), scores=scores)
    return pairs, centers._replace(points=frame.in_image(centers.points))


def join_centers(pairs: Pairs, centers: Centers, settings: TripletDecoderSettings) -> tuple[Any, Any, Any]:
    """Keep the pairs with a center of their class in their central region (section 3.1, equation 1).

    Args:
        pairs: Pairs, with boxes in pixels of the original image.
        centers: Centers, in the same pixels.
        settings: Counts and thresholds.

    Returns:
        The `settings.max_detections` best triplets: boxes `(batch, n, 4)`; scores `(batch, n)`, the mean of
        the three keypoints' scores with the best center, or 0 where there is no triplet; class ids `(batch, n)`.
    """
    ops, columns = namespace(pairs.boxes), (pairs.boxes, pairs.scores, pairs.class_ids)
    scores = ops.maximum(triplet_scores(*columns, centers, settings.large_area, ops, first=False), 0.0)
    best, index = top_k(scores, settings.max_detections)
    return gather_cells(pairs.boxes, index), best, gather_rows(pairs.class_ids, index)


def _check_cells(heatmap: Any, keypoints: int) -> None:
    height, width = heatmap.shape[1:3]  # None in a graph for inputs of any size
    if height and width and keypoints > height * width:
        raise ConfigError(
            f"Expected at most as many keypoints as cells. Received: keypoints={keypoints} and maps of "
            f"{height}×{width} cells. Take fewer keypoints, or a larger input."
        )


def _peaks(maps: Mapping[str, Any], name: str, count: int) -> Peaks:
    ops = namespace(maps[name])
    return best_peaks(ops.sigmoid(ops.cast(maps[name], "float32")), count, tolerance=EXACT_PEAK)


def _positions(maps: Mapping[str, Any], name: str, peaks: Peaks) -> Any:
    """Positions of peaks with their sub-cell offsets: `x y` in output cells."""
    ops = namespace(peaks.scores)
    offset = ops.cast(gather_at(maps[f"{name}_offset"], peaks.rows, peaks.columns), "float32")
    return ops.cast(ops.stack([peaks.columns, peaks.rows], axis=-1), "float32") + offset


def _corners(maps: Mapping[str, Any], name: str, count: int) -> tuple[Peaks, Any, Any]:
    """Peaks of one corner, their positions and their embeddings `(batch, count)`."""
    peaks = _peaks(maps, name, count)
    tags = namespace(peaks.scores).cast(gather_at(maps[f"{name}_embedding"], peaks.rows, peaks.columns), "float32")
    return peaks, _positions(maps, name, peaks), tags[..., 0]
