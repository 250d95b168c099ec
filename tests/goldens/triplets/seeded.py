"""Stand-in weights of the PyTorch networks: each tensor follows from its key and shape alone.

The reference's outputs were computed with these numbers, so their arithmetic must not change: it is held to
checksums by `tests/triplets/test_stand_ins.py`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

import numpy as np

PRIOR = -2.19  # around which the biases of heatmaps lie
STEPS = 480_000  # what every counter of batches says

# The last convolution of a head: its kind, by key. `\.\d+\.1\.` are stacks, `\.2\.` networks without.
LAST = {
    "heatmap": r"(tl|br|ct)_heats\.\d+\.1\.|hm(_hp)?\.(\d+\.1|2)\.",
    "embedding": r"(tl|br)_tags\.\d+\.1\.",
    "offset": r"(tl|br|ct)_regrs\.\d+\.1\.|(reg|hp_offset)\.(\d+\.1|2)\.",
    "size": r"(wh|hps)\.(\d+\.1|2)\.",
}
# Spread of kernels, of which features of order 1 stay of order 1, and exceptions from it.
GAINS = {"heatmap": 0.2, "embedding": 0.12, "offset": 0.2, "size": 0.5}
QUIET = r"^((cnvs|inters_|cnvs_)\.\d+\.|(tl|br|ct)_cnvs\.\d+\.p_conv1\.)|\.conv_offset_mask\."
QUIET_GAIN = 0.3
BIASES = {"heatmap": (PRIOR, 2.0), "offset": (0.5, 0.1), "size": (6.0, 0.1)}


def stand_in(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of a key of a state dict.

    Args:
        key: With or without `module.` in front.
        shape: PyTorch's, `(outputs, inputs, height, width)` for a convolution.

    Returns:
        float32, or int64 for a counter.
    """
    key, shape = key.removeprefix("module."), tuple(shape)
    leaf = key.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        return np.full(shape, STEPS, np.int64)
    kind = next((kind for kind, pattern in LAST.items() if re.match(pattern, key)), "")
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(_seed(key, kind, leaf).encode())))
    if leaf == "weight" and len(shape) > 1:
        return _kernel(key, kind, shape, rng)
    return VECTORS[leaf](key, kind, shape, rng)


def _seed(key: str, kind: str, leaf: str) -> str:
    """The three heatmaps have one bias a class, so that corners and centers are found together."""
    return re.sub("^(tl|br|ct)_heats", "xx_heats", key) if (kind, leaf) == ("heatmap", "bias") else key


def _normal(rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(spread)


def _between(rng: np.random.Generator, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
    return np.float32(low) + rng.random(shape, dtype=np.float32) * np.float32(high - low)


def _kernel(key: str, kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    gain = GAINS.get(kind, QUIET_GAIN if re.search(QUIET, key) else 1.0)
    kernel = _normal(rng, shape, np.sqrt(2.0 / max(1, int(np.prod(shape[1:])))) * gain)
    if kind:  # so that a head sees the pattern of its features, which are all positive, and not their level
        kernel -= kernel.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64).astype(np.float32)
    return kernel


def _bias(_: str, kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if kind not in BIASES:
        return _normal(rng, shape, 0.1)
    center, spread = BIASES[kind]
    return np.float32(center) + _normal(rng, shape, spread)


def _scale(key: str, _: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    scale = _between(rng, shape, 0.6, 1.2)
    ends_residual = re.search(r"\.bn[23]\.weight$", key)
    return scale * np.float32(0.3) if ends_residual else scale


VECTORS: dict[str, Callable[..., np.ndarray]] = {
    "weight": _scale,
    "bias": _bias,
    "running_mean": lambda key, kind, shape, rng: _normal(rng, shape, 0.1),
    "running_var": lambda key, kind, shape, rng: _between(rng, shape, 0.6, 1.4),
}
