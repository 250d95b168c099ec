"""What the reference of Keypoint Triplets computed with its large network, read from `triplets/`."""

from __future__ import annotations

import gzip
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
from goldens.decoding import MAPS

TRIPLETS = Path(__file__).parent / "triplets"
STACKS = 2
CLASS_STEP = 16  # of the heatmaps in `raw`
# Modules of the reference in the order in which they are passed → our layers.
LAYERS = {
    "pre.0": "stem_relu",
    "pre": "stem_residual_relu",
    "kps.0.up1": "stack0_level0_skip_1_relu",
    "kps.0.low1": "stack0_level0_down_1_relu",
    "kps.0.low2.low2.low2.low2.low2": "stack0_level5_3_relu",
    "kps.0.low2.low2.low2.low2": "stack0_level4_add",
    "kps.0.low2": "stack0_level1_add",
    "kps.0.low3": "stack0_level0_up_1_relu",
    "kps.0.up2": "stack0_level0_upsample",
    "kps.0": "stack0_level0_add",
    "cnvs.0": "stack0_out_relu",
    "inters_.0": "merge0_in_bn",
    "cnvs_.0": "merge0_out_bn",
    "inters.0": "merge0_residual_relu",
    "kps.1": "stack1_level0_add",
    "cnvs.1": "stack1_out_relu",
    **{
        f"{theirs}_cnvs.{stack}": f"{ours}_{stack}_pooling"
        for stack in range(STACKS)
        for ours, theirs in (("top_left", "tl"), ("bottom_right", "br"), ("center", "ct"))
    },
}
MEAN = (0.40789654, 0.44719302, 0.47026115)  # of the reference's input, BGR, 0–1
DEVIATION = (0.28863828, 0.27408164, 0.27809835)


def raw_maps() -> dict[str, list[np.ndarray]]:
    """Our head name → for each stack the raw map `(1, 32, 32, channels)`, of heatmaps every `CLASS_STEP`th class."""
    return {ours: [_last(f"raw/stack{stack}/{theirs}") for stack in range(STACKS)] for ours, theirs in MAPS.items()}


def features() -> dict[str, tuple[np.ndarray, int, int]]:
    """Our layer → some channels and cells of its output, and their steps; from the input to the heads."""
    found = {}
    for module, layer in LAYERS.items():
        (name,) = (name for name in arrays() if name.startswith(f"features/{module}@"))
        channels, cells = map(int, re.fullmatch(r".*@c(\d+)s(\d+)", name).groups())
        found[layer] = _last(name), channels, cells
    return found


def training_input() -> np.ndarray:
    """The batch that the reference trained on, normalized, float32 `(2, 255, 255, 3)`."""
    return np.float32((_last("training/image") / 255 - MEAN) / DEVIATION)


@cache
def norms() -> dict[str, dict[str, float]]:
    """`gradient_norms` and `moving_norms` by key; `triplets/pack_network.py` says what they are."""
    return json.loads(gzip.decompress((TRIPLETS / "network.json.gz").read_bytes()))


@cache
def arrays() -> dict[str, np.ndarray]:
    """Name → array; `triplets/pack_network.py` says what they are."""
    with np.load(TRIPLETS / "network.npz") as found:
        return dict(found)


def _last(name: str) -> np.ndarray:
    """An array with its channels last."""
    return np.ascontiguousarray(np.moveaxis(arrays()[name], 1, -1))
