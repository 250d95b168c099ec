"""Translates variable names of Model Garden's CenterNet (`official.projects.centernet`) to the Detection Zoo's.

Its checkpoints hold the same Hourglass detectors under other names. `experiment` reads its experiment files.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable

from centernet.checkpoints.model_garden.experiment import is_experiment, read_experiment
from centernet.errors import CheckpointError

__all__ = ["is_experiment", "leftover_reason", "looks_like_model_garden", "read_experiment", "zoo_names"]

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"

# The trainer saves `backbone/...` and `head/...`, `tf.train.Checkpoint(model=...)` saves `model/_backbone/...`,
# `save_weights` saves `_backbone/...`.
_BACKBONE = re.compile(r"(?:model/)?_?backbone/layer_with_weights-(\d+)/(.+)")
_HEAD = re.compile(r"(?:model/)?_?head/layer_with_weights-(\d+)/conv([12])/(kernel|bias)")
_HOURGLASS = re.compile(
    r"((?:inner_hg/)*)(encoder_block1|encoder_block2|decoder_block|blocks)/layer_with_weights-(\d+)/(.+)"
)
_LEAF = re.compile(r"(_[a-z]+\d?)/(kernel|gamma|beta|moving_mean|moving_variance)")

_CONVOLUTION = {"_conv0": "conv", "_norm0": "norm"}
_RESIDUAL = {
    "_conv1": "conv_block/conv",
    "_norm1": "conv_block/norm",
    "_conv2": "conv",
    "_norm2": "norm",
    "_shortcut": "skip/conv",
    "_norm0": "skip/norm",
}
# Layers with weights are numbered along the forward pass: two of the stem, then five a stack.
_STEM = (("downsample_input/conv_block", _CONVOLUTION), ("downsample_input/residual_block", _RESIDUAL))
_STACK = (
    ("hourglass_network", _RESIDUAL),
    ("output_conv", _CONVOLUTION),
    ("intermediate_conv1", _CONVOLUTION),
    ("intermediate_conv2", _CONVOLUTION),
    ("intermediate_residual", _RESIDUAL),
)
_HEADS = ("object_center", "box.Soffset", "box.Sscale")  # its ct_heatmaps, ct_offset, ct_size

_LEFTOVERS = (
    (re.compile(r"/\.OPTIMIZER_SLOT/.*/average$"), "moving average of the weights, kept by the optimizer"),
    (re.compile(r"/\.OPTIMIZER_SLOT/"), "optimizer slot"),
    (re.compile(r"^optimizer/"), "optimizer state"),
    (re.compile(r"^(global_step|save_counter)$"), "counter"),
    (re.compile(r"^_CHECKPOINTABLE_OBJECT_GRAPH$"), "object graph"),
)


def looks_like_model_garden(names: Iterable[str]) -> bool:
    """Whether a checkpoint was written by Model Garden's CenterNet.

    Args:
        names: Names of the checkpoint's variables.

    Returns:
        True if one of them lies inside an hourglass of Model Garden.
    """
    return any("/inner_hg/" in name and _BACKBONE.match(name) for name in names)


def zoo_names(names: Iterable[str]) -> dict[str, str]:
    """Translate Model Garden's variable names to those in the training checkpoints of the TF2 Detection Zoo.

    Needs all names of a checkpoint: heads are numbered consecutively (three tasks times the stacks that have heads), so
    the meaning of a number depends on their count.

    Args:
        names: Names of the checkpoint's variables, with or without `/.ATTRIBUTES/VARIABLE_VALUE`.

    Returns:
        Given name → the zoo's name (`model/...`, without that ending), for variables of the detector; `leftover_reason`
        explains the rest.

    Raises:
        CheckpointError: If the heads are not three for each stack, or two variables would get one name.
    """
    plain = {name: name.removesuffix(SUFFIX) for name in names}
    levels = _levels(plain.values())
    unused = max(_stacks(plain.values()) - levels, 0)  # stacks without heads come first
    found = {name: _backbone_name(key) or _head_name(key, levels, unused) for name, key in plain.items()}
    translated = {name: target for name, target in found.items() if target is not None}
    twice = [target for target, count in Counter(translated.values()).items() if count > 1]
    if twice:
        same = sorted(name for name, target in translated.items() if target == twice[0])
        raise CheckpointError(
            f"Expected one model in the checkpoint. Received: {len(twice)} variables twice, as {same}. "
            "Save the model alone with tf.train.Checkpoint(model=model)."
        )
    return translated


def leftover_reason(name: str) -> str | None:
    """Why a variable of a Model Garden checkpoint is not part of the detector.

    Args:
        name: Name of the variable, with or without `/.ATTRIBUTES/VARIABLE_VALUE`.

    Returns:
        The reason, or None if the variable should have been used.
    """
    plain = name.removesuffix(SUFFIX)
    return next((reason for pattern, reason in _LEFTOVERS if pattern.search(plain)), None)


def _stacks(names: Collection[str]) -> int:
    layers = [int(match[1]) for match in map(_BACKBONE.fullmatch, names) if match]
    return 1 + max((layer - len(_STEM)) // len(_STACK) for layer in layers) if layers else 0


def _levels(names: Collection[str]) -> int:
    """The number of stacks that have heads."""
    layers = {int(match[1]) for match in map(_HEAD.fullmatch, names) if match}
    if layers != set(range(len(layers))) or len(layers) % len(_HEADS):
        raise CheckpointError(
            f"Expected head/layer_with_weights-0 and so on, {len(_HEADS)} for each stack (heatmap, offset, "
            f"size). Received: numbers {sorted(layers)}. The checkpoint is incomplete, or of another task."
        )
    return len(layers) // len(_HEADS)


def _backbone_name(key: str) -> str | None:
    match = _BACKBONE.fullmatch(key)
    if match is None:
        return None
    layer, inside = int(match[1]), match[2]
    if layer < len(_STEM):
        path, block = _STEM[layer]
    else:
        stack, part = divmod(layer - len(_STEM), len(_STACK))
        path, block = f"{_STACK[part][0]}/{stack}", _STACK[part][1]
        if part == 0:
            level, inside = _hourglass_path(inside)
            path = f"{path}/{level}"
    leaf = _LEAF.fullmatch(inside)
    if leaf is None or leaf[1] not in block:
        return None
    return f"model/_feature_extractor/_network/{path}/{block[leaf[1]]}/{leaf[2]}"


def _hourglass_path(inside: str) -> tuple[str, str]:
    """The zoo's path of a residual block in the hourglass, and the rest of the name."""
    match = _HOURGLASS.fullmatch(inside)
    if match is None:
        return "", ""
    depth, blocks, index, rest = match[1].count("inner_hg/"), match[2], match[3], match[4]
    if blocks == "blocks":  # the innermost level has only residual blocks
        depth, blocks = depth - 1, "inner_block"
    return "inner_block/0/" * depth + f"{blocks}/{index}", rest


def _head_name(key: str, levels: int, first_stack: int) -> str | None:
    match = _HEAD.fullmatch(key)
    if match is None:
        return None
    task, level = divmod(int(match[1]), levels)
    place = f"{_HEADS[task]}/{first_stack + level}/layer_with_weights-{int(match[2]) - 1}"
    return f"model/_prediction_head_dict/{place}/{match[3]}"
