"""Objects as Points with test-time augmentation (Zhou 2019, section 5.1): the passes over one image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from centernet.errors import ConfigError
from centernet.inference.compiled import ONE_IMAGE, Arrays, shape_step
from centernet.models.test_time import TestTime, check_canvas
from centernet.ops.nms import soft_nms
from centernet.ops.preprocessing import STRIDE, collate
from centernet.ops.resize_exact import resize_bilinear

AVERAGED = ("size",)  # beside heatmaps and keypoints; offsets are the upright pass's
POSITIONS = ("boxes", "keypoints")


def detect_passes(detector: Any, image: np.ndarray, test_time: TestTime, *, exact: bool = False) -> Arrays:
    """Find objects in one image by several passes.

    A mirrored pass is averaged with the upright one before decoding; the detections of all scales are joined by
    soft-NMS. With `fit="original"` the image itself is scaled (its new sides rounded down) and positions are divided by
    the scale, as in the reference; with `fit="canvas"` the canvas is.

    Args:
        detector: A `PointDetector`.
        image: uint8 RGB `(height, width, 3)`.
        test_time: The passes.
        exact: See `Detector.detect`.

    Returns:
        As `Detector.decode`, for the one image: without the first axis, and with as many rows as are left.

    Raises:
        ConfigError: If the input of a scale has fewer cells than detections are asked for.
    """
    found = [_detect_scale(detector, image, scale, test_time.flip, exact) for scale in test_time.scales]
    arrays = {name: np.concatenate([one[name] for one in found]) for name in found[0]}
    if len(found) == 1:
        return arrays
    count = detector.config.decoder.max_detections
    suppression = test_time.joining(vote=False)
    left = soft_nms(arrays["boxes"], arrays["scores"], arrays["class_ids"], suppression, max_detections=count)
    kept = {name: values[left.rows] for name, values in arrays.items()}
    return kept | {"boxes": left.boxes, "scores": left.scores}


def _detect_scale(detector: Any, image: np.ndarray, scale: float, flip: bool, exact: bool) -> Arrays:
    """What is found at one scale, in pixels of the image."""
    preprocessing = detector.config.preprocessing.scaled(scale, detector.backbone.input_multiple)
    original = preprocessing.fit == "original"
    if original:
        height, width = (max(int(side * scale), 1) for side in image.shape[:2])
        check_canvas(scale, preprocessing.canvas(np.array([[height, width]], object)))
        image = resize_bilinear(image, (height, width))
    batch, sizes = collate([image], shape_step())
    canvas = preprocessing.canvas(sizes)
    check_canvas(scale, canvas)
    _check_cells(detector.config, scale, canvas)
    found = _compiled(detector, canvas, flip, exact)(batch, sizes)
    arrays = {name: ops.convert_to_numpy(values)[0] for name, values in found.items()}
    return arrays | {name: arrays[name] / np.float32(scale) for name in POSITIONS if original and name in arrays}


def _compiled(detector: Any, canvas: tuple[int, int], flip: bool, exact: bool) -> Callable[..., Any]:
    """The detector on one canvas, compiled once."""

    def step(forward: Callable[[Any], Any], images: Any, sizes: Any) -> dict[str, Any]:
        batch = detector.config.preprocessing(images, sizes, canvas)
        if not flip:
            return detector.decode(forward(batch), sizes, canvas=canvas, exact=exact)
        maps = forward(ops.concatenate([batch, ops.flip(batch, axis=2)], axis=0))
        last = {name: [_average(name, stacks[-1], detector)] for name, stacks in maps.items()}
        return detector.decode(last, sizes, canvas=canvas, exact=exact)

    return detector.compiled_form(("points", canvas, flip, exact), step, ONE_IMAGE)


def _check_cells(config: Any, scale: float, canvas: tuple[int, int]) -> None:
    """Check that a scaled input has room for all detections."""
    needed = max(config.decoder.max_detections, config.decoder.candidates if config.keypoints else 1)
    cells = canvas[0] * canvas[1] // STRIDE**2
    if needed > cells:
        raise ConfigError(
            f"Expected scales at which the input has a cell for each of {needed} detections or candidates. Received: "
            f"scale {scale:g}, where an input of {canvas[0]}×{canvas[1]} pixels has {cells}. Choose a larger scale."
        )


def _average(name: str, maps: Any, detector: Any) -> Any:
    """The map of the upright pass, averaged with the mirrored one's where that means the same."""
    upright, mirrored = maps[:1], ops.flip(maps[1:], axis=2)
    if name == "keypoint_regression":
        return (upright + _mirror_vectors(mirrored, detector.config.keypoints)) / 2
    if name in AVERAGED:
        return (upright + mirrored) / 2
    if not name.endswith("heatmap"):
        return upright
    if name == "keypoint_heatmap":
        mirrored = ops.take(mirrored, np.asarray(_flipped(detector.config.keypoints)), axis=-1)
    probability = (ops.sigmoid(upright) + ops.sigmoid(mirrored)) / 2
    return ops.log(probability) - ops.log1p(-probability)


def _mirror_vectors(maps: Any, task: Any) -> Any:
    """Vectors from a center to its keypoints, y x of each in turn, as they are in the mirror."""
    shape = ops.shape(maps)
    vectors = ops.take(ops.reshape(maps, (*shape[:-1], -1, 2)), np.asarray(_flipped(task)), axis=-2)
    return ops.reshape(vectors * np.array([1, -1], np.float32), shape)


def _flipped(task: Any) -> Any:
    """Which keypoint of the mirrored image each keypoint is."""
    return task.flip or range(len(task.names))
