"""Writes `training.npz` and `training.json` from the folder in which the reference's numbers were collected.

`python pack_training.py FOLDER`: FOLDER holds `outputs/` and `units.*`. Boxes are `y0 x0 y1 x1`, keypoints `y x`, both
as fractions of the padded input; NaN is a keypoint that nobody labeled. `../point_training.py` reads the files.

`training.npz`: `targets/*` and `kp_targets/*`, what the reference's target assigners made of two images (inputs, center
heatmap, boxes; keypoints with `perkp_r3` and `perkp_r1`, offsets of each keypoint asked within 3 cells or 1, and
`shared_r0`, of the keypoint's cell only); `losses/*`, its focal and L1 losses, value by value; `valid_weights/*`,
where heatmaps count by the image's size; `published_2020_07/*`, what differs in the code of the published models;
`loss_input/*`, the boxes, weights, classes (`class_ids/<number>`, for so many classes; -1 is padding) and keypoints
that the losses of the models belong to: of a batch of the canvas of 128×128 and its mirror image.

`training.json`: per model the loss on the canvas alone (`loss_batch1`) and on both (`loss_batch2`), by head, weighted;
`published_` is what the code that exported the model makes of it. Normalizations were in inference mode.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
UNITS = ("targets/", "kp_targets/", "losses/", "valid_weights/")
PUBLISHED = "published_2020_07/"


def main(folder: Path) -> None:
    with np.load(folder / "units.npz") as found:
        wanted = (*UNITS, *(f"{PUBLISHED}{unit}" for unit in UNITS))
        arrays = {name: found[name] for name in found.files if name.startswith(wanted)}
    losses = {}
    for path in sorted((folder / "outputs").glob("*.npz")):
        with np.load(path) as found:
            losses[path.stem] = {name: float(found[name]) for name in found.files if "loss_batch" in name}
            inputs = {name: found[name] for name in found.files if name.startswith("loss_input/")}
            classes = found["heads_mean_std/object_center/0"].shape[1]
        inputs[f"loss_input/class_ids/{classes}"] = inputs.pop("loss_input/class_ids")
        for name, value in inputs.items():
            np.testing.assert_array_equal(arrays.setdefault(name, value), value)
    np.savez_compressed(HERE / "training.npz", **arrays)
    (HERE / "training.json").write_text(json.dumps(losses, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
