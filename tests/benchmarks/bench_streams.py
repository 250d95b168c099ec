"""Batches on a CPU: `python tests/benchmarks/bench_streams.py`.

The first table has images per second of `infer` with 16 images of 640×480, in batches of the network of several sizes,
in turn; the limit of `centernet.ops.preprocessing.CPU_PIXELS` is lifted for it. The second has the highest resident
size of a process that detects in 64 such images at a batch size.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from timing import interleave

import centernet
from centernet import TestTime
from centernet.images.reading import Frame
from centernet.inference.detecting import detect_frames
from centernet.ops import preprocessing

LARGE = "centernet_mobilenetv2fpn_512x512_coco17_od"
CASES = {
    "shapes, 256×256": ("shapes", "keras", False),
    "shapes, 256×256, mirrored pass": ("shapes", "keras", True),
    "MobileNetV2-FPN 512": (LARGE, "keras", False),
    "MobileNetV2-FPN 512, mirrored pass": (LARGE, "keras", True),
    "shapes on ONNX Runtime": ("shapes", "onnx", False),
    "bccd on ONNX Runtime, its passes": ("bccd", "onnx", False),
}
SIZES, COUNT, RUNS = (1, 2, 4, 16), 16, 5


def open_detector(model: str, runtime: str) -> Any:
    """A detector; the large one has random weights."""
    return centernet.load(model, weights=None if model == LARGE else "published", runtime=runtime)


def pictures(count: int) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    return (rng.integers(0, 256, (480, 640, 3), np.uint8) for _ in range(count))


def speeds(model: str) -> dict[int, float]:
    """Images per second by batch of the network."""
    detector, images = open_detector(model, "keras"), list(pictures(COUNT))

    def run(size: int) -> None:
        for start in range(0, COUNT, size):
            detector.infer(images[start : start + size])

    with mock.patch.object(preprocessing, "CPU_PIXELS", 2**40):
        medians = interleave({str(size): lambda size=size: run(size) for size in SIZES}, RUNS)
    return {size: COUNT / medians[str(size)] * 1e3 for size in SIZES}


def peak(label: str, batch_size: int) -> int:
    """Megabytes of a process of its own."""
    command = [sys.executable, __file__, label, str(batch_size)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def child(label: str, batch_size: str) -> None:
    model, runtime, flip = CASES[label]
    detector = open_detector(model, runtime)
    frames = (Frame(image, str(number)) for number, image in enumerate(pictures(4 * COUNT)))
    passes = TestTime(flip=True) if flip else None
    options: dict[str, Any] = {"min_score": 0.3, "max_detections": None, "exact": False, "test_time": passes}
    for _ in detect_frames(detector, frames, batch_size=int(batch_size), **options):
        pass
    # Not getrusage, whose ru_maxrss begins at that of the parent.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)


def main() -> None:
    print(f"| images/s in batches of | {' | '.join(map(str, SIZES))} |\n|---|{'---:|' * len(SIZES)}")
    for model in ("shapes", LARGE):
        print(f"| {model} | {' | '.join(f'{value:.1f}' for value in speeds(model).values())} |", flush=True)
    print("\n| MB at `batch_size` | 1 | 16 | ratio |\n|---|---:|---:|---:|")
    for label in CASES:
        one, many = peak(label, 1), peak(label, COUNT)
        print(f"| {label} | {one} | {many} | {many / one:.2f} |", flush=True)


if __name__ == "__main__":
    child(*sys.argv[1:]) if sys.argv[1:] else main()
