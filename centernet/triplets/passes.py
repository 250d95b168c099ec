"""Keypoint Triplets with test-time augmentation (Duan 2019, section 4.1): the passes over one image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from keras import ops

from centernet.inference import Arrays, compile_with_network
from centernet.test_time import TestTime
from centernet.triplets.canvas import Canvas, fit_canvas, place
from centernet.triplets.decode import decode_pairs
from centernet.triplets.merge import Pass, merge


def detect_passes(detector: Any, image: np.ndarray, test_time: TestTime, *, exact: bool = False) -> Arrays:
    """Find objects in one image by several passes; see `centernet.triplets.merge` for what joins them.

    Scale 1 is the image's own size, as the reference has it, even where the preprocessing's `fit` is `"canvas"`
    and a plain `detect` scales the image to the canvas first.

    Args:
        detector: A `TripletDetector`.
        image: uint8 RGB `(height, width, 3)`.
        test_time: The passes.
        exact: Reproduce every quirk of the reference.

    Returns:
        `boxes` float32 `(n, 4)` as `x0 y0 x1 y1` in pixels, `scores` `(n,)`, descending, `class_ids` `(n,)`.
    """
    passes = [one for scale in test_time.scales for one in _passes(detector, image, scale, test_time.flip, exact)]
    found = merge(passes, detector.config.decoder, test_time.suppression, exact=exact)
    order = np.argsort(-found.scores, kind="stable")[: detector.config.decoder.max_detections]
    return {name: values[order] for name, values in found._asdict().items()}


def _passes(detector: Any, image: np.ndarray, scale: float, flip: bool, exact: bool) -> Iterator[Pass]:
    """The upright pass and the mirrored one over one scale, together through the network."""
    canvas = fit_canvas(image.shape[:2], scale, exact=exact)
    placed = place(image, canvas)
    batch = np.stack([placed, placed[:, ::-1]] if flip else [placed])
    pairs, centers = _compiled(detector, canvas)(batch)
    for row in range(len(batch)):
        yield Pass(canvas, np.asarray(pairs[row]), np.asarray(centers[row]), mirrored=row == 1)


def _compiled(detector: Any, canvas: Canvas) -> Callable[[np.ndarray], Any]:
    """The network up to its pairs and centers, compiled once for each size of the canvas."""

    def step(forward: Callable[[Any], Any], images: Any) -> tuple[Any, Any]:
        sizes = ops.broadcast_to(ops.convert_to_tensor([canvas.size], dtype="int32"), (ops.shape(images)[0], 2))
        maps = forward(detector.config.preprocessing(images, sizes, canvas.size))
        last = {name: stacks[-1] for name, stacks in maps.items()}
        pairs, centers = decode_pairs(last, detector.config.decoder)
        columns = (pairs.scores, pairs.top_left_scores, pairs.bottom_right_scores, ops.cast(pairs.class_ids, "float32"))
        rows = ops.concatenate([pairs.boxes, *(column[..., None] for column in columns)], axis=-1)
        middles = (ops.cast(centers.class_ids, "float32"), centers.scores)
        return rows, ops.concatenate([centers.points, *(column[..., None] for column in middles)], axis=-1)

    def compile_pairs() -> Callable[..., Any]:
        return compile_with_network(detector, step, [("uint8", (None, *canvas.size, 3))])

    return detector.compiled_form(("pairs", canvas.size), compile_pairs)
