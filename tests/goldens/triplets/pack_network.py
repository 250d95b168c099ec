"""Writes `network.npz` and `network.json.gz` beside it from what the reference of Keypoint Triplets computed.

`python pack_network.py FOLDER`: FOLDER holds `outputs/`. The reference is CenterNet-104 at commit 3ad3a10 with stand-in
weights (`seeded.py`).

- `raw/stack<i>/<map>`: raw head maps of both stacks on `hg52/x` of `decode.npz`, of heatmaps every 16th class.
- `features/<module>@c<n>s<m>`: outputs of modules on the way there, every nth channel and mth cell.
- `training/image`: two images of 255×255, uint8 BGR, channels first; their boxes are `hg104/boxes<i>` of `targets.npz`.
- The JSON holds, of that batch with batch normalization in training mode, in float64: `gradient_norms`, key → L2 norm
  of the gradient of the total loss; `moving_norms`, key → L2 norm of moving averages after one forward pass. The
  losses are `hg104/bn_train` of `losses.json`.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CLASS_STEP = 16
FEATURE_STEP = 4  # of the channels that were stored


def main(folder: Path) -> None:
    raw, features, training = (
        np.load(folder / "outputs" / f"hg104_{name}.npz") for name in ("raw128", "features128", "train255")
    )
    packed = {"training/image": training["image_uint8"]}
    for name in raw:
        if name.startswith("stack"):
            stored = 4 if name.endswith("@c4") else 1
            step = CLASS_STEP // stored if "heat" in name else 1
            packed[f"raw/{name.partition('@')[0]}"] = raw[name][:, ::step]
    for name in features:
        module, _, steps = name.partition("@c")
        channels, _, cells = steps.partition("s")
        # The insides of the pooling modules have numbers of their own.
        if module.partition(".")[0][2:] != "_cnvs" or module.count(".") == 1:
            packed[f"features/{module}@c{int(channels) * FEATURE_STEP}s{cells}"] = features[name][:, ::FEATURE_STEP]
    np.savez_compressed(HERE / "network.npz", **packed)
    facts = json.loads((folder / "outputs" / "hg104_train255.json").read_text())["modes"]["bn_train/float64"]
    norms = {"gradient_norms": facts["grad_l2"], "moving_norms": facts["running_l2_after_one_forward"]}
    text = json.dumps(norms, separators=(",", ":")).encode()
    (HERE / "network.json.gz").write_bytes(gzip.compress(text, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
