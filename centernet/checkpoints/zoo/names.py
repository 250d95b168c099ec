"""Maps the layers of this library to variables of the TensorFlow 2 Detection Zoo.

One table per architecture: layer name → path of its object in the checkpoint. The trunks of keras.applications are
numbered by layer depth there, so a projection shortcut comes late in its block.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]

EXTRACTOR = ("model", "_feature_extractor")
TRUNK = (*EXTRACTOR, "_base_model")
NECK = (*EXTRACTOR, "_feature_extractor_model")
HEADS = ("model", "_prediction_head_dict")
HEAD_NAMES: Mapping[str, str] = {
    "heatmap": "object_center",
    "size": "box/scale",
    "offset": "box/offset",
    "keypoint_heatmap": "{task}/keypoint/heatmap",
    "keypoint_regression": "{task}/keypoint/regression",
    "keypoint_offset": "{task}/keypoint/offset",
}
DEFAULT_TASK = "human_pose"

# Layers of the trunk that published files contain but the network doesn't use.
UNUSED_LAYERS: Mapping[str, str] = {
    "post_bn": "normalization behind the trunk's output, not part of the network",
    "imagenet_fc": "ImageNet classifier of the trunk",
}

_BLOCKS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3)}
_HOURGLASS_PARTS = {
    "1_conv": ("conv_block", "conv"),
    "1_bn": ("conv_block", "norm"),
    "2_conv": ("conv",),
    "2_bn": ("norm",),
    "skip_conv": ("skip", "conv"),
    "skip_bn": ("skip", "norm"),
}
_BRANCHES = {"skip": "encoder_block1", "down": "encoder_block2", "up": "decoder_block"}


def layer_paths(backbone_name: str, backbone: Any) -> dict[str, Path]:
    """The path in a zoo checkpoint of each layer of a backbone, and of layers that only the checkpoint has.

    Args:
        backbone_name: Key of `centernet.backbones.BACKBONES`.
        backbone: The backbone.

    Returns:
        Layer name (ours, or a key of `UNUSED_LAYERS`) → path of objects.
    """
    if backbone_name.startswith("hourglass"):
        return {layer.name: _hourglass_path(layer.name) for layer in backbone.layers if layer.weights}
    version = next(v for v in _TRUNKS if v in backbone_name)
    depth = re.search(r"\d+", backbone_name.removeprefix("mobilenetv2"))
    trunk = _TRUNKS[version](_BLOCKS[depth.group()] if depth else ())
    neck = _deconvolution_layers() if version == "v2" and "resnet" in backbone_name else _pyramid_layers()
    paths: dict[str, Path] = {name: (*TRUNK, f"layer_with_weights-{i}") for i, name in enumerate(trunk)}
    # Number 0 of the neck's model is the trunk itself.
    return paths | {name: (*NECK, f"layer_with_weights-{i}") for i, name in enumerate(neck, 1)}


def head_paths(layer_name: str, task: str) -> Path:
    """The path in a zoo checkpoint of a head's layer (`{head}_{stack}_hidden` or `{head}_{stack}`).

    Args:
        layer_name: Our layer.
        task: Name of the keypoint task in the checkpoint.

    Returns:
        Path of objects.
    """
    match = re.fullmatch(r"(\w+)_(\d+)(_hidden)?", layer_name)
    assert match, layer_name
    head, stack, hidden = match.groups()
    return (*HEADS, HEAD_NAMES[head].format(task=task), stack, f"layer_with_weights-{0 if hidden else 1}")


def _resnet_v1_layers(blocks: tuple[int, ...]) -> Iterator[str]:
    yield from ("conv1_conv", "conv1_bn")
    for block, first in _blocks(blocks):
        yield from (f"{block}_{part}" for part in ("1_conv", "1_bn", "2_conv", "2_bn"))
        parts = ("0_conv", "3_conv", "0_bn", "3_bn") if first else ("3_conv", "3_bn")
        yield from (f"{block}_{part}" for part in parts)
    yield "imagenet_fc"


def _resnet_v2_layers(blocks: tuple[int, ...]) -> Iterator[str]:
    yield "conv1_conv"
    for block, first in _blocks(blocks):
        yield from (f"{block}_{part}" for part in ("preact_bn", "1_conv", "1_bn", "2_conv", "2_bn"))
        yield from (f"{block}_{part}" for part in (("0_conv", "3_conv") if first else ("3_conv",)))
    yield from ("post_bn", "imagenet_fc")


def _mobilenet_layers(_: tuple[int, ...]) -> Iterator[str]:
    yield from ("Conv1", "bn_Conv1")
    for block in ("expanded_conv", *(f"block_{i}" for i in range(1, 17))):
        steps = ("depthwise", "project") if block == "expanded_conv" else ("expand", "depthwise", "project")
        yield from (f"{block}_{step}{norm}" for step in steps for norm in ("", "_BN"))
    yield from ("Conv_1", "Conv_1_bn")


_TRUNKS: Mapping[str, Callable[[tuple[int, ...]], Iterator[str]]] = {
    "mobilenetv2": _mobilenet_layers,
    "v1": _resnet_v1_layers,
    "v2": _resnet_v2_layers,
}


def _blocks(counts: tuple[int, ...]) -> Iterator[tuple[str, bool]]:
    for stage, count in enumerate(counts, 2):
        for block in range(1, count + 1):
            yield f"conv{stage}_block{block}", block == 1


def _pyramid_layers() -> Iterator[str]:
    yield "fpn_top"
    for level in (1, 2, 3):
        yield from (f"fpn{level}_lateral", f"fpn{level}_conv", f"fpn{level}_bn")


def _deconvolution_layers() -> Iterator[str]:
    for step in (1, 2, 3):
        yield from (f"up{step}_conv", f"up{step}_bn", f"up{step}_deconv", f"up{step}_deconv_bn")


def _hourglass_path(name: str) -> Path:
    network = (*EXTRACTOR, "_network")
    unit = {"conv": "conv", "bn": "norm"}
    if match := re.fullmatch(r"stem_(conv|bn)", name):
        return (*network, "downsample_input", "conv_block", unit[match[1]])
    if match := re.fullmatch(r"stem_residual_(\w+)", name):
        return (*network, "downsample_input", "residual_block", *_HOURGLASS_PARTS[match[1]])
    if match := re.fullmatch(r"stack(\d+)_out_(conv|bn)", name):
        return (*network, "output_conv", match[1], unit[match[2]])
    if match := re.fullmatch(r"merge(\d+)_(in|out)_(conv|bn)", name):
        side = {"in": "intermediate_conv1", "out": "intermediate_conv2"}[match[2]]
        return (*network, side, match[1], unit[match[3]])
    if match := re.fullmatch(r"merge(\d+)_residual_(\w+)", name):
        return (*network, "intermediate_residual", match[1], *_HOURGLASS_PARTS[match[2]])
    match = re.fullmatch(r"stack(\d+)_level(\d+)_(?:(skip|down|up)_)?(\d+)_(\w+)", name)
    assert match, name
    stack, level, branch, block, part = match.groups()
    down = ("inner_block", "0") * int(level)
    # The residual blocks at the bottom are the inner block of the last level.
    where = (*down, _BRANCHES[branch], block) if branch else (*down[:-1], block)
    return (*network, "hourglass_network", stack, *where, *_HOURGLASS_PARTS[part])
