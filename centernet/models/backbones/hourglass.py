"""Hourglass networks (Newell 2016; Law and Deng 2018, section 5; Zhou 2019, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any

import keras
from keras import layers

from centernet.errors import ConfigError
from centernet.files.validation import check_at_most
from centernet.models.backbones.build import Backbone, InputShape, check_arguments, finish
from centernet.models.backbones.layers import normalize, padded_conv
from centernet.models.settings import MAX_FILTERS

EPSILON = 1e-5
MAX_STACKS = 32  # also of levels, and of blocks at a level


def Hourglass(  # noqa: N802 - named like a class, as the models of keras.applications are
    stacks: int = 2,
    filters: Sequence[int] = (256, 256, 384, 384, 384, 512),
    blocks: Sequence[int] = (2, 2, 2, 2, 2, 4),
    *,
    stem_filters: int = 128,
    momentum: float = 0.9,
    input_shape: InputShape = (None, None, 3),
    weights: str | None = None,
    name: str = "hourglass",
) -> keras.Model:
    """Stacked hourglasses: down to a small map and back up, with skip connections at every size.

    Height and width of the input must be multiples of `4 * 2 ** (len(filters) - 1)` (128 for the default).

    Args:
        stacks: Number of hourglasses; each refines the previous one.
        filters: Channels at stride 4, 8, 16 and so on; the depth of the hourglass is its length minus one.
        blocks: Residual blocks at each of these sizes.
        stem_filters: Channels of the first, 7×7 convolution.
        momentum: Momentum of the moving averages of batch normalization, in Keras's convention.
        input_shape: `(height, width, 3)`; None for a variable size.
        weights: None, or the path of a `.weights.h5` file saved from such a model.
        name: Name of the model.

    Returns:
        A model from preprocessed images `(batch, height, width, 3)` float32 to a list with one feature map
        `(batch, height / 4, width / 4, filters[0])` per stack.

    Raises:
        ConfigError: If `filters` and `blocks` differ in length, the input size is no such multiple, or the weights
            don't exist.
    """
    if len(filters) != len(blocks) or len(filters) < 2:
        raise ConfigError(
            f"Expected filters and blocks of one length, at least 2. Received: filters={tuple(filters)}, "
            f"blocks={tuple(blocks)}"
        )
    check_at_most("an hourglass", MAX_STACKS, stacks=stacks, blocks=blocks, levels=len(filters))
    check_at_most("an hourglass", MAX_FILTERS, filters=filters, stem_filters=stem_filters)
    stride = 4 * 2 ** (len(filters) - 1)
    check_arguments(input_shape, weights, stride=stride, imagenet=False)
    norm: dict[str, Any] = {"epsilon": EPSILON, "momentum": momentum}
    inputs = keras.Input(input_shape, name="images")
    x = normalize(padded_conv(inputs, stem_filters, 7, 2, name="stem_conv"), "stem", **norm)
    x = _residual(x, filters[0], "stem_residual", norm, strides=2)
    outputs = []
    for stack in range(stacks):
        y = _level(x, list(filters), list(blocks), f"stack{stack}_level", 0, norm)
        y = normalize(padded_conv(y, filters[0], 3, name=f"stack{stack}_out_conv"), f"stack{stack}_out", **norm)
        outputs.append(y)
        if stack < stacks - 1:
            x = _merge(x, y, filters[0], f"merge{stack}", norm)
    return finish(Backbone(inputs, outputs, name=name), weights, stride=stride)


@wraps(Hourglass, assigned=())
def Hourglass104(**options: Any) -> keras.Model:  # noqa: N802
    """Two stacked hourglasses of depth 5 (the backbone of the published CenterNets); see `Hourglass`."""
    return Hourglass(**{"stacks": 2, "name": "hourglass104", **options})


@wraps(Hourglass, assigned=())
def Hourglass52(**options: Any) -> keras.Model:  # noqa: N802
    """One hourglass of depth 5; see `Hourglass`."""
    return Hourglass(**{"stacks": 1, "name": "hourglass52", **options})


def _residual(x: Any, filters: int, prefix: str, norm: dict[str, Any], strides: int = 1) -> Any:
    """Two 3×3 convolutions and a shortcut, which is projected when the size or the width changes."""
    shortcut = x
    if strides != 1 or x.shape[-1] != filters:
        shortcut = padded_conv(x, filters, 1, strides, name=f"{prefix}_skip_conv")
        shortcut = normalize(shortcut, f"{prefix}_skip", **norm, relu=False)
    x = normalize(padded_conv(x, filters, 3, strides, name=f"{prefix}_1_conv"), f"{prefix}_1", **norm)
    x = normalize(padded_conv(x, filters, 3, name=f"{prefix}_2_conv"), f"{prefix}_2", **norm, relu=False)
    return layers.ReLU(name=f"{prefix}_relu")(layers.Add(name=f"{prefix}_add")([x, shortcut]))


def _residuals(x: Any, filters: int, count: int, prefix: str, norm: dict[str, Any], strides: int = 1) -> Any:
    for index in range(count):
        x = _residual(x, filters, f"{prefix}_{index}", norm, strides if index == 0 else 1)
    return x


def _level(x: Any, filters: list[int], blocks: list[int], prefix: str, level: int, norm: dict[str, Any]) -> Any:
    """One size of the hourglass: a skip branch, and a branch through half the size and back."""
    here = f"{prefix}{level}"
    outer, inner = filters[0], filters[1]
    skip = _residuals(x, outer, blocks[0], f"{here}_skip", norm)
    y = _residuals(x, inner, blocks[0], f"{here}_down", norm, strides=2)
    if len(filters) > 2:
        y = _level(y, filters[1:], blocks[1:], prefix, level + 1, norm)
    else:
        y = _residuals(y, inner, blocks[1], f"{prefix}{level + 1}", norm)
    y = _residuals(y, inner, blocks[0] - 1, f"{here}_up", norm)
    y = _residual(y, outer, f"{here}_up_{blocks[0] - 1}", norm)
    y = layers.UpSampling2D(2, interpolation="nearest", name=f"{here}_upsample")(y)
    return layers.Add(name=f"{here}_add")([skip, y])


def _merge(x: Any, y: Any, filters: int, prefix: str, norm: dict[str, Any]) -> Any:
    """The next stack's input: the input and the output of this one, each through a 1×1 convolution."""
    x = normalize(padded_conv(x, filters, 1, name=f"{prefix}_in_conv"), f"{prefix}_in", **norm, relu=False)
    y = normalize(padded_conv(y, filters, 1, name=f"{prefix}_out_conv"), f"{prefix}_out", **norm, relu=False)
    x = layers.ReLU(name=f"{prefix}_relu")(layers.Add(name=f"{prefix}_add")([x, y]))
    return _residual(x, filters, f"{prefix}_residual", norm)
