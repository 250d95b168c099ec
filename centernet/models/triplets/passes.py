"""Keypoint Triplets with test-time augmentation (Duan 2019, section 4.1): the passes over one image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from keras import ops

from centernet.models.family import ONE_IMAGE, Arrays, Compiles, check_scale
from centernet.models.settings import TripletDecoderSettings
from centernet.models.test_time import TestTime
from centernet.models.triplets.canvas import fit_canvas, scale_image
from centernet.models.triplets.decode import decode_pairs
from centernet.models.triplets.merge import Pass, merge
from centernet.ops.preprocessing import Preprocessing, collate, shape_step


def detect_passes(detector: Compiles, image: np.ndarray, test_time: TestTime, *, exact: bool = False) -> Arrays:
    """Detect objects in one image in several passes, merged as in `centernet.models.triplets.merge`.

    Scale 1 is the input of a plain `detect`: with `fit="original"` the image at its own size, as in the reference, with
    `fit="canvas"` the image fitted to the canvas. With several scales boxes vote by default.

    Args:
        detector: The detector.
        image: uint8 RGB `(height, width, 3)`.
        test_time: The passes.
        exact: Reproduce every quirk of the reference.

    Returns:
        `boxes` float32 `(n, 4)` as `x0 y0 x1 y1` in pixels, `scores` `(n,)`, descending, `class_ids` `(n,)`.
    """
    passes = [one for scale in test_time.scales for one in _passes(detector, image, scale, test_time.flip, exact)]
    suppression = test_time.joining(vote=len(test_time.scales) > 1)
    found = merge(passes, detector.config.decoder, suppression, exact=exact)
    order = np.argsort(-found.scores, kind="stable")[: detector.config.decoder.max_detections]
    return {name: values[order] for name, values in found._asdict().items()}


def _passes(detector: Compiles, image: np.ndarray, scale: float, flip: bool, exact: bool) -> Iterator[Pass]:
    """Upright and mirrored pass at one scale, as one batch."""
    preprocessing = detector.config.preprocessing.scaled(scale, detector.backbone.input_multiple)
    canvas = fit_canvas(preprocessing, image.shape[:2], scale)
    check_scale(scale, canvas.size, detector.config.decoder.keypoints, "corners or centers")
    if preprocessing.fit == "original":
        image = scale_image(image, canvas, exact=exact)
    rows = _compiled(detector, preprocessing, canvas.size, flip, exact)(*collate([image], shape_step()))
    for number, (pairs, centers) in enumerate(zip(*map(ops.convert_to_numpy, rows), strict=True)):
        yield Pass(canvas, pairs, centers, mirrored=number == 1)


def _compiled(
    detector: Compiles, preprocessing: Preprocessing, canvas: tuple[int, int], flip: bool, exact: bool
) -> Callable[[np.ndarray, np.ndarray], Any]:
    """The network up to its pairs and centers, compiled once per canvas size."""

    def step(forward: Callable[[Any], Any], images: Any, sizes: Any) -> tuple[Any, Any]:
        batch = preprocessing(images, sizes, canvas)
        maps = forward(ops.concatenate([batch, ops.flip(batch, axis=2)], axis=0) if flip else batch)
        return keypoint_rows({name: stacks[-1] for name, stacks in maps.items()}, detector.config.decoder, exact=exact)

    return detector.compiled_form(("triplets", canvas, flip, exact), step, ONE_IMAGE)


def keypoint_rows(maps: Mapping[str, Any], settings: TripletDecoderSettings, *, exact: bool = False) -> tuple[Any, Any]:
    """Pairs `(batch, n, 8)` and centers `(batch, m, 4)` of head maps, with the columns of `Pass`."""
    pairs, centers = decode_pairs(maps, settings, exact=exact)
    columns = (pairs.scores, pairs.top_left_scores, pairs.bottom_right_scores, ops.cast(pairs.class_ids, "float32"))
    rows = ops.concatenate([pairs.boxes, *(column[..., None] for column in columns)], axis=-1)
    middles = (ops.cast(centers.class_ids, "float32"), centers.scores)
    return rows, ops.concatenate([centers.points, *(column[..., None] for column in middles)], axis=-1)
