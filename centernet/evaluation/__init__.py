"""How good a detector is: COCO's average precision and recall, curves, confusion, the worst images, a report.

evaluation = detector.evaluate(dataset)        # or centernet.evaluation.evaluate(detector, dataset)
print(evaluation)
evaluation.report("report")                    # report.html and report.json
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from centernet.evaluation.coco_results import read_coco_results as read_coco_results
from centernet.evaluation.evaluating import evaluate as evaluate
from centernet.evaluation.evaluating import evaluate_detections as evaluate_detections
from centernet.evaluation.result import Evaluation as Evaluation

if TYPE_CHECKING:
    from centernet.evaluation.callback import CocoEvaluation as CocoEvaluation

__all__ = ["CocoEvaluation", "Evaluation", "evaluate", "evaluate_detections", "read_coco_results"]


def __getattr__(name: str) -> Any:
    """Import the callback, which needs Keras, when it is first used."""
    if name == "CocoEvaluation":
        from centernet.evaluation.callback import CocoEvaluation

        return CocoEvaluation
    raise AttributeError(f"module 'centernet.evaluation' has no attribute {name!r}")
