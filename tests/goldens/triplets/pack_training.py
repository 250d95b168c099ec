"""Writes `targets.npz`, `losses.npz` and `losses.json` from the folder in which the reference's numbers were collected.

`python pack_training.py FOLDER POINTS`: FOLDER holds `units.*` and `outputs/` of Keypoint Triplets, POINTS the
`units.npz` of the TensorFlow API. Arrays keep the reference's layout, channels before height and width;
`../training.py` reads them.

`targets.npz`: `units/*`, what the reference's sampler made of two images of 511×511 for maps of 128×128; `hg104/*`, of
two images of 255×255 for maps of 64×64 (the boxes are those after the sampler's clipping, `x0 y0 x1 y1` and a class
from 1); `gaussian_radius/*` (sides `hw` in cells, radii by overlap) and `draw_gaussian/*` (a number, the
center, the radius and the divisor of the diameter are in the name); `tensorflow_radius/*`, the radii of the
TensorFlow API (`distance`) by overlap.

`losses.npz` and `losses.json`: `units/<case>/stack<i>/*`, head maps and embeddings and offsets at the objects, each
with its gradient `*/grad`, and the targets; `hg104/<mode>/stack<i>/*`, embeddings and offsets at the objects of the
network's own outputs. The JSON has the losses, by case: `total` and its weighted parts, and `parts`, unweighted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
OBJECTS = 12  # slots of an image that hold objects, at most; the reference has 128
MODES = ("bn_eval", "bn_train")


def main(folder: Path, points: Path) -> None:
    units, hg104 = (np.load(folder / f"{name}.npz") for name in ("units", "outputs/hg104_train255"))
    facts = json.loads((folder / "units.json").read_text())
    modes = json.loads((folder / "outputs/hg104_train255.json").read_text())["modes"]

    drawn = {name: units[name] for name in units if name.startswith(("gaussian_radius/", "draw_gaussian/"))}
    with np.load(points / "units.npz") as found:
        radii = {name: found[name] for name in found if name.startswith("gaussian/") and "sigma" not in name}
    drawn |= {name.replace("gaussian/iou_", "tensorflow_radius/"): value for name, value in radii.items()}
    samples = {"units": {name.removeprefix("targets/"): units[name] for name in units if name.startswith("targets/")}}
    samples["hg104"] = {name: hg104[name] for name in hg104}
    for sample, boxes in (("units", "boxes{}_clipped"), ("hg104", "boxes{}")):
        drawn |= {f"{sample}/boxes{image}": samples[sample][boxes.format(image)] for image in range(2)}
        drawn |= {f"{sample}/{name}": value for name, value in targets(samples[sample]).items()}
    np.savez_compressed(HERE / "targets.npz", **drawn)

    arrays = {f"units/{name.removeprefix('loss/')}": units[name] for name in units if name.startswith("loss/")}
    arrays |= {f"hg104/{name}": hg104[name] for name in hg104 if name.startswith(MODES) and "@" not in name}
    np.savez_compressed(HERE / "losses.npz", **arrays)
    losses: dict[str, Any] = {
        f"units/{name.removeprefix('loss/')}": without_gradients(fact)
        for name, fact in facts.items()
        if name.startswith("loss/")
    }
    losses |= {f"hg104/{mode}": without_gradients(modes[f"{mode}/float32"]) for mode in MODES}
    (HERE / "losses.json").write_text(json.dumps(losses, indent=1) + "\n")


def targets(sample: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Heatmaps as they are, and the slots of the rest that may hold objects."""
    maps = {name: value for name, value in sample.items() if name.endswith("_heatmaps") and "/" not in name}
    slots = {name: sample[name][:, :OBJECTS] for name in sample if name.endswith(("_tags", "_regrs", "_masks"))}
    return maps | slots


def without_gradients(fact: dict[str, Any]) -> dict[str, Any]:
    names = ("total", "focal", "pull", "push", "regr", "parts")
    return {name: fact[name] for name in names if name in fact}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
