"""Soft-NMS of 1,000 boxes against a plain NumPy loop: `python tests/benchmarks/bench_nms.py`."""

from __future__ import annotations

import numpy as np
from timing import interleave, print_table

from centernet.ops.nms import SuppressionSettings, soft_nms

COUNT = 1000
GAUSSIAN, VOTING = SuppressionSettings(), SuppressionSettings(voting_exponent=10.0)


def main() -> None:
    for classes in (80, 5, 1):
        found = crowd(classes)
        sides = {
            "soft_nms": lambda found=found: soft_nms(*found),
            "soft_nms, best 100": lambda found=found: soft_nms(*found, max_detections=100),
            "soft_nms with votes": lambda found=found: soft_nms(*found, VOTING),
            "soft_nms, exact": lambda found=found: soft_nms(*found, exact=True),
            "NumPy loop over classes and picks": lambda found=found: plain(*found),
        }
        assert sorted(plain(*found)) == sorted(soft_nms(*found).rows)
        print_table(f"Gaussian soft-NMS of {COUNT} boxes of {classes} classes", interleave(sides, 30), "soft_nms")


def crowd(classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 640, (COUNT, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 200, (COUNT, 2))], axis=1)
    return np.float32(boxes), np.float32(rng.uniform(0, 1, COUNT)), rng.integers(0, classes, COUNT)


def plain(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> list[int]:
    """Rows that are left, one pick of one class after the other; each pick looks at the rest at once."""
    kept, scores = [], scores.copy()
    for one in np.unique(classes):
        rest = np.flatnonzero(classes == one)
        while len(rest):
            best = rest[scores[rest].argmax()]
            if scores[best] < GAUSSIAN.min_score:
                break
            kept.append(int(best))
            rest = rest[rest != best]
            box, others = boxes[best], boxes[rest]
            sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
            shared = np.maximum(sides, 0).prod(axis=1)
            areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
            scores[rest] *= np.exp(-((shared / (areas - shared)) ** 2) / GAUSSIAN.sigma)
    return kept


if __name__ == "__main__":
    main()
