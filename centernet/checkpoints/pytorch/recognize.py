"""Recognizes the network of a PyTorch file by the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from centernet.errors import CheckpointError

Shape = tuple[int, ...]
UNKNOWN = "no CenterNet that this library knows"
HOURGLASSES = {1: "hourglass52", 2: "hourglass104"}
# Whether the blocks are bottlenecks, blocks of the third stage → depth.
RESNETS = {(False, 2): 18, (False, 6): 34, (True, 6): 50, (True, 23): 101, (True, 36): 152}
LOADABLE_RESNETS = (18, 101)
INSTEAD = "Load hourglass or ResNet-18/101 weights without it instead"
DEFORMABLE = f"it needs deformable convolution (DCNv2), which this library doesn't have. {INSTEAD}"


@dataclass(frozen=True)
class RecognizedPyTorch:
    """The network of a file, as far as its tensors tell.

    Attributes:
        name: The network, in words.
        classes: Channels of its class heatmap, or None.
        keypoints: Channels of its keypoint heatmap, or None.
        refusal: Why it can't be loaded, or None.
    """

    name: str = UNKNOWN
    classes: int | None = None
    keypoints: int | None = None
    refusal: str | None = None

    def __str__(self) -> str:
        plural = "" if self.classes == 1 else "es"
        classes = f", {self.classes} class{plural}" if self.classes else ""
        keypoints = f", {self.keypoints} keypoints" if self.keypoints else ""
        return f"{self.name}{classes}{keypoints}"


def recognize_pytorch(shapes: Mapping[str, Shape]) -> str:
    """Describe the network of a PyTorch file in words.

    Args:
        shapes: Key, without `module.` → shape.

    Returns:
        For instance `Keypoint Triplets, hourglass52, 80 classes`, with the reason if it can't be loaded.
    """
    found = describe_pytorch(shapes)
    return f"{found}: {found.refusal}" if found.refusal else str(found)


def refuse_unloadable(shapes: Mapping[str, Shape], path: Path) -> None:
    """Refuse a file of an unsupported network.

    Args:
        shapes: Key, without `module.` → shape.
        path: The file, for the message.

    Raises:
        CheckpointError: If it is one.
    """
    if describe_pytorch(shapes).refusal:
        raise CheckpointError(f"The file {path} holds {recognize_pytorch(shapes)}.")


def describe_pytorch(shapes: Mapping[str, Shape]) -> RecognizedPyTorch:
    """Recognize the network of a PyTorch file.

    Args:
        shapes: Key, without `module.` → shape.

    Returns:
        The network, and why it can't be loaded if so.
    """
    starts = {key.split(".", 1)[0] for key in shapes}
    deformable = any(".conv_offset_mask." in key for key in shapes)
    if "tl_heats" in starts or "tl_cnvs" in starts:
        return _corners(shapes, starts)
    if "t_heats" in starts:
        return RecognizedPyTorch("ExtremeNet", refusal="its decoder is not part of this library")
    if "dla_up" in starts:
        return _points("DLA-34", shapes, DEFORMABLE if deformable else f"DLA-34 is not part of this library. {INSTEAD}")
    if "kps" in starts or {"hm", "pre"} <= starts:
        return _points(_hourglass(shapes), shapes)
    if "deconv_layers" in starts:
        depth = _resnet_depth(shapes)
        refusal = None if depth in LOADABLE_RESNETS else f"only ResNet-18 and 101 are loaded. {INSTEAD}"
        trunk = f"ResNet-{depth or '?'}{' with deformable convolution' if deformable else ''}"
        return _points(trunk, shapes, DEFORMABLE if deformable else refusal)
    if "layer4" in starts and "fc" in starts:
        name = f"ResNet-{_resnet_depth(shapes) or '?'} ImageNet classifier"
        return RecognizedPyTorch(name, refusal="it has no detection heads")
    return RecognizedPyTorch()


def _corners(shapes: Mapping[str, Shape], starts: set[str]) -> RecognizedPyTorch:
    classes = _channels(shapes, r"tl_heats\.\d+\.1\.bias")
    if "ct_heats" in starts or "ct_cnvs" in starts:
        return RecognizedPyTorch(f"Keypoint Triplets, {_hourglass(shapes)}", classes)
    return RecognizedPyTorch("CornerNet", classes, refusal="it has no center keypoints; give CenterNet's weights")


def _points(trunk: str, shapes: Mapping[str, Shape], refusal: str | None = None) -> RecognizedPyTorch:
    last = r"\.(\d+\.1|2)\.bias"
    keypoints = _channels(shapes, rf"hm_hp{last}")
    return RecognizedPyTorch(f"Objects as Points, {trunk}", _channels(shapes, rf"hm{last}"), keypoints, refusal)


def _hourglass(shapes: Mapping[str, Shape]) -> str:
    stacks = {match[1] for key in shapes if (match := re.match(r"(?:kps|cnvs|hm|tl_heats)\.(\d+)\.", key))}
    return HOURGLASSES.get(len(stacks), f"hourglass of {len(stacks)} stacks")


def _resnet_depth(shapes: Mapping[str, Shape]) -> int | None:
    blocks = {match[1] for key in shapes if (match := re.match(r"layer3\.(\d+)\.", key))}
    return RESNETS.get(("layer3.0.conv3.weight" in shapes, len(blocks)))


def _channels(shapes: Mapping[str, Shape], pattern: str) -> int | None:
    return next((shape[0] for key, shape in shapes.items() if re.fullmatch(pattern, key) and shape), None)
