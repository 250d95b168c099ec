"""Stand-in weights: each tensor follows from its name and shape alone, on every machine.

The reference's outputs were computed with these numbers, so their arithmetic must not change: they are
held to checksums by `tests/test_goldens.py`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

PRIOR = -2.19  # bias of every heatmap
MOBILENET_EXPANSION = 6


class Tensor(NamedTuple):
    """What the rules look at.

    `name` is the path in a training checkpoint (`model/...`), `leaf` its last part; `head` is the head's name
    and `last` whether it is the head's last layer (`head` is empty outside the heads).
    """

    name: str
    leaf: str
    shape: tuple[int, ...]
    head: str
    last: bool

    @property
    def heatmap(self) -> bool:
        return self.head == "object_center" or self.head.endswith("heatmap")


def describe(name: str, shape: tuple[int, ...]) -> Tensor:
    found = re.search(r"_prediction_head_dict/([^/]+)/\d+/layer_with_weights-(\d+)/", name)
    head, layer = (found[1].replace(".S", "/"), found[2]) if found else ("", "")
    return Tensor(name, name.rpartition("/")[2], shape, head, layer == "1")


def seeded_tensor(name: str, shape: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """The value of a variable of the checkpoint.

    Args:
        name: Its path in a training checkpoint, without `/.ATTRIBUTES/VARIABLE_VALUE`.
        shape: Its shape.
        dtype: Its type; integers (counters) are 1.

    Returns:
        The tensor.
    """
    shape = tuple(shape)
    if np.issubdtype(dtype, np.integer):
        return np.ones(shape, dtype)
    tensor = describe(name, shape)
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    return DRAW[tensor.leaf](tensor, rng).astype(dtype)


def draw_kernel(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    """Normal, with the spread that keeps activations of order 1."""
    inputs = 2 if tensor.leaf == "depthwise_kernel" else -1
    spread = np.sqrt(gain(tensor) / int(np.prod(tensor.shape[:inputs])))
    values = rng.standard_normal(tensor.shape) * spread
    if tensor.head and tensor.leaf == "kernel" and tensor.shape[:2] == (1, 1):
        values = values - values.mean(axis=2, keepdims=True)
        if tensor.head == "object_center":
            values[..., 0] *= 0.8
    return values


def draw_gamma(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    values = 0.6 + 0.6 * rng.random(tensor.shape)
    # The second normalization of a residual block of the hourglass: a small one keeps both stacks bounded.
    residual = r"(encoder_block[12]|decoder_block|inner_block|intermediate_residual)/\d+|residual_block"
    return values * 0.3 if re.search(rf"/({residual})/norm/gamma$", tensor.name) else values


def draw_bias(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    values = 0.1 * rng.standard_normal(tensor.shape)
    if not tensor.last:
        return values
    if tensor.heatmap:
        values = values + PRIOR
        if tensor.head == "object_center":
            values[0] += 2.0  # many objects of the first class, the one with keypoints
        return values
    return values + (8.0 if tensor.head == "box/scale" else 0.5 if tensor.head.endswith("offset") else 0.0)


def draw_small(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    return 0.1 * rng.standard_normal(tensor.shape)


def draw_variance(tensor: Tensor, rng: np.random.Generator) -> np.ndarray:
    return 0.6 + 0.8 * rng.random(tensor.shape)


DRAW: dict[str, Callable[[Tensor, np.random.Generator], np.ndarray]] = {
    "kernel": draw_kernel,
    "depthwise_kernel": draw_kernel,
    "pointwise_kernel": draw_kernel,
    "gamma": draw_gamma,
    "beta": draw_small,
    "moving_mean": draw_small,
    "moving_variance": draw_variance,
    "bias": draw_bias,
}


def gain(tensor: Tensor) -> float:
    """Variance of a kernel's values, times its number of inputs."""
    if tensor.head:
        return head_gain(tensor)
    if "/_base_model/" in tensor.name:
        expansion = tensor.shape[:2] == (1, 1) and tensor.shape[3:] == (MOBILENET_EXPANSION * tensor.shape[2],)
        return 2.0 if tensor.leaf == "depthwise_kernel" or expansion else 1.0
    if "/_feature_extractor_model/" in tensor.name:
        return neck_gain(tensor)
    hourglass_output = re.search(r"/output_conv/([01])/conv/kernel$", tensor.name)
    return {"0": 0.5, "1": 0.2}[hourglass_output[1]] if hourglass_output else 2.0


def head_gain(tensor: Tensor) -> float:
    if not tensor.last:
        return 1.0 if tensor.leaf == "depthwise_kernel" else 2.0
    by_ending = {"object_center": 0.7, "heatmap": 3.0, "regression": 6.0, "box/scale": 3.0}
    return next((value for ending, value in by_ending.items() if tensor.head.endswith(ending)), 0.1)


def neck_gain(tensor: Tensor) -> float:
    height, width, inputs, outputs = tensor.shape
    if tensor.leaf == "depthwise_kernel":
        return 1.0
    if (height, width) == (1, 1):
        if inputs in (256, 512, 1024, 2048):  # the trunk of ResNet v1 is loud
            return 1e-4
        return 3.0 if tensor.leaf == "pointwise_kernel" else 1.0
    return 20.0 if inputs == 2048 else 8.0 if inputs == outputs else 2.0
