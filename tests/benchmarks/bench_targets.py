"""Targets of Keypoint Triplets against a NumPy drawing loop: `python tests/benchmarks/bench_targets.py`.

A batch of 8 images of 511×511 with 50 boxes each, for maps of 128×128×80; boxes with sides of 10 to 400 pixels, as
in COCO (their logarithm is uniform), and boxes whose corners are uniform, which are larger. "Zeros" writes three
heatmaps and nothing in them: no way to draw dense heatmaps is quicker than that.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from timing import interleave, print_table

from centernet.models.triplets.targets import DIAMETERS, triplet_targets

BATCH, OBJECTS, CLASSES, INPUT, OUTPUT = 8, 50, 80, 511, 128
OURS = "triplet_targets, XLA"


def main() -> None:
    random = np.random.default_rng(0)
    class_ids = random.integers(0, CLASSES, (BATCH, OBJECTS)).astype(np.int32)
    for kind, boxes in (("as in COCO", like_coco(random)), ("with uniform corners", uniform(random))):
        tensors = tf.constant(boxes), tf.constant(class_ids)
        plain, xla = (tf.function(ours, autograph=False, jit_compile=jit) for jit in (False, True))
        zeros = tf.function(lambda value: [tf.fill((BATCH, OUTPUT, OUTPUT, CLASSES), value + i) for i in range(3)])
        for found, expected in zip(xla(*tensors), numpy_loop(boxes, class_ids), strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-6)
        sides: dict[str, Callable[[], Any]] = {
            OURS: lambda xla=xla, tensors=tensors: xla(*tensors),
            "triplet_targets, tf.function": lambda plain=plain, tensors=tensors: plain(*tensors),
            "NumPy loop": lambda boxes=boxes: numpy_loop(boxes, class_ids),
            "zeros": lambda zeros=zeros: zeros(tf.constant(0.0)),
        }
        print_table(f"Targets of 8×128×128×80, 50 boxes each, {kind}", interleave(sides, 30), OURS)


def ours(boxes: Any, class_ids: Any) -> list[Any]:
    sizes = {"input_size": (INPUT, INPUT), "output_size": (OUTPUT, OUTPUT)}
    targets = triplet_targets(boxes, class_ids, num_classes=CLASSES, **sizes)
    return [targets[name] for name in DIAMETERS]


def like_coco(random: np.random.Generator) -> np.ndarray:
    sides = np.exp(random.uniform(np.log(10), np.log(400), (BATCH, OBJECTS, 2)))
    first = random.uniform(0, 1, sides.shape) * (INPUT - 1 - sides)
    return np.concatenate([first, first + sides], axis=-1).astype(np.float32)


def uniform(random: np.random.Generator) -> np.ndarray:
    corners = np.sort(random.uniform(0, INPUT - 1, (BATCH, OBJECTS, 2, 2)), axis=2)
    return corners.reshape(BATCH, OBJECTS, 4).astype(np.float32)


def numpy_loop(boxes: np.ndarray, class_ids: np.ndarray) -> list[np.ndarray]:
    """Object by object, window by window, into channels-last maps."""
    heatmaps = [np.zeros((BATCH, OUTPUT, OUTPUT, CLASSES), np.float32) for _ in DIAMETERS]
    for image in range(BATCH):
        for box, class_id in zip(np.float64(boxes[image]) * (OUTPUT / INPUT), class_ids[image], strict=True):
            x0, y0, x1, y1 = box
            radius = plain_radius(math.ceil(y1 - y0), math.ceil(x1 - x0))
            points = (x0, y0), (x1, y1), ((x0 + x1) / 2, (y0 + y1) / 2)
            for heatmap, (x, y), parts in zip(heatmaps, points, DIAMETERS.values(), strict=True):
                draw(heatmap[image, :, :, class_id], int(x), int(y), radius, (2 * radius + 1) / parts)
    return heatmaps


def plain_radius(height: float, width: float, overlap: float = 0.7) -> int:
    side, product = overlap * (height + width), 4 * overlap * (1 - overlap) * height * width
    return int(math.sqrt(side * side + product) - side)


def draw(channel: np.ndarray, x: int, y: int, radius: int, deviation: float) -> None:
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    values = np.exp(-(columns * columns + rows * rows) / (2 * deviation * deviation))
    left, top = min(x, radius), min(y, radius)
    right, bottom = min(OUTPUT - x, radius + 1), min(OUTPUT - y, radius + 1)
    window = channel[y - top : y + bottom, x - left : x + right]
    np.maximum(window, values[radius - top : radius + bottom, radius - left : radius + right], out=window)


if __name__ == "__main__":
    main()
