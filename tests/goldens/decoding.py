"""What the reference of Keypoint Triplets decoded from its own head maps, read from `triplets/`."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
NETWORKS = ("hg52", "hg104")
# Our head maps → the reference's.
MAPS = {
    f"{ours}{ending}": f"{theirs}_{kind}"
    for ours, theirs in (("top_left", "tl"), ("bottom_right", "br"), ("center", "ct"))
    for ending, kind in (("", "heat"), ("_embedding", "tag"), ("_offset", "regr"))
    if (ours, kind) != ("center", "tag")
}
SHAPE = (80, 32, 32)  # of a heatmap
FLOOR = -20.0  # logit of what is too low to be a peak
CLASS_STEP = 4  # of the heatmaps in `raw`


@cache
def decoding() -> dict[str, np.ndarray]:
    """Name → array; `triplets/pack_decoding.py` says what they are."""
    with np.load(FOLDER / "triplets" / "decode.npz") as found:
        return dict(found)


def last_maps(network: str) -> dict[str, np.ndarray]:
    """Our head name → map of the last stack, `(1, 32, 32, channels)`."""
    return {ours: np.moveaxis(_map(f"{network}/maps/{theirs}"), 0, -1)[None] for ours, theirs in MAPS.items()}


def raw_maps() -> dict[str, np.ndarray]:
    """Our head name → raw map of the small network, `(1, 32, 32, channels)`, of heatmaps every `CLASS_STEP`th class."""
    return {ours: np.moveaxis(decoding()[f"hg52/raw/{theirs}"], 1, -1) for ours, theirs in MAPS.items()}


@cache
def manifest(network: str) -> dict[str, list[int]]:
    """Key → shape of a network's state dict."""
    return json.loads(gzip.decompress((FOLDER / "pytorch" / "manifests.json.gz").read_bytes()))[network]


def _map(name: str) -> np.ndarray:
    arrays = decoding()
    if name in arrays:
        return arrays[name]
    dense = np.full(SHAPE, FLOOR, np.float32)
    dense.ravel()[arrays[f"{name}/cells"]] = arrays[f"{name}/logits"]
    return dense
