"""What evaluating costs beside detecting: `python tests/benchmarks/bench_evaluating.py DATA [MODEL]`.

DATA is a dataset of COCO's classes. MODEL is a published one, with random weights: these find as many objects as it
returns, which is most to count. Photos are taken in groups, each detected and evaluated in turn; all are counted at the
end, and the report is written.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from centernet import load
from centernet.data import load as load_data
from centernet.evaluation import evaluate, evaluate_detections

MODEL = "centernet_mobilenetv2fpn_512x512_coco17_od"
GROUP = 16


def main(data: str, model: str = MODEL) -> None:
    dataset = load_data(data, "auto", "all")
    detector = load(model, weights=None)
    detector.detect(dataset[0].image)  # compiles
    detecting, evaluating, found = 0.0, 0.0, []
    for start in range(0, len(dataset), GROUP):
        part = dataset[start : start + GROUP]
        for side in (0, 1) if start // GROUP % 2 else (1, 0):
            begin = time.perf_counter()
            if side:
                evaluation = evaluate(detector, part)
                assert evaluation.seconds
                evaluating += time.perf_counter() - begin - evaluation.seconds[1]
            else:
                found += detector.detect([sample.source for sample in part], min_score=0)
                detecting += time.perf_counter() - begin
    begin = time.perf_counter()
    evaluation = evaluate_detections(dataset, found)
    counting = time.perf_counter() - begin
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        evaluation.report(Path(folder))
    report = time.perf_counter() - begin
    rows = {
        "detect": detecting,
        "evaluate: detecting": evaluating,
        "evaluate: counting": counting,
        "evaluate, together": evaluating + counting,
        "the report": report,
    }
    print(f"{model}, {len(dataset)} photos, {sum(map(len, found))} detections\n")
    print("| what | s | × detect |\n|---|---:|---:|")
    for name, seconds in rows.items():
        print(f"| {name} | {seconds:.2f} | {seconds / detecting:.3f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
