"""The names of both PyTorch reference implementations' tensors, for each of our layers.

One table an architecture: a layer of ours on one side, the module whose tensors it takes on the other. The
hourglass is the same in both (Duan's Keypoint Triplets and Zhou's Objects as Points); the ResNets with transposed
convolutions and the heads here are Zhou's. The references count x, y; our heads count y, x.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

Shape = tuple[int, ...]

# Ours → the reference's, for the variables of convolutions and of batch normalization.
VARIABLES: Mapping[str, str] = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# (out, in, height, width) → (height, width, in, out), and of a transposed convolution
# (in, out, height, width) → (height, width, out, in).
KERNEL_AXES = (2, 3, 1, 0)
POINT_HEADS: Mapping[str, str] = {
    "heatmap": "hm",
    "size": "wh",
    "offset": "reg",
    "keypoint_heatmap": "hm_hp",
    "keypoint_regression": "hps",
    "keypoint_offset": "hp_offset",
}
COORDINATE_HEADS = ("size", "offset", "keypoint_regression", "keypoint_offset")
# One offset for all keypoints in the reference, one for each in ours.
SHARED_HEADS = ("keypoint_offset",)

_RESIDUAL = {
    "1_conv": "conv1",
    "1_bn": "bn1",
    "2_conv": "conv2",
    "2_bn": "bn2",
    "skip_conv": "skip.0",
    "skip_bn": "skip.1",
}
_BRANCHES = {"skip": "up1.", "down": "low1.", "up": "low3.", None: ""}
_MERGES = {"in": "inters_", "out": "cnvs_"}
_PLACES = {"conv": "0", "bn": "1"}


@dataclass(frozen=True)
class Source:
    """Where the value of a variable is, and how it gets our layout.

    Attributes:
        key: Key in the state dict, without `module.`.
        pairs: Output channels of ours if they are y, x pairs, which the reference has as x, y; else 0.
        shared: Whether the reference may have one pair for all of ours.
    """

    key: str
    pairs: int = 0
    shared: bool = False

    def shape(self, stored: Shape) -> Shape:
        """The shape that a tensor of this shape in the file has in our layout."""
        shape = tuple(stored[axis] for axis in KERNEL_AXES) if len(stored) == len(KERNEL_AXES) else stored
        return (*shape[:-1], self.pairs) if shape and self._fits(shape[-1]) else shape

    def array(self, stored: np.ndarray) -> np.ndarray:
        """The tensor of the file in our layout."""
        array = stored.transpose(KERNEL_AXES) if stored.ndim == len(KERNEL_AXES) else stored
        if not (array.ndim and self._fits(array.shape[-1])):
            return array
        return array[..., [(channel ^ 1) % array.shape[-1] for channel in range(self.pairs)]]

    def _fits(self, channels: int) -> bool:
        return self.pairs > 0 and (channels == self.pairs or (self.shared and channels == 2))


def layer_source(layer: str, variable: str) -> Source:
    """Where a variable of a backbone's layer is in a file of either reference.

    Args:
        layer: Name of a layer of `Hourglass`, or of a ResNet with transposed convolutions (named as those of
            keras.applications and `up1_deconv`, `up1_deconv_bn`).
        variable: A key of `VARIABLES`.

    Returns:
        Its source.

    Raises:
        KeyError: If there is no such layer in the references.
    """
    return Source(f"{layer_module(layer)}.{VARIABLES[variable]}")


def head_source(layer: str, variable: str, channels: int, *, hourglass: bool) -> Source:
    """Where a variable of a head of Objects as Points is.

    Args:
        layer: `{head}_{stack}_hidden` or `{head}_{stack}`, with a key of `POINT_HEADS`.
        variable: `kernel` or `bias`.
        channels: Our layer's output channels.
        hourglass: Whether the backbone is an hourglass; the reference names the heads of the others differently.

    Returns:
        Its source.

    Raises:
        KeyError: If the references have no such head.
    """
    match = re.fullmatch(r"(\w+)_(\d+)(_hidden)?", layer)
    if not match or match[1] not in POINT_HEADS:
        raise KeyError(layer)
    head, stack, hidden = match.groups()
    if hourglass:
        module = f"{POINT_HEADS[head]}.{stack}.{'0.conv' if hidden else '1'}"
    else:
        module = f"{POINT_HEADS[head]}.{0 if hidden else 2}"
    key = f"{module}.{VARIABLES[variable]}"
    if hidden or head not in COORDINATE_HEADS:
        return Source(key)
    return Source(key, pairs=channels, shared=head in SHARED_HEADS)


def layer_module(layer: str) -> str:
    """The module of the references that a backbone's layer takes its tensors from.

    Args:
        layer: As in `layer_source`.

    Returns:
        Path of the module, such as `kps.0.low2.up1.0.conv1`.

    Raises:
        KeyError: If there is none.
    """
    module = _hourglass_stem(layer) or _hourglass_stack(layer) or _resnet(layer)
    if module is None:
        raise KeyError(layer)
    return module


def _hourglass_stem(layer: str) -> str | None:
    if match := re.fullmatch(r"stem_(conv|bn)", layer):
        return f"pre.0.{match[1]}"
    if match := re.fullmatch(r"stem_residual_(\w+)", layer):
        return f"pre.1.{_RESIDUAL[match[1]]}"
    return None


def _hourglass_stack(layer: str) -> str | None:
    if match := re.fullmatch(r"stack(\d+)_level(\d+)_(?:(skip|down|up)_)?(\d+)_(\w+)", layer):
        stack, level, branch, block, part = match.groups()
        return f"kps.{stack}.{'low2.' * int(level)}{_BRANCHES[branch]}{block}.{_RESIDUAL[part]}"
    if match := re.fullmatch(r"stack(\d+)_out_(conv|bn)", layer):
        return f"cnvs.{match[1]}.{match[2]}"
    if match := re.fullmatch(r"merge(\d+)_residual_(\w+)", layer):
        return f"inters.{match[1]}.{_RESIDUAL[match[2]]}"
    if match := re.fullmatch(r"merge(\d+)_(in|out)_(conv|bn)", layer):
        return f"{_MERGES[match[2]]}.{match[1]}.{_PLACES[match[3]]}"
    return None


def _resnet(layer: str) -> str | None:
    if match := re.fullmatch(r"conv1_(conv|bn)", layer):
        return f"{match[1]}1"
    if match := re.fullmatch(r"conv([2-5])_block(\d+)_([0-3])_(conv|bn)", layer):
        stage, block, step, kind = match.groups()
        part = f"{kind}{step}" if step != "0" else f"downsample.{_PLACES[kind]}"
        return f"layer{int(stage) - 1}.{int(block) - 1}.{part}"
    if match := re.fullmatch(r"up([1-3])_deconv(_bn)?", layer):
        return f"deconv_layers.{3 * (int(match[1]) - 1) + (1 if match[2] else 0)}"
    return None
