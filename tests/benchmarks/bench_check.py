"""Images a second and peak memory of checking a dataset, and the ratio to another version of the library.

The photos are a few files of 640x480 with hard links (a file takes 65,000 at most). Each run is a process of its own,
in turn. `--against` names a checkout of the other version.

    python tests/benchmarks/bench_check.py --images 2000 20000 118000 --against ../before
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from bench_coco import write
from PIL import Image, ImageFilter

OWN = Path(__file__).parents[2]
FILES = 8
MEASURE = """
import re, sys, time
from centernet.data import load
started = time.perf_counter()
report = load(sys.argv[1], split="all").check()
seconds = time.perf_counter() - started
print(seconds, int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


def photos(folder: Path, images: int) -> None:
    """Links to a few JPEGs, of smooth noise: about as many bytes as a photo's."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(FILES):
        noise = Image.fromarray(draw.integers(0, 256, (480, 640, 3), np.uint8))
        noise.filter(ImageFilter.GaussianBlur(1.5)).save(folder.parent / f"{number}.jpg", quality=90)
    for number in range(1, images + 1):
        os.link(folder.parent / f"{number % FILES}.jpg", folder / f"{number:012}.jpg")


def measure(package: Path, dataset: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of one check in a process of its own."""
    command = [sys.executable, "-c", MEASURE, str(dataset)]
    environment = os.environ | {"PYTHONPATH": str(package)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    seconds, megabytes = map(float, done.stdout.splitlines()[-1].split())
    return seconds, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[2000])
    parser.add_argument("--against", type=Path, help="checkout of another version")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    sides = {"this": OWN} | ({"other": options.against.resolve()} if options.against else {})
    print("| images | version | images a second | peak MB |\n|---:|---|---:|---:|")
    for images in options.images:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            photos(folder / "images", images)
            write(folder / "instances.json", images)
            runs: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
            for _ in range(options.rounds):
                for side in random.sample(list(sides), len(sides)):
                    runs[side].append(measure(sides[side], folder))
        rates = {side: images / median(seconds for seconds, _ in found) for side, found in runs.items()}
        for side, rate in rates.items():
            peak = median(megabytes for _, megabytes in runs[side])
            ratio = f" ({rate / rates['other']:.2f} ×)" if "other" in rates and side == "this" else ""
            print(f"| {images:,} | {side} | {rate:,.0f}{ratio} | {peak:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
