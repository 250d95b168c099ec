"""Reading photos for training: `Batches` against `tf.data` and a plain Pillow loop.

`python tests/benchmarks/bench_loader.py FOLDER [RUNS]` takes the first 48 JPEG files of 640×480 in a folder. What is
timed is the processor's time of all threads, which other work on the machine disturbs least: images a second and core.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from PIL import Image

from centernet.data.batches.fitting import fitted_size, resize_into
from centernet.data.batches.loader import Batches
from centernet.data.dataset import Dataset
from centernet.data.sample import Sample

COUNT, BATCH, SIZE = 48, 16, (640, 480)
OURS = "Batches"


def photos(folder: str) -> list[Path]:
    """The first photos of the size."""
    found = []
    for path in sorted(Path(folder).glob("*.jpg")):
        with Image.open(path) as image:
            if image.size == SIZE:
                found.append(path)
        if len(found) == COUNT:
            return found
    raise SystemExit(f"Expected {COUNT} JPEG files of {SIZE} in {folder}. Found: {len(found)}")


def by_batches(paths: list[Path], side: int, sampling: str) -> list[np.ndarray]:
    """As training does it, in one thread."""
    samples = (Sample(path, np.zeros((0, 4)), np.zeros(0), number) for number, path in enumerate(paths))
    batches = Batches(
        Dataset(tuple(samples), ("thing",)), (side, side), BATCH, shuffle=False, sampling=sampling, workers=1
    )
    return [batch["images"] for batch in batches]


def by_pillow(paths: list[Path], side: int, sampling: str) -> list[np.ndarray]:
    """As a first version of a loader is often written; Pillow's resize is an antialiased one."""
    images = np.zeros((len(paths), side, side, 3), np.uint8)
    for out, path in zip(images, paths, strict=True):
        image = Image.open(path).convert("RGB")
        height, width = fitted_size(image.size[::-1], (side, side))
        out[:height, :width] = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return list(images.reshape(-1, BATCH, side, side, 3))


def by_tensorflow(paths: list[Path], side: int, sampling: str) -> list[np.ndarray]:
    """`tf.data` with TensorFlow's decoder and resize; in all threads that it likes."""
    import tensorflow as tf

    def read(path: Any) -> Any:
        # Its default is a less exact transform, which is no quicker.
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3, dct_method="INTEGER_ACCURATE")
        size = tf.cast(tf.shape(image)[:2], tf.float32)
        new = tf.cast(tf.round(size * tf.reduce_min(side / size)), tf.int32)
        image = tf.raw_ops.ResizeBilinear(images=image[None], size=new, half_pixel_centers=sampling == "half_pixel")
        return tf.cast(tf.round(tf.image.pad_to_bounding_box(image, 0, 0, side, side)[0]), tf.uint8)

    data = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
    data = data.map(read, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH).prefetch(tf.data.AUTOTUNE)
    return list(data.as_numpy_iterator())


def decoding(paths: list[Path]) -> None:
    """Nothing but Pillow's decoder, which `Batches` can't be quicker than."""
    for path in paths:
        with Image.open(path) as image:
            image.load()


def resizing(images: list[np.ndarray], side: int, sampling: str) -> None:
    """Nothing but our resize."""
    out = np.zeros((side, side, 3), np.uint8)
    for image in images:
        height, width = fitted_size(image.shape[:2], (side, side))
        resize_into(out[:height, :width], image, sampling)


def interleave(sides: dict[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Median milliseconds of the processor for an image, the sides in turn."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for run in range(runs + 1):
        for name, side in sides.items():
            begun = time.process_time()
            side()
            if run:  # the first is for warming up
                taken[name].append((time.process_time() - begun) / COUNT * 1e3)
    return {name: statistics.median(values) for name, values in taken.items()}


def main(folder: str, runs: int = 9) -> None:
    """Print a table a canvas."""
    paths = photos(folder)
    images = [np.asarray(Image.open(path)) for path in paths]
    kilobytes = sum(path.stat().st_size for path in paths) / len(paths) / 1000
    print(f"{COUNT} photos of 640×480, {kilobytes:.0f} kB each, load {os.getloadavg()[0]:.1f}\n")
    for side, sampling in ((320, "legacy"), (320, "half_pixel"), (512, "legacy")):
        reading = {OURS: by_batches, "`tf.data`": by_tensorflow, "Pillow loop (antialiased)": by_pillow}
        found = {name: np.concatenate(read(paths, side, sampling)).astype(int) for name, read in reading.items()}
        sides: dict[str, Callable[[], Any]] = {
            name: partial(read, paths, side, sampling) for name, read in reading.items()
        }
        sides |= {"Pillow's decoder alone": partial(decoding, paths)}
        sides |= {"our resize alone": partial(resizing, images, side, sampling)}
        medians = interleave(sides, runs)
        print(f"{side}×{side}, {sampling}\n")
        print("| what | images/s a core | ratio | grey levels from ours |\n|---|---:|---:|---:|")
        for name, milliseconds in medians.items():
            away = f"{abs(found[name] - found[OURS]).mean():.2f}" if name in found else ""
            print(f"| {name} | {1e3 / milliseconds:.0f} | {medians[OURS] / milliseconds:.2f} | {away} |")
        print()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
