"""Augmentation of a batch against fitting it to the canvas: `python tests/benchmarks/bench_augmentation.py`.

8 photos of 640×480 for a canvas of 320×320, with 13 of 64 boxes each, on TensorFlow in graph mode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from timing import interleave, print_table

from centernet.ops.preprocessing import Preprocessing
from centernet.training.augmentation import Augmentation
from centernet.training.settings import AugmentationSettings

BATCH, LOADED, CANVAS, SLOTS, OBJECTS = 8, (480, 640), (320, 320), 64, 13
WINDOWS: dict[str, Any] = {"horizontal_flip": 0.5, "crop": (0.6, 1.3), "shift": 0.3}
LIGHT: dict[str, Any] = {"brightness": 0.2, "contrast": (0.8, 1.25)}
COLORS: dict[str, Any] = {"saturation": (0.8, 1.25), "hue": 0.02}
MIXED: dict[str, Any] = {"mosaic": 0.5, "mixup": 0.2}
FITTED = "resize and normalize, as detect does"


def main() -> None:
    batch = photos()
    preprocessing = Preprocessing(CANVAS)
    fitted = tf.function(lambda images, sizes: preprocessing(images, sizes), autograph=False)
    sides: dict[str, Callable[[], Any]] = {FITTED: lambda: fitted(batch["images"], batch["sizes"]).numpy()}
    kinds = {
        "off": {},
        "flip, crop": WINDOWS,
        "and light": WINDOWS | LIGHT,
        "and colors (the reference's)": WINDOWS | LIGHT | COLORS,
        "and mosaic, mixup": WINDOWS | LIGHT | COLORS | MIXED,
    }
    for name, options in kinds.items():
        change = tf.function(Augmentation(AugmentationSettings(**options), CANVAS).__call__, autograph=False)
        sides[name] = lambda change=change: change(batch, tf.constant([0, 1]))["images"].numpy()
    print_table("Augmentation of 8×640×480 to 320×320", interleave(sides, 30), FITTED)


def photos() -> dict[str, tf.Tensor]:
    random = np.random.default_rng(0)
    first = random.uniform(0, 400, (BATCH, SLOTS, 2))
    return {
        "images": tf.constant(random.integers(0, 256, (BATCH, *LOADED, 3), np.uint8)),
        "sizes": tf.constant([LOADED] * BATCH),
        "boxes": tf.constant(np.concatenate([first, first + 60], axis=-1), tf.float32),
        "class_ids": tf.constant([[0] * OBJECTS + [-1] * (SLOTS - OBJECTS)] * BATCH),
        "ignore": tf.zeros((BATCH, SLOTS), tf.bool),
    }


if __name__ == "__main__":
    main()
