"""Small objects in large photos, with and without tiles: `python tests/benchmarks/bench_tiles.py [SCENES]`.

The model `shapes`, on ONNX Runtime, detects in rendered scenes of 4000×3000 pixels: one kind has 300 shapes of 30 to 72
pixels, the other 80 of 36 to 1200. Time is that of `detect` with a minimum score of 0.3; AP is that of all scores. The
last tables have boxes at inner borders treated in other ways.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any
from unittest import mock

import numpy as np

import centernet
from centernet import TestTime
from centernet.data import Dataset, synthetic
from centernet.inference.tiling import Span

SIZE = (3000, 4000)
KINDS = {
    "300 small": {"min_objects": 300, "max_objects": 300, "radius": (0.005, 0.012)},
    "80 of all sizes": {"min_objects": 80, "max_objects": 80, "radius": (0.006, 0.2)},
}
PLAIN: Mapping[str, TestTime | None] = {
    "no tiles": None,
    "640, overlap 0.2": TestTime(tiles=(640, 640)),
    "320, overlap 0.2": TestTime(tiles=(320, 320)),
    "320, overlap 0.2, not the whole image": TestTime(tiles=(320, 320), whole=False),
    "320, overlap 0.1": TestTime(tiles=(320, 320), overlap=0.1),
    "320, overlap 0.4": TestTime(tiles=(320, 320), overlap=0.4),
}


def keep_all(self: Span, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Soft-NMS alone."""
    return np.zeros(len(low), bool)


def drop_all(self: Span, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """All boxes that touch an inner border are dropped."""
    margin = 0.02 * (self.end - self.start)
    at_start = (low < self.start + margin) & (self.before > -np.inf)
    return at_start | ((high > self.end - margin) & (self.after < np.inf))


def keep_own(self: Span, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """A box belongs to the tile in whose part of the overlap its center lies."""
    center = (low + high) / 2
    return (center < (self.start + self.before) / 2) | (center >= (self.end + self.after) / 2)


BORDERS = {
    "dropped where the neighbor has it whole (as is)": Span.cuts,
    "all kept": keep_all,
    "all dropped": drop_all,
    "kept in the tile that its center belongs to": keep_own,
}


def measure(detector: Any, scenes: Sequence[Dataset], test_time: TestTime | None) -> str:
    """AP, detections above 0.3 for 100 objects, and seconds."""
    found, counts, seconds = [], [], []
    for scene in scenes:
        found.append(detector.evaluate(scene, test_time=test_time).ap)
        image = scene[0].image
        start = time.perf_counter()
        counts.append(len(detector.detect(image, test_time=test_time)) / len(scene[0].boxes))
        seconds.append(time.perf_counter() - start)
    return f"{statistics.mean(found):.3f} | {100 * statistics.mean(counts):.0f} | {statistics.median(seconds):.1f}"


def main(count: str = "3") -> None:
    detector = centernet.load("shapes", runtime="onnx")
    scenes = {
        name: [synthetic.shapes(1, SIZE, seed=seed, keypoints=True, **options) for seed in range(int(count))]
        for name, options in KINDS.items()
    }
    for name, some in scenes.items():
        print(f"\n{name}\n\n| tiles | AP | found per 100 objects | s |\n|---|---:|---:|---:|")
        for label, test_time in PLAIN.items():
            print(f"| {label} | {measure(detector, some, test_time)} |", flush=True)
    for name, some in scenes.items():
        print(f"\n{name}, boxes at inner borders\n\n| | AP | found per 100 objects | s |\n|---|---:|---:|---:|")
        for label, rule in BORDERS.items():
            with mock.patch.object(Span, "cuts", rule):
                print(f"| {label} | {measure(detector, some, TestTime(tiles=(320, 320)))} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
