"""Writes `pycocotools.json`: what pycocotools 2.0.11 says of the cases that the tests evaluate.

PYTHONPATH=tests python tests/goldens/evaluation/generate.py SHARED
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import coco_cases
import numpy as np

from centernet.data import load
from centernet.evaluation import read_coco_results

SEEDS = 3


def main(shared: Path) -> None:
    figures = {}
    for seed in range(SEEDS):
        dataset, found = coco_cases.scenes(seed)
        figures[f"scenes {seed}"] = {
            "bbox": coco_cases.reference(dataset, found, "bbox"),
            "keypoints": coco_cases.reference(dataset, found, "keypoints", coco_cases.SIGMAS),
        }
    dataset = load(shared / "data/coco_val254", "coco", "all")
    rows = read_coco_results(shared / "data/coco_val254/detections_mobilenetv3_centernet.json", dataset)
    figures["coco_val254"] = {
        "bbox": coco_cases.reference(dataset, [rows[sample.image_id] for sample in dataset], "bbox")
    }
    dataset = load(shared / "data/coco_keypoints50", "coco", "all")
    rng = np.random.default_rng(0)
    found = [coco_cases.guesses(sample, rng, others=1, classes=1, kinds=17) for sample in dataset]
    figures["coco_keypoints50"] = {"keypoints": coco_cases.reference(dataset, found, "keypoints")}
    text = json.dumps(figures, indent=1)
    Path(__file__).with_name("pycocotools.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
