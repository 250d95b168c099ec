"""Writes `points.npz` beside it from what Zhou's implementation of Objects as Points computed.

`python pack_points.py FOLDER`: FOLDER holds `outputs/` and `units_objects_as_points.*`. The reference is CenterNet at
its commit 4c50fd3. Arrays are channels first, as there; what is left out of them is left out to be small.

- `<network>/stack<n>/<head>`: raw head maps with stand-in weights (`../triplets/seeded.py`) on the input `hg52/x` of
  `../triplets/decode.npz`; of 80 classes every `CLASS_STEP`th, of maps with a channel a keypoint every `CELL_STEP`th
  row and column.
- `pre_process/<case>/<part>`: the network's input for the image of `../triplets/canvas.npz`, its original size kept;
  `image` is every `PIXEL_STEP`th row and column. Mean and standard deviation were those of the demo, `DEMO` below.
- `ctdet_decode/*`, `multi_pose_decode/*`: probabilities and other heads, and what was decoded from them in cells:
  `dets` (x0 y0 x1 y1, score, class), `full` (x0 y0 x1 y1, score, x y of 17 keypoints, class).
- `flip/in34`, `flip/flip_lr_off`: vectors to keypoints, and the same in the mirror.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CLASSES, CLASS_STEP = 80, 8
CELL_STEP = 2
PIXEL_STEP = 8
STORED_PIXEL_STEP = 4  # of FOLDER
DEMO = {"mean": (0.408, 0.447, 0.470), "std": (0.289, 0.274, 0.278)}
CASES = ("keep_hg", "keep_res", "keep_hg_0.75")
UNITS = (
    *(f"ctdet_decode/plain/{name}" for name in ("heat", "wh", "reg", "dets")),
    *(f"multi_pose_decode/{name}" for name in ("heat", "wh", "hps", "reg", "hm_hp", "hp_offset", "full")),
    "flip/in34",
    "flip/flip_lr_off",
)


def main(folder: Path) -> None:
    with np.load(folder / "outputs" / "objects_as_points_raw128.npz") as found:
        packed = {name.partition("@")[0]: smaller(name, found[name]) for name in found}
    with np.load(folder / "units_objects_as_points.npz") as units:
        packed |= {name: units[name] for name in UNITS}
        for case in CASES:
            step = PIXEL_STEP // STORED_PIXEL_STEP
            packed[f"pre_process/{case}/image"] = units[f"pre_process/{case}/image@s4"][:, :, ::step, ::step]
            packed[f"pre_process/{case}/shape"] = units[f"pre_process/{case}/shape"]
    np.savez_compressed(HERE / "points.npz", **packed)


def smaller(name: str, maps: np.ndarray) -> np.ndarray:
    if name.endswith("/hps") or name.endswith("/hm_hp"):
        return maps[:, :, ::CELL_STEP, ::CELL_STEP]
    return maps[:, ::CLASS_STEP] if maps.shape[1] == CLASSES else maps


if __name__ == "__main__":
    main(Path(sys.argv[1]))
