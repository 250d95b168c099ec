"""Evaluation of detectors: COCO's average precision and recall, curves, confusion, the worst images, a report.

evaluation = detector.evaluate(dataset)        # or centernet.evaluation.evaluate(detector, dataset)
print(evaluation)
evaluation.report("report")                    # report.html and report.json
"""

from centernet.evaluation.alignment import read_coco_results
from centernet.evaluation.evaluating import CocoEvaluation, evaluate, evaluate_detections
from centernet.evaluation.result import Evaluation

__all__ = ["CocoEvaluation", "Evaluation", "evaluate", "evaluate_detections", "read_coco_results"]
