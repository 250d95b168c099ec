"""Count how good a detector is: `python examples/evaluate.py [DATA] [--model NAME] [--out report]`.

DATA is a dataset of any format; its split `test` or `val` is taken, or all of it. Without it, four blood smears are
rendered, of which it is known where each cell lies; the detector that ships with the library reaches AP .746 there.
Expect a table, and `report/report.html` with curves, confusions and the worst photos in one page.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from render_blood_cells import PLATELETS, RED_CELLS, WHITE_CELL, render

import centernet

CLASSES = ("RBC", "WBC", "Platelets")
EDGE = 6  # pixels that the soft edge of a cell reaches beyond its radius


def main() -> None:
    """Evaluate, print, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--model", default="bccd")
    parser.add_argument("--split", default="all")
    parser.add_argument("--out", type=Path, default=Path("report"))
    asked = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        data = asked.data or centernet.data.write(smears(), Path(temporary) / "smears", format="yolo")
        evaluation = centernet.load(asked.model).evaluate(centernet.data.load(data, split=asked.split))
        print(evaluation)
        hardest = min(evaluation.classes, key=lambda one: one.ap)
        print(f"AP {evaluation.ap:.3f}; hardest: {hardest.name}, AP {hardest.ap:.3f}")
        print(evaluation.report(asked.out, overwrite=True))


def smears() -> centernet.data.Dataset:
    """Rendered smears with the box of each cell."""
    cells = [*((*cell, 0) for cell in RED_CELLS), (*WHITE_CELL, 1), *((*cell, 2) for cell in PLATELETS)]
    x, y, radius, kinds = np.array(cells).T
    reach = radius + EDGE
    boxes = np.stack([x - reach, y - reach, x + reach, y + reach], axis=1)
    images = [np.asarray(render(seed)) for seed in range(4)]
    samples = [centernet.data.Sample(image, boxes, kinds, number) for number, image in enumerate(images)]
    return centernet.data.Dataset(tuple(samples), CLASSES, name="smears")


if __name__ == "__main__":
    main()
