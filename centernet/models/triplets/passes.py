"""Keypoint Triplets with test-time augmentation (Duan 2019, section 4.1): passes over one image, and their merging.

Each pass gives pairs of corners and centers in output cells. Merging (NumPy) maps them to pixels of the image, matches
the pairs of all passes with a center in their central region, and joins duplicates by soft-NMS. With `exact=True` every
number is the reference's; by default its mistakes are corrected:

| | `exact=True`, as the reference | default |
|---|---|---|
| mirrored pass | x' = w - x in cells: one pixel of the input to the right | x' = w - ratio - x: the mirrored pixel |
| scaled side of 128 m - 1 | last row (column) of the image is lost (`scale_image`) | kept |
| fewer peaks than keypoints | positions of probability 0 are keypoints as well (`decode_pairs`) | none are |
| center of a pair | the first in its central region: best of the upright pass, then of the mirrored | the best |
| rows that soft-NMS drops | their places keep copies of other rows, which come out as detections | gone |
| score below 0.001 | stays if the box overlaps nothing | dropped |
| IoU | sides one pixel longer | plain |
| weights in votes | stay at their place when boxes change places | travel with their boxes |
| all weights of a vote 0 | (stops with a division by zero) box stays | box stays |
| equal scores at the limit of detections | all stay, so there can be more | lower class, then left boxes first |
| order | by class, within it as soft-NMS left them | best first |
| pairs or centers that are not finite | dropped (the reference has no rule) | dropped |
| no pass at scale 1 | refused | centers of the scale nearest to 1 |

As the reference in both: centers come from the passes at scale 1 alone; pairs more than 5 pixels outside the image
are dropped and the others clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from centernet.errors import ConfigError
from centernet.models.family import IMAGES, Compiles, check_scale, image_size
from centernet.models.settings import TripletDecoderSettings
from centernet.models.test_time import TestTime
from centernet.models.triplets.decode import Centers, Pairs, decode_pairs, frame_of, in_image
from centernet.models.triplets.geometry import (
    NO_PAIR,
    Canvas,
    are_large,
    boxes_in_image,
    fit_canvas,
    scale_image,
    triplet_scores,
)
from centernet.ops.boxes import reverse
from centernet.ops.constants import STRIDE, Arrays
from centernet.ops.graph_nms import soft_nms_in_graph
from centernet.ops.nms import SuppressionSettings, soft_nms
from centernet.ops.peaks import gather_rows
from centernet.ops.preprocessing import Preprocessing, batches


def detect_passes(
    detector: Compiles, images: Sequence[np.ndarray], test_time: TestTime, *, exact: bool = False
) -> list[Arrays]:
    """Detect objects in images in several passes, merged as in `centernet.models.triplets.passes`.

    Scale 1 is the input of a plain `detect`: with `fit="original"` the image at its own size, as in the reference, with
    `fit="canvas"` the image fitted to the canvas. With several scales boxes vote by default.

    Args:
        detector: The detector.
        images: uint8 RGB arrays `(height, width, 3)`, of one size with `fit="original"`.
        test_time: The passes.
        exact: Reproduce every quirk of the reference.

    Returns:
        For each image `boxes` float32 `(n, 4)` as `x0 y0 x1 y1` in pixels, `scores` `(n,)`, descending, and `class_ids`
        `(n,)`.
    """
    scales = [_passes(detector, images, scale, test_time.flip, exact) for scale in test_time.scales]
    every = [[one for passes in of_image for one in passes] for of_image in zip(*scales, strict=True)]
    suppression = test_time.joining(vote=len(test_time.scales) > 1)
    merged = [merge(passes, detector.config.decoder, suppression, exact=exact) for passes in every]
    limit = detector.config.decoder.max_detections
    orders = [np.argsort(-found.scores, kind="stable")[:limit] for found in merged]
    return [
        {name: values[order] for name, values in found._asdict().items()}
        for found, order in zip(merged, orders, strict=True)
    ]


def _passes(
    detector: Compiles, images: Sequence[np.ndarray], scale: float, flip: bool, exact: bool
) -> Iterator[list[Pass]]:
    """Upright and mirrored pass of each image at one scale."""
    preprocessing = detector.config.preprocessing.scaled(scale, detector.backbone.input_multiple)
    canvases = [fit_canvas(preprocessing, image.shape[:2], scale) for image in images]
    size = canvases[0].size
    check_scale(scale, size, detector.config.decoder.keypoints, "corners or centers")
    if preprocessing.fit == "original":
        images = [scale_image(image, canvases[0], exact=exact) for image in images]
    run, places = _compiled(detector, preprocessing, size, flip, exact), iter(canvases)
    for batch in batches(images, size, passes=1 + flip):
        pairs, centers = map(ops.convert_to_numpy, run(*batch))
        count = len(batch[0])
        for number, canvas in enumerate(islice(places, count)):
            rows = range(number, len(pairs), count)  # upright, mirrored
            yield [Pass(canvas, pairs[row], centers[row], mirrored=row >= count) for row in rows]


def _compiled(
    detector: Compiles, preprocessing: Preprocessing, canvas: tuple[int, int], flip: bool, exact: bool
) -> Callable[[np.ndarray, np.ndarray], Any]:
    """The network up to its pairs and centers, compiled once per canvas size."""

    def step(forward: Callable[[Any], Any], images: Any, sizes: Any) -> tuple[Any, Any]:
        batch = preprocessing(images, sizes, canvas)
        maps = forward(ops.concatenate([batch, reverse(batch, 2)], axis=0) if flip else batch)
        return keypoint_rows({name: stacks[-1] for name, stacks in maps.items()}, detector.config.decoder, exact=exact)

    return detector.compiled_form(("triplets", canvas, flip, exact), step, IMAGES)


def passes_in_graph(
    detector: Compiles, forward: Callable[[Any], Any], images: Any, sizes: Any, test_time: TestTime
) -> dict[str, Any]:
    """The passes over a batch of images of one size, and their merging, as one graph; see `Family.passes_in_graph`."""
    config = detector.config
    center_scale = min(test_time.scales, key=lambda scale: abs(np.log(scale)))
    pairs: list[Pairs] = []
    centers: list[Centers] = []
    for scale in test_time.scales:
        preprocessing = config.preprocessing.scaled(scale, detector.backbone.input_multiple)
        canvas = preprocessing.canvas(image_size(images))
        frame = frame_of(sizes, preprocessing.place(sizes, canvas), canvas)
        batch = preprocessing(images, sizes, canvas)
        maps = forward(ops.concatenate([batch, reverse(batch, 2)], axis=0) if test_time.flip else batch)
        halves = {name: ops.split(stacks[-1], 1 + test_time.flip) for name, stacks in maps.items()}
        for mirrored in (False, True)[: 1 + test_time.flip]:
            found = decode_pairs({name: half[mirrored] for name, half in halves.items()}, config.decoder)
            if mirrored:
                found = _unmirrored(*found, end=np.float32(-(-canvas[1] // STRIDE)) - frame.ratio[0])
            new_pairs, new_centers = in_image(*found, frame, sizes)
            pairs.append(new_pairs)
            centers += [new_centers] if scale == center_scale else []
    every = Pairs(*(ops.concatenate(columns, axis=1) for columns in zip(*pairs, strict=True)))
    middles = Centers(*(ops.concatenate(columns, axis=1) for columns in zip(*centers, strict=True)))
    columns = every.boxes, every.scores, every.class_ids
    scores = ops.maximum(triplet_scores(*columns, middles, config.decoder.large_area, ops, first=False), 0.0)
    weights = ops.stack([every.top_left_scores, every.bottom_right_scores], axis=-1)
    suppression, count = test_time.joining(vote=len(test_time.scales) > 1), config.decoder.max_detections
    rows, scores, boxes = soft_nms_in_graph(every.boxes, scores, every.class_ids, weights, suppression, count)
    return {"boxes": boxes, "scores": scores, "class_ids": gather_rows(every.class_ids, rows)}


def _unmirrored(pairs: Pairs, centers: Centers, end: Any) -> tuple[Pairs, Centers]:
    """Pairs and centers as if the canvas had not been mirrored; see `unmirror`."""
    left, top, right, bottom = (pairs.boxes[..., side] for side in range(4))
    boxes = ops.stack([end - right, top, end - left, bottom], axis=-1)
    points = ops.stack([end - centers.points[..., 0], centers.points[..., 1]], axis=-1)
    return pairs._replace(boxes=boxes), centers._replace(points=points)


def keypoint_rows(maps: Mapping[str, Any], settings: TripletDecoderSettings, *, exact: bool = False) -> tuple[Any, Any]:
    """Pairs `(batch, n, 8)` and centers `(batch, m, 4)` of head maps, with the columns of `Pass`."""
    pairs, centers = decode_pairs(maps, settings, exact=exact)
    columns = (pairs.scores, pairs.top_left_scores, pairs.bottom_right_scores, ops.cast(pairs.class_ids, "float32"))
    rows = ops.concatenate([pairs.boxes, *(column[..., None] for column in columns)], axis=-1)
    middles = (ops.cast(centers.class_ids, "float32"), centers.scores)
    return rows, ops.concatenate([centers.points, *(column[..., None] for column in middles)], axis=-1)


class Pass(NamedTuple):
    """Pairs and centers of one pass over an image, in output cells.

    `pairs` float32 `(n, 8)`: `x0 y0 x1 y1`, score (-1: no pair), scores of the two corners, class. `centers` float32
    `(m, 4)`: `x y`, class, score, best first. `mirrored`: whether the canvas was mirrored (the image with its
    border).
    """

    canvas: Canvas
    pairs: np.ndarray
    centers: np.ndarray
    mirrored: bool = False


class Merged(NamedTuple):
    """Detections of an image: boxes `(n, 4)` in its pixels, scores `(n,)`, both float32, class ids `(n,)`."""

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray


def merge(
    passes: Sequence[Pass],
    settings: TripletDecoderSettings | None = None,
    suppression: SuppressionSettings | None = None,
    *,
    exact: bool = False,
) -> Merged:
    """Join the passes over one image.

    Args:
        passes: In any order; with `exact` in the reference's: for each scale the upright one, then the mirrored.
        settings: `large_area` and `max_detections` are looked at.
        suppression: Of the soft-NMS; the reference votes (exponent 10) when there are several scales.
        exact: See the table above.

    Returns:
        Detections, best first (with `exact`: by class).

    Raises:
        ConfigError: If there is no pass, or with `exact` none at scale 1, or arrays have another shape.
    """
    settings = settings or TripletDecoderSettings()
    scale = _center_scale(passes, exact=exact)
    found = [to_image(one, exact=exact) for one in passes]
    pairs = np.concatenate([pairs for pairs, _ in found])
    used = [centers for (_, centers), one in zip(found, passes, strict=True) if one.canvas.scale == scale]
    triplets = join_centers(pairs, np.concatenate(used), settings.large_area, exact=exact)
    class_ids = triplets[:, 7].astype(np.int32)
    left = soft_nms(
        triplets[:, :4],
        triplets[:, 4],
        class_ids,
        suppression,
        corner_scores=triplets[:, 5:7],
        max_detections=settings.max_detections,
        exact=exact,
    )
    return Merged(left.boxes, left.scores, class_ids[left.rows])


def unmirror(one: Pass, *, exact: bool = False) -> Pass:
    """The pass as if the canvas had not been mirrored; one that was not stays as it is.

    Mirroring takes pixel x of a canvas of width W to W - 1 - x, so a position in cells (pixel times ratio, and
    W times ratio is the grid's width w) goes to w - ratio - x. The reference forgets the ratio.
    """
    if not one.mirrored:
        return one
    width = np.float32(one.canvas.output_size[1])
    end = width if exact else width - one.canvas.frame.ratio[0]
    pairs, centers = one.pairs.copy(), one.centers.copy()
    pairs[:, [0, 2]] = end - one.pairs[:, [2, 0]]
    centers[:, 0] = end - one.centers[:, 0]
    return one._replace(pairs=pairs, centers=centers, mirrored=False)


def to_image(one: Pass, *, exact: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Pairs and centers of a pass in pixels of the original image.

    Pairs that are too far outside get the score -1, the others are clipped; centers are not.
    """
    upright, frame = unmirror(one, exact=exact), one.canvas.frame
    pairs, centers = upright.pairs.copy(), upright.centers.copy()
    pairs[:, :4], pairs[:, 4] = boxes_in_image(upright.pairs[:, :4], upright.pairs[:, 4], frame, np)
    if not exact:  # rounding may have passed the image's size
        pairs[:, :4] = np.minimum(pairs[:, :4], np.tile(one.canvas.image_size[::-1], 2))
    centers[:, :2] = frame.in_image(upright.centers[:, :2])
    return pairs, centers


def join_centers(pairs: np.ndarray, centers: np.ndarray, large_area: float, *, exact: bool = False) -> np.ndarray:
    """Keep the pairs with a center of their class in their central region (Duan 2019, section 3.1).

    Args:
        pairs: Rows as in `Pass`, in pixels of the original image.
        centers: Likewise.
        large_area: See `central_regions`.
        exact: Take the first center, not the best.

    Returns:
        Rows as in `Pass`, best first, with the mean of the three keypoints' scores.
    """
    pairs = pairs[np.isfinite(pairs).all(axis=1) & (pairs[:, 4] > NO_PAIR)]
    centers = centers[np.isfinite(centers).all(axis=1)]
    if not (len(pairs) and len(centers)):
        return pairs[:0]
    large = are_large(pairs[:, :4], large_area)
    pairs = np.concatenate([pairs[large], pairs[~large]])
    middles = centers[:, :2], centers[:, 3], centers[:, 2]
    pairs[:, 4] = triplet_scores(pairs[:, :4], pairs[:, 4], pairs[:, 7], middles, large_area, np, first=exact)
    # The reference's sort leaves equal scores in an order that depends on NumPy's version and the processor.
    order = np.argsort(-pairs[:, 4], kind=None if exact else "stable")
    return pairs[order[: np.count_nonzero(pairs[:, 4] > NO_PAIR)]]


def _center_scale(passes: Sequence[Pass], *, exact: bool) -> float:
    """The scale whose passes give the centers."""
    scales = sorted({one.canvas.scale for one in passes})
    if not scales:
        raise ConfigError("Expected at least one pass over the image. Received: none.")
    if exact and 1 not in scales:
        raise ConfigError(f"Expected scale 1 among the scales, which gives the centers. Received: scales={scales}")
    for one in passes:
        if one.pairs.shape[1:] != (8,) or one.centers.shape[1:] != (4,):
            raise ConfigError(
                "Expected pairs (n, 8) and centers (m, 4) of every pass. Received: "
                f"{one.pairs.shape} and {one.centers.shape}"
            )
    return min(scales, key=lambda scale: abs(np.log(scale)))
