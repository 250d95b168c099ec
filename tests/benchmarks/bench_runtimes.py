"""Detecting on each runtime: `python tests/benchmarks/bench_runtimes.py [MODEL …]`.

The first tables have the time of `detect` for one 640×480 array, in turn, with the published weights of the models
that ship and random ones of the others. The last has a whole command line, from nothing to the boxes of one image: each
run is a process of its own, with its highest resident size.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import interleave, print_table

import centernet
from centernet.inference.runtimes import RUNTIMES

EXAMPLES = Path(__file__).parents[2] / "examples"
SHIPPED = ("shapes", "bccd")
MODELS = (
    *SHIPPED,
    "centernet_mobilenetv2fpn_512x512_coco17_od",
    "centernet_resnet50_v1_fpn_512x512_coco17_tpu-8",
    "centernet_resnet50_v2_512x512_coco17_tpu-8",
)
RUNS, STARTS = 15, 3
CHILD = """
import sys
from centernet.cli.app import main
try:
    main()
finally:
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""


def compare(name: str, folder: Path) -> None:
    """Print the times of one model."""
    detector = centernet.load(name, weights="published" if name in SHIPPED else None)
    path = folder / f"{name}.onnx"
    start = time.perf_counter()
    detector.export(path)
    seconds = time.perf_counter() - start
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    detectors = {"keras": detector}
    for runtime in ("onnx", "openvino"):
        if RUNTIMES[runtime].is_installed:
            detectors[runtime] = centernet.load(path, runtime=runtime)
    sides = {runtime: lambda one=one: one.detect(image) for runtime, one in detectors.items()}
    title = f"{name}; exported in {seconds:.1f} s, {path.stat().st_size / 1e6:.1f} MB"
    print_table(title, interleave(sides, RUNS), "keras")


def start_cold(runtime: str, folder: Path) -> tuple[float, float]:
    """Seconds and megabytes of `centernet detect` in a process of its own."""
    arguments = ["detect", str(EXAMPLES / "blood_cells.png"), "--model", "bccd", "--runtime", runtime]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments, "--out", str(folder)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CENTERNET_HOME": str(folder)},
    )
    seconds = time.perf_counter() - start
    return seconds, int(done.stderr.rsplit("VmHWM:", 1)[1].split()[0]) / 1e3


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or MODELS:
            compare(name, Path(folder))
        print("one image on a cold command line, bccd\n\n| runtime | s | MB |\n|---|---:|---:|")
        for runtime in ("keras", "onnx"):
            starts = [start_cold(runtime, Path(folder)) for _ in range(STARTS)]
            seconds, megabytes = (sorted(values)[STARTS // 2] for values in zip(*starts, strict=True))
            print(f"| {runtime} | {seconds:.2f} | {megabytes:.0f} |")


if __name__ == "__main__":
    main()
