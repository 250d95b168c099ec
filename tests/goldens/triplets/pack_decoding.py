"""Writes `decode.npz` beside it from what the reference of Keypoint Triplets computed.

`python pack_decoding.py FOLDER`: FOLDER holds `outputs/`. The reference is CenterNet at its commit 3ad3a10 with
stand-in weights (`seeded.py`), on 128×128 pixels of the image in `canvas.npz`, normalized.

- `<network>/maps/<map>`: head maps of the last stack, channels first, from which the others were decoded. Heatmaps
  are sparse, as `cells` (numbers in the flattened map) and `logits`: what lies further than `MARGIN` below the last
  of the 70 peaks can't become one, and `../decoding.py` sets it to `FLOOR`.
- `<network>/dets`: the valid pairs, x0 y0 x1 y1 in cells, score, scores of both corners, class. `<network>/center`:
  x y in cells, class, score.
- `hg52/x`: the input. `hg52/raw/<map>`: raw head maps, of heatmaps every 4th class.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
LAST = {"hg52": "stack0", "hg104": "stack1"}
MARGIN = 0.5
STRIDE = 4


def main(folder: Path) -> None:
    packed = {}
    for network, stack in LAST.items():
        found = dict(np.load(folder / "outputs" / f"{network}_raw128.npz"))
        dets = found["dets"][0]
        packed |= {f"{network}/dets": dets[dets[:, 4] > -1], f"{network}/center": found["center"][0]}
        maps = {name.partition("/")[2]: value[0] for name, value in found.items() if name.startswith(f"{stack}/")}
        for name, value in maps.items():
            packed |= {f"{network}/maps/{part}": array for part, array in sparse(name, value, found).items()}
    x = np.load(folder / "outputs" / "hg52_raw128.npz")
    packed["hg52/x"] = x["x"]
    for name in x:
        if name.startswith("stack0/"):
            packed[f"hg52/raw/{name.partition('/')[2]}"] = x[name][:, ::STRIDE] if "heat" in name else x[name]
    np.savez_compressed(HERE / "decode.npz", **packed)


def sparse(name: str, value: np.ndarray, found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if "heat" not in name:
        return {name: value}
    last = float(found[f"topk_{name[:2]}_scores"].min())
    cells = np.flatnonzero(value > np.log(last / (1 - last)) - MARGIN)
    return {f"{name}/cells": cells.astype(np.int32), f"{name}/logits": value.ravel()[cells]}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
