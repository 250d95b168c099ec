"""What Zhou's implementation of Objects as Points computed, read from `pytorch/points.npz`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from goldens.decoding import decoding
from goldens.pytorch.pack_points import CELL_STEP, CLASS_STEP, CLASSES, DEMO, PIXEL_STEP

__all__ = [
    "CELL_STEP",
    "CLASSES",
    "CLASS_STEP",
    "DEMO",
    "HEADS",
    "PIXEL_STEP",
    "arrays",
    "as_ours",
    "group",
    "network_input",
]

# Our head maps → the reference's.
HEADS = {
    "heatmap": "hm",
    "size": "wh",
    "offset": "reg",
    "keypoint_heatmap": "hm_hp",
    "keypoint_regression": "hps",
    "keypoint_offset": "hp_offset",
}
PAIRS = ("wh", "reg", "hps", "hp_offset")  # x y there, y x here


@cache
def arrays() -> dict[str, np.ndarray]:
    """Name → array; `pytorch/pack_points.py` says what they are."""
    with np.load(Path(__file__).parent / "pytorch" / "points.npz") as found:
        return dict(found)


def group(prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in arrays().items() if name.startswith(prefix)}


def as_ours(head: str, maps: np.ndarray) -> np.ndarray:
    """A map of the reference `(batch, channels, height, width)` as ours: channels last, y before x."""
    maps = np.moveaxis(maps, 1, -1)
    return maps[..., np.arange(maps.shape[-1]) ^ 1] if head in PAIRS else maps


def network_input() -> np.ndarray:
    """The input of the raw head maps, `(1, 128, 128, 3)`."""
    return np.ascontiguousarray(np.moveaxis(decoding()["hg52/x"], 1, -1))
