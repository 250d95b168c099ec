"""Detectors on the same photos: `python tests/benchmarks/compare_detectors.py DATA SPLIT MODEL...`.

Each is evaluated in one pass and with an additional mirrored pass, with soft-NMS in both. "False" is the share of false
positives among the boxes at recall 0.8 (IoU 0.5).
"""

from __future__ import annotations

import sys

import numpy as np

import centernet
from centernet.evaluation import Evaluation

RECALL = 0.8
PASSES = {"one pass": centernet.TestTime(), "with a mirrored one": centernet.TestTime(flip=True)}
COLUMNS = ("model", "passes", "AP", "AP50", "AP75", "S", "M", "L", "AR100", "false")


def main(data: str, split: str, *models: str) -> None:
    """Print the table."""
    rows = []
    for name in models:
        detector = centernet.load(name)
        dataset = centernet.data.load(data, split=split, classes=detector.class_names)
        for passes, test_time in PASSES.items():
            found = detector.evaluate(dataset, batch_size=8, test_time=test_time)
            rows.append((detector.config.name, passes, *figures(found)))
            classes = ", ".join(f"{one.name} {one.ap:.3f} / {one.ap50:.3f}" for one in found.classes)
            print(f"{detector.config.name}, {passes}: {classes}", file=sys.stderr)
    print("| " + " | ".join(COLUMNS) + " |\n|---|---|" + "---:|" * (len(COLUMNS) - 2))
    for row in rows:
        print("| " + " | ".join(row) + " |")


def figures(found: Evaluation) -> tuple[str, ...]:
    """The columns after the first two."""
    sizes = found.ap_small, found.ap_medium, found.ap_large
    numbers = (found.ap, found.ap50, found.ap75, *sizes, found.ar100)
    return (*(f"{number:.3f}".lstrip("0") for number in numbers), f"{100 * false_discoveries(found):.1f} %")


def false_discoveries(found: Evaluation) -> float:
    """Share of false positives at the highest score whose recall is `RECALL`."""
    precision, recall = (curve[-1] for curve in (found.score_curves.precision, found.score_curves.recall))
    return 1 - float(precision[np.flatnonzero(recall >= RECALL)[-1]])


if __name__ == "__main__":
    main(*sys.argv[1:])
