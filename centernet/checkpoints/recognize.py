"""Which network a checkpoint holds, by the names and shapes of its tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from centernet.checkpoints.tf_checkpoint import TensorFlowCheckpoint
from centernet.checkpoints.zoo_names import HEADS, NECK, TRUNK

# Number of layers with weights in the trunk (without an ImageNet classifier) → backbone.
TRUNK_LAYERS = {106: "resnet50_v1_fpn", 208: "resnet101_v1_fpn", 102: "resnet50_v2", 204: "resnet101_v2"}
MOBILENET_LAYERS = 104
OTHER_DETECTORS = {
    "_box_predictor": "an SSD or EfficientDet of the Detection API",
    "_first_stage": "a Faster R-CNN of the Detection API",
    "_second_stage": "a Faster R-CNN of the Detection API",
}


@dataclass(frozen=True)
class Recognized:
    """What a checkpoint holds, as far as its names tell.

    Attributes:
        backbone: Key of `BACKBONES`, or None.
        classes: Channels of its class heatmap, or None.
        keypoints: Channels of its keypoint heatmap, or None.
        separable_heads: Whether the heads are depthwise separable.
        other: What else it looks like, in words, when it is no CenterNet.
    """

    backbone: str | None = None
    classes: int | None = None
    keypoints: int | None = None
    separable_heads: bool = False
    other: str | None = None

    def __str__(self) -> str:
        if self.other:
            return self.other
        if not self.backbone:
            return "no CenterNet that this library knows"
        keypoints = f", {self.keypoints} keypoints" if self.keypoints else ""
        return f"{self.backbone} with {self.classes} classes{keypoints}"


def recognize(checkpoint: TensorFlowCheckpoint) -> Recognized:
    """Tell the architecture of a checkpoint."""
    names = "\n".join(checkpoint.shapes)
    for mark, description in OTHER_DETECTORS.items():
        if mark in names and "_prediction_head_dict" not in names:
            return Recognized(other=description)
    task = checkpoint.keypoint_task()
    hidden = (*HEADS, "object_center", "0", "layer_with_weights-0", "pointwise_kernel")
    return Recognized(
        backbone=_backbone(checkpoint),
        classes=_channels(checkpoint, "object_center"),
        keypoints=_channels(checkpoint, f"{task}/keypoint/heatmap") if task else None,
        separable_heads=checkpoint.key(hidden) is not None,
    )


def backbone_options(checkpoint: TensorFlowCheckpoint, backbone: str) -> dict[str, Any]:
    """Name and arguments of the backbone function, for a description."""
    options: dict[str, Any] = {"name": backbone}
    if backbone == "mobilenetv2_fpn":
        separable = checkpoint.key((*NECK, "layer_with_weights-3", "pointwise_kernel")) is not None
        options["separable"] = separable
    if backbone.startswith("hourglass"):
        options["momentum"] = 0.1
    return options


def _channels(checkpoint: TensorFlowCheckpoint, head: str) -> int | None:
    key = checkpoint.key((*HEADS, head, "0", "layer_with_weights-1", "bias"))
    return checkpoint.shapes[key][0] if key else None


def _backbone(checkpoint: TensorFlowCheckpoint) -> str | None:
    network = ("model", "_feature_extractor", "_network", "hourglass_network")
    inside = ("encoder_block1", "0", "conv", "kernel")
    stacks = [n for n in range(4) if checkpoint.key((*network, str(n), *inside))]
    if stacks:
        return {1: "hourglass52", 2: "hourglass104"}.get(len(stacks), "hourglass")
    count = 0
    while any(
        checkpoint.key((*TRUNK, f"layer_with_weights-{count}", leaf))
        for leaf in ("kernel", "gamma", "depthwise_kernel")
    ):
        count += 1
    if checkpoint.key((*TRUNK, "layer_with_weights-2", "depthwise_kernel")):
        return "mobilenetv2_fpn" if count == MOBILENET_LAYERS else None
    # An ImageNet classifier is one layer more.
    return TRUNK_LAYERS.get(count) or TRUNK_LAYERS.get(count - 1)
