"""Time and peak memory of reading COCO's instances, beside pycocotools.

The file is made here: 7.3 objects an image, as in train2017, with polygons of their usual length; the photos are not
read, and need not exist. Each side is a process of its own, in turn. Needs `pip install pycocotools`.

    python tests/benchmarks/bench_coco.py --images 2000 20000 118000
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

OBJECTS, CLASSES, CORNERS = 7.3, 80, 23
SIDES = {
    "pycocotools": "from pycocotools.coco import COCO\nwork = lambda: COCO(path)",
    "centernet": "from centernet.data import load\nwork = lambda: load(path)",
}
MEASURE = """
import re, sys, time
path = sys.argv[1]
{side}
started = time.perf_counter()
kept = work()
seconds = time.perf_counter() - started
# Not getrusage: its peak is that of the process that started this one, if that was larger.
print(seconds, int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 1024)
"""


def write(path: Path, images: int) -> None:
    """A COCO JSON with so many images of 640x480."""
    draw = random.Random(images)
    entries = [{"id": n, "file_name": f"{n:012}.jpg", "height": 480, "width": 640} for n in range(1, images + 1)]
    annotations = []
    for number in range(1, round(images * OBJECTS) + 1):
        box = [round(draw.uniform(0, 400), 2), round(draw.uniform(0, 300), 2), 80.25, 60.5]
        outline = [round(draw.uniform(0, 80), 2) for _ in range(2 * CORNERS)]
        annotations.append(
            {"id": number, "image_id": draw.randint(1, images), "category_id": draw.randint(1, CLASSES), "bbox": box}
            | {"area": 4855.125, "iscrowd": 0, "segmentation": [outline]}
        )
    categories = [{"id": n, "name": f"class {n}"} for n in range(1, CLASSES + 1)]
    path.write_text(json.dumps({"images": entries, "annotations": annotations, "categories": categories}))


def measure(side: str, path: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of one reading in a process of its own."""
    command = [sys.executable, "-c", MEASURE.format(side=SIDES[side]), str(path)]
    last = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
    seconds, megabytes = map(float, last.split())
    return seconds, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[2000, 20000, 118000])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print("| images | pycocotools s, MB | centernet s, MB | time | memory |\n|---:|---:|---:|---:|---:|")
    for images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "instances_train.json"
            write(path, images)
            runs = [{side: measure(side, path) for side in SIDES} for _ in range(options.repeat)]
        (a, b), (c, d) = ([median(run[side][k] for run in runs) for k in (0, 1)] for side in SIDES)
        print(f"| {images:,} | {a:.2f}, {b:,.0f} | {c:.2f}, {d:,.0f} | {c / a:.2f} | {d / b:.2f} |", flush=True)


if __name__ == "__main__":
    main()
