"""Steps of training, MobileNetV2-FPN at 320×320, batch 8: `python tests/benchmarks/bench_training.py [REPEATS]`.

Keras's `fit` as `Detector.fit` calls it against plain eager `fit`, in turn; and how long it waits for data, with photos
of 640×480 read from JPEG files.
"""

from __future__ import annotations

import io
import sys
import time

import keras
import numpy as np
from PIL import Image
from timing import interleave, print_table

from centernet import PointDetector
from centernet.data import synthetic
from centernet.data.batches.loader import Batches
from centernet.data.dataset import Dataset
from centernet.models.settings import PointHeadSettings
from centernet.training.settings import AugmentationSettings, TrainingSettings
from centernet.training.training_model import make_training_model

BATCH = 8
CHANGED = AugmentationSettings(horizontal_flip=0.5, crop=(0.75, 1.35), shift=0.2, brightness=0.15)


def photos(count: int) -> Dataset:
    """Rendered scenes as JPEG files in memory."""
    import dataclasses

    scenes = synthetic.shapes(count, (480, 640), max_objects=20, radius=(0.04, 0.1))

    def encoded(image: np.ndarray) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    samples = [dataclasses.replace(sample, source=encoded(sample.image)) for sample in scenes]
    return dataclasses.replace(scenes, samples=tuple(samples))


def main(repeats: int = 5) -> None:
    """Print both tables."""
    data = photos(32)
    settings = TrainingSettings(batch_size=BATCH, augmentation=CHANGED, schedule="constant", warmup=0.0)
    batches = Batches(data, (480, 640), BATCH)
    batch = batches[0]
    sides = {}
    for name, eagerly in (("as fit does", False), ("eager", True)):
        keras.utils.set_random_seed(0)
        heads = PointHeadSettings(256, 3, separable=True)
        backbone = {"name": "mobilenetv2_fpn", "separable": True}
        detector = PointDetector(backbone, data.class_names, image_size=(320, 320), heads=heads)
        training_model = make_training_model(detector, settings, len(batches))
        training_model.run_eagerly = eagerly
        training_model.train_on_batch(batch)
        sides[name] = lambda training_model=training_model: training_model.train_on_batch(batch)
    medians = interleave(sides, repeats)
    print_table(f"One step, {BATCH} images", medians, "eager")
    step = medians["as fit does"] / 1e3
    waited = []
    for number in range(1, 9):
        start = time.perf_counter()
        batches[number]
        waited.append(time.perf_counter() - start)
        time.sleep(step)  # the device is busy, and the next batches are read meanwhile
    idle = float(np.median(waited[2:]))
    print(f"Waiting for data: {1e3 * idle:.1f} ms a step, {100 * idle / (idle + step):.1f} % of the time.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
