"""What the reference of Keypoint Triplets computed after decoding, read from `triplets/`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

TRIPLETS = Path(__file__).parent / "triplets"
CHAINS = ("synth_chain_single", "hg52_chain_single", "hg104_chain_single", "hg104_chain_multi")


@cache
def arrays(file: str) -> dict[str, np.ndarray]:
    """Name → array of `nms`, `canvas` or `chains`; `triplets/pack_merging.py` says what they are."""
    with np.load(TRIPLETS / f"{file}.npz") as found:
        return dict(found)


def group(file: str, prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in arrays(file).items() if name.startswith(prefix)}


def scales(chain: str) -> list[float]:
    """The scales of a chain, in the reference's order."""
    return [0.6, 1, 1.2, 1.5, 1.8] if chain.endswith("multi") else [1]


def image_size(chain: str) -> tuple[int, int]:
    """Height and width of a chain's image."""
    return (480, 640) if chain.startswith("synth") else (200, 380)
