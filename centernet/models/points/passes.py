"""Objects as Points with test-time augmentation (Zhou 2019, section 5.1): the passes over one image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from centernet.models.family import IMAGES, Compiles, check_scale, image_size
from centernet.models.points.heads import HEATMAPS
from centernet.models.test_time import TestTime, check_canvas
from centernet.ops.boxes import reverse
from centernet.ops.constants import Arrays
from centernet.ops.graph_nms import soft_nms_in_graph
from centernet.ops.nms import soft_nms
from centernet.ops.peaks import gather_cells, gather_rows
from centernet.ops.preprocessing import batches
from centernet.ops.resize import resize_like_opencv

AVERAGED = ("size",)  # besides heatmaps and keypoint vectors; offsets are taken from the upright pass
POSITIONS = ("boxes", "keypoints")


def detect_passes(
    detector: Compiles, images: Sequence[np.ndarray], test_time: TestTime, *, exact: bool = False
) -> list[Arrays]:
    """Detect objects in images in several passes.

    A mirrored pass is averaged with the upright one before decoding; the detections of all scales are merged by
    soft-NMS. With `fit="original"` the image itself is scaled (its new sides rounded down) and positions are divided by
    the scale, as in the reference; with `fit="canvas"` the canvas is.

    Args:
        detector: The detector.
        images: uint8 RGB arrays `(height, width, 3)`, of one size with `fit="original"`.
        test_time: The passes.
        exact: See `Detector.detect`.

    Returns:
        As `Detector.decode`, for each image: without the first axis, and with as many rows as are left.

    Raises:
        ConfigError: If the input of a scale has fewer cells than detections or candidates.
    """
    found = [_detect_scale(detector, images, scale, test_time.flip, exact) for scale in test_time.scales]
    return [_join_scales(detector, one, test_time) for one in zip(*found, strict=True)]


def _join_scales(detector: Compiles, found: Sequence[Arrays], test_time: TestTime) -> Arrays:
    """Detections of one image from those at each scale."""
    arrays = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    if len(found) == 1:
        return arrays
    count = detector.config.decoder.max_detections
    suppression = test_time.joining(vote=False)
    left = soft_nms(arrays["boxes"], arrays["scores"], arrays["class_ids"], suppression, max_detections=count)
    kept = {name: values[left.rows] for name, values in arrays.items()}
    return kept | {"boxes": left.boxes, "scores": left.scores}


def _detect_scale(
    detector: Compiles, images: Sequence[np.ndarray], scale: float, flip: bool, exact: bool
) -> list[Arrays]:
    """Detections at one scale, in pixels of each image."""
    preprocessing = detector.config.preprocessing.scaled(scale, detector.backbone.input_multiple)
    original = preprocessing.fit == "original"
    if original:
        height, width = (max(int(side * scale), 1) for side in images[0].shape[:2])
        check_canvas(scale, preprocessing.canvas(np.array([[height, width]], object)))
        images = [resize_like_opencv(image, (height, width)) for image in images]
    canvas = preprocessing.canvas(np.array([images[0].shape[:2]]))
    check_canvas(scale, canvas)
    config = detector.config
    needed = max(config.decoder.max_detections, config.decoder.candidates if config.keypoints else 1)
    check_scale(scale, canvas, needed, "detections or candidates")
    run, rows = _compiled(detector, canvas, flip, exact), []
    for batch in batches(images, canvas, passes=1 + flip):
        arrays = {name: ops.convert_to_numpy(values) for name, values in run(*batch).items()}
        arrays |= {name: arrays[name] / np.float32(scale) for name in POSITIONS if original and name in arrays}
        rows += [{name: values[row] for name, values in arrays.items()} for row in range(len(batch[0]))]
    return rows


def _compiled(detector: Compiles, canvas: tuple[int, int], flip: bool, exact: bool) -> Callable[..., Any]:
    """The detector for one canvas, compiled once."""

    def step(forward: Callable[[Any], Any], images: Any, sizes: Any) -> dict[str, Any]:
        return _scale_in_graph(detector, forward, images, sizes, canvas, flip, exact)

    return detector.compiled_form(("points", canvas, flip, exact), step, IMAGES)


def passes_in_graph(
    detector: Compiles, forward: Callable[[Any], Any], images: Any, sizes: Any, test_time: TestTime
) -> dict[str, Any]:
    """The passes over a batch of images of one size, and their merging, as one graph; see `Family.passes_in_graph`."""
    preprocessing, multiple = detector.config.preprocessing, detector.backbone.input_multiple
    canvases = [preprocessing.scaled(scale, multiple).canvas(image_size(images)) for scale in test_time.scales]
    found = [
        _scale_in_graph(detector, forward, images, sizes, canvas, test_time.flip, exact=False) for canvas in canvases
    ]
    if len(found) == 1:
        return found[0]
    arrays = {name: ops.concatenate([one[name] for one in found], axis=1) for name in found[0]}
    boxes, scores, class_ids = (arrays.pop(name) for name in ("boxes", "scores", "class_ids"))
    weights, count = ops.stack([scores, scores], axis=-1), detector.config.decoder.max_detections
    suppression = test_time.joining(vote=False)
    rows, scores, boxes = soft_nms_in_graph(boxes, scores, class_ids, weights, suppression, count)
    kept = {name: _gathered(values, rows) for name, values in arrays.items()}
    return kept | {"boxes": boxes, "scores": scores, "class_ids": gather_rows(class_ids, rows)}


def _gathered(values: Any, rows: Any) -> Any:
    """Values `(batch, n, …)` at rows `(batch, k)`."""
    size = values.shape[2:]
    flat = gather_cells(ops.reshape(values, (*ops.shape(values)[:2], math.prod(size))), rows)
    return ops.reshape(flat, (*ops.shape(rows), *size))


def _scale_in_graph(
    detector: Compiles,
    forward: Callable[[Any], Any],
    images: Any,
    sizes: Any,
    canvas: tuple[int, int],
    flip: bool,
    exact: bool,
) -> dict[str, Any]:
    """Detections at the scale that a canvas has."""
    batch = detector.config.preprocessing(images, sizes, canvas)
    if not flip:
        return detector.decode(forward(batch), sizes, canvas=canvas, exact=exact)
    maps = forward(ops.concatenate([batch, reverse(batch, 2)], axis=0))
    last = {name: [_average(name, stacks[-1], detector)] for name, stacks in maps.items()}
    return detector.decode(last, sizes, canvas=canvas, exact=exact)


def _average(name: str, maps: Any, detector: Compiles) -> Any:
    """Maps of the upright pass (first half), averaged with the mirrored one where both predict the same quantity."""
    upright, mirrored = ops.split(maps, 2)
    mirrored = reverse(mirrored, 2)
    if name == "keypoint_regression":
        return (upright + _mirror_vectors(mirrored, detector.config.keypoints)) / 2
    if name in AVERAGED:
        return (upright + mirrored) / 2
    if name not in HEATMAPS:
        return upright
    if name == "keypoint_heatmap":
        mirrored = ops.take(mirrored, np.asarray(_flipped(detector.config.keypoints)), axis=-1)
    probability = (ops.sigmoid(upright) + ops.sigmoid(mirrored)) / 2
    return ops.log(probability) - ops.log(1 - probability)


def _mirror_vectors(maps: Any, task: Any) -> Any:
    """Vectors `y x` from a center to its keypoints, mirrored."""
    shape = ops.shape(maps)
    vectors = ops.take(ops.reshape(maps, (*shape[:-1], -1, 2)), np.asarray(_flipped(task)), axis=-2)
    return ops.reshape(vectors * np.array([1, -1], np.float32), shape)


def _flipped(task: Any) -> Any:
    """Index of the keypoint that each becomes in the mirrored image."""
    return task.flip or range(len(task.names))
