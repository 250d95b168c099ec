"""The best 100 peaks of a heatmap of 128×128×90, against plain forms: `python tests/benchmarks/bench_peaks.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops
from timing import interleave, print_table

from centernet.ops.peaks import best_peaks, suppress_non_peaks

COUNT = 100


def main() -> None:
    logits = np.random.default_rng(0).normal(-3, 2, (1, 128, 128, 90)).astype(np.float32)
    tensor = tf.constant(logits)
    ours = tf.function(lambda x: best_peaks(ops.sigmoid(x), COUNT), autograph=False)
    whole = tf.function(lambda x: tf.math.top_k(tf.reshape(suppress_non_peaks(ops.sigmoid(x)), (1, -1)), COUNT))
    sides = {
        "best_peaks (cells first)": lambda: ours(tensor),
        "top-k of every value": lambda: whole(tensor),
        "NumPy": lambda: _numpy(logits[0]),
    }
    print_table("Sigmoid and 100 best peaks of 128×128×90", interleave(sides, 20), "best_peaks (cells first)")


def _numpy(logits: np.ndarray) -> Any:
    heatmap = 1 / (1 + np.exp(-logits))
    padded = np.pad(heatmap, ((1, 1), (1, 1), (0, 0)))
    height, width, _ = heatmap.shape
    windows = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    peaks = np.where(heatmap >= np.maximum.reduce(windows) - 1e-6, heatmap, 0).ravel()
    best = np.argpartition(-peaks, COUNT)[:COUNT]
    return best[np.argsort(-peaks[best])]


if __name__ == "__main__":
    main()
