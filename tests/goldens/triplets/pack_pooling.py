"""Writes `pooling.npz` and `pooling.json` beside it from what the reference of Keypoint Triplets computed.

`python pack_pooling.py FOLDER`: FOLDER holds `units.*`, `units_modules.npz`, `manifests/` and the module `weights`
with which the reference's weights were made. The reference is CenterNet at its commit 3ad3a10 with its pooling
extension built for the CPU.

- `pool/<case>/…`: input x, gradient g of the output; for each direction the output y and the gradient gx of the
  input. `_ties` cases have few different values. Arrays are (batch, channels, height, width).
- `module/<case>/…`: the same for the modules with their normalizations in inference mode: cascade corner pooling
  top-left (tl) and bottom-right (br), center pooling (ct); weights by `seeded.py`, with the keys of the first
  stack. y and gx are every 4th channel. `norms` are L2 norms of the gradients of the weights.
- `shapes`: key → shape of the modules' weights. `stand_ins`: key → shape and CRC-32 of a tensor, of every kind.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CASES = ("0", "1", "2")
STRIDE = 4
BRANCHES = ("tl", "br", "ct")
KINDS = {
    "centernet_triplet_hg52": (
        *("pre.0.conv.weight", "pre.0.bn.num_batches_tracked", "pre.1.bn2.weight", "cnvs.0.conv.weight"),
        *("tl_cnvs.0.p_conv1.weight", "br_cnvs.0.look_conv1.bn.running_var", "ct_cnvs.0.bn1.running_mean"),
        *("tl_heats.0.1.weight", "br_heats.0.1.bias", "tl_tags.0.1.weight", "br_tags.0.1.bias"),
        *("ct_regrs.0.1.weight", "ct_regrs.0.1.bias"),
    ),
    "centernet_triplet_hg104": ("inters_.0.0.weight", "cnvs_.0.0.weight"),
    "objects_as_points_hg": ("hm.0.1.weight", "hm.0.1.bias", "wh.0.1.weight", "wh.0.1.bias"),
    "objects_as_points_resdcn18": ("hm.2.weight", "reg.2.bias", "deconv_layers.0.conv_offset_mask.weight"),
}


def main(folder: Path) -> None:
    arrays = {name: value for name, value in np.load(folder / "units.npz").items() if name.startswith("pool/")}
    for name, value in np.load(folder / "units_modules.npz").items():
        if name.startswith(tuple(f"module/{case}/" for case in CASES)):
            arrays[name] = value if name.endswith(("/x", "/g")) else value[:, ::STRIDE]
    np.savez_compressed(HERE / "pooling.npz", **arrays)
    units = json.loads((folder / "units.json").read_text())
    norms = {
        f"{case}/{branch}": units[f"module/{case}/{branch}/param_grad_l2"] for case in CASES for branch in BRANCHES
    }
    own = tuple(f"{branch}_cnvs.0." for branch in BRANCHES)
    shapes = {key: shape for key, shape in manifest(folder, "centernet_triplet_hg52").items() if key.startswith(own)}
    facts = {"norms": norms, "shapes": shapes, "stand_ins": stand_ins(folder)}
    (HERE / "pooling.json").write_text(json.dumps(facts, separators=(",", ":")) + "\n")


def manifest(folder: Path, network: str) -> dict[str, list[int]]:
    rows = json.loads((folder / "manifests" / f"{network}.json").read_text())
    return {row["key"].removeprefix("module."): row["shape"] for row in rows}


def stand_ins(folder: Path) -> dict[str, tuple[list[int], int]]:
    sys.path.insert(0, str(folder))
    from weights import seeded_tensor

    shapes = [(key, manifest(folder, network)[key]) for network, keys in KINDS.items() for key in keys]
    return {key: (shape, zlib.crc32(seeded_tensor(key, shape).tobytes())) for key, shape in shapes}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
