"""What the reference of Keypoint Triplets computed by pooling, read from `triplets/`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from goldens.triplets.seeded import stand_in

TRIPLETS = Path(__file__).parent / "triplets"
# How Keras calls the parts of a layer's weights → how PyTorch does.
LEAVES = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def cases(prefix: str) -> list[str]:
    """The cases of `pool` or `module`."""
    return sorted({name.split("/")[1] for name in _arrays() if name.startswith(f"{prefix}/")})


def array(name: str) -> np.ndarray:
    """An array, as `(batch, height, width, channels)`."""
    return np.ascontiguousarray(_arrays()[name].transpose(0, 2, 3, 1))


@cache
def facts() -> dict[str, Any]:
    """`norms`, `shapes` and `stand_ins`; `triplets/pack_pooling.py` says what they are."""
    return json.loads((TRIPLETS / "pooling.json").read_text())


def weight(key: str) -> np.ndarray:
    """A weight of a module in the layout of Keras."""
    value = stand_in(key, facts()["shapes"][key])
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value


@cache
def _arrays() -> dict[str, np.ndarray]:
    with np.load(TRIPLETS / "pooling.npz") as found:
        return dict(found)
