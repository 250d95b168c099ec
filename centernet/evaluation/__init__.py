"""Evaluation of detectors: COCO's average precision and recall, curves, confusion, the worst images, a report.

evaluation = detector.evaluate(dataset)        # or centernet.evaluation.evaluate(detector, dataset)
print(evaluation)
evaluation.report("report")                    # report.html and report.json
"""

from __future__ import annotations

import importlib
from typing import Any

from centernet.evaluation.alignment import read_coco_results
from centernet.evaluation.evaluating import evaluate, evaluate_detections
from centernet.evaluation.result import Evaluation

__all__ = ["CocoEvaluation", "Evaluation", "evaluate", "evaluate_detections", "read_coco_results"]


def __getattr__(name: str) -> Any:
    """Import the callback at first use: it needs Keras, which exported detectors are evaluated without."""
    if name == "CocoEvaluation":
        return importlib.import_module("centernet.evaluation.callback").CocoEvaluation
    raise AttributeError(f"module 'centernet.evaluation' has no attribute {name!r}")
