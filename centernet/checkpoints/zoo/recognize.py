"""Recognizes the network of a checkpoint by names and shapes of its tensors, and infers its description."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centernet.checkpoints.zoo.names import EXTRACTOR, HEADS, NECK, TRUNK
from centernet.checkpoints.zoo.names import Path as ObjectPath
from centernet.checkpoints.zoo.tf_checkpoint import MODEL_GARDEN, TensorFlowCheckpoint
from centernet.errors import CheckpointError
from centernet.models import presets
from centernet.models.config import ModelConfig
from centernet.models.input_normalization import default_preprocessing

# Number of layers with weights in the trunk (without an ImageNet classifier) → backbone.
TRUNK_LAYERS = {106: "resnet50_v1_fpn", 208: "resnet101_v1_fpn", 102: "resnet50_v2", 204: "resnet101_v2"}
MOBILENET_LAYERS = 104
HOURGLASS = (*EXTRACTOR, "_network")
FIRST_BLOCK = ("encoder_block1", "0", "conv", "kernel")
# Channels and residual blocks at each size of Hourglass-52 and -104, and the channels of their stem.
PUBLISHED_SIZES = [(256, 2), (256, 2), (384, 2), (384, 2), (384, 2), (512, 4)]
PUBLISHED_STEM = 128
PUBLISHED_NAMES = {1: "hourglass52", 2: "hourglass104"}
FAMILY = "points"  # of all that the Detection API and Model Garden train
SHOWN_OPTIONS = ("stacks", "filters", "blocks", "separable")
MOMENTUM = 0.1  # of every hourglass's batch normalization, in both implementations
OTHER_DETECTORS = {
    "/_box_predictor": "an SSD or EfficientDet of the Detection API",
    "_first_stage": "a Faster R-CNN of the Detection API",
    "_second_stage": "a Faster R-CNN of the Detection API",
}
COCO_SLOTS, COCO_KEYPOINTS = 90, 17
logger = logging.getLogger("centernet")


@dataclass(frozen=True)
class Recognized:
    """What a checkpoint holds, as far as its names tell.

    Attributes:
        backbone: `name` and arguments of the backbone's function, or None.
        classes: Channels of its class heatmap, or None.
        keypoints: Channels of its keypoint heatmap, or None.
        heads: `HeadSettings` as a mapping.
        other: What else it looks like, in words, when it is no CenterNet.
    """

    backbone: Mapping[str, Any] | None = None
    classes: int | None = None
    keypoints: int | None = None
    heads: Mapping[str, Any] = field(default_factory=dict)
    other: str | None = None

    def __str__(self) -> str:
        if self.other:
            return self.other
        if not self.backbone:
            return "a network that this library doesn't know"
        told = [f"{key}={self.backbone[key]}" for key in SHOWN_OPTIONS if key in self.backbone]
        options = f" ({', '.join(told)})" if told else ""
        keypoints = f", {self.keypoints} keypoints" if self.keypoints else ""
        return (
            f"{self.backbone['name']}{options} with {self.classes} class{'' if self.classes == 1 else 'es'}{keypoints}"
        )


def recognize(checkpoint: TensorFlowCheckpoint) -> Recognized:
    """Tell the architecture of a checkpoint."""
    names = "\n".join(checkpoint.shapes)
    for mark, description in OTHER_DETECTORS.items():
        if mark in names and "_prediction_head_dict" not in names:
            return Recognized(other=description)
    task = checkpoint.keypoint_task()
    return Recognized(
        backbone=_backbone(checkpoint),
        classes=_channels(checkpoint, "object_center"),
        keypoints=_channels(checkpoint, f"{task}/keypoint/heatmap") if task else None,
        heads=_heads(checkpoint),
    )


def _heads(checkpoint: TensorFlowCheckpoint) -> dict[str, Any]:
    hidden = (*HEADS, "object_center", "0", "layer_with_weights-0")
    depthwise, plain, bias = (checkpoint.key((*hidden, leaf)) for leaf in ("depthwise_kernel", "kernel", "bias"))
    kernel = depthwise or plain
    if not (kernel and bias):
        return {}
    side, (filters,) = checkpoint.shapes[kernel][0], checkpoint.shapes[bias]
    return {"filters": filters, "kernel_size": side, "separable": depthwise is not None}


def _channels(checkpoint: TensorFlowCheckpoint, head: str) -> int | None:
    key = checkpoint.key((*HEADS, head, "0", "layer_with_weights-1", "bias"))
    return checkpoint.shapes[key][0] if key else None


def _backbone(checkpoint: TensorFlowCheckpoint) -> dict[str, Any] | None:
    if checkpoint.key((*HOURGLASS, "hourglass_network", "0", *FIRST_BLOCK)):
        return _hourglass(checkpoint)
    count = 0
    while any(
        checkpoint.key((*TRUNK, f"layer_with_weights-{count}", leaf))
        for leaf in ("kernel", "gamma", "depthwise_kernel")
    ):
        count += 1
    if checkpoint.key((*TRUNK, "layer_with_weights-2", "depthwise_kernel")):
        separable = checkpoint.key((*NECK, "layer_with_weights-3", "pointwise_kernel")) is not None
        return {"name": "mobilenetv2_fpn", "separable": separable} if count == MOBILENET_LAYERS else None
    # An ImageNet classifier is one layer more.
    name = TRUNK_LAYERS.get(count) or TRUNK_LAYERS.get(count - 1)
    return {"name": name} if name else None


def _hourglass(checkpoint: TensorFlowCheckpoint) -> dict[str, Any]:
    """Name and sizes of an hourglass: from level to level, as deep as it goes."""

    def blocks(path: ObjectPath) -> int:
        return next(n for n in itertools.count() if not checkpoint.key((*path, str(n), "conv", "kernel")))

    def channels(*path: str) -> int:
        key = checkpoint.key((*path, "conv", "kernel"))
        return checkpoint.shapes[key][-1] if key else 0

    network = (*HOURGLASS, "hourglass_network")
    stacks = next(n for n in itertools.count() if not checkpoint.key((*network, str(n), *FIRST_BLOCK)))
    level: ObjectPath = (*network, "0")
    sizes = []
    while checkpoint.key((*level, *FIRST_BLOCK)):
        sizes.append((channels(*level, "encoder_block1", "0"), blocks((*level, "encoder_block1"))))
        level = (*level, "inner_block", "0")
    sizes.append((channels(*level), blocks(level[:-1])))
    stem = channels(*HOURGLASS, "downsample_input", "conv_block")
    if (sizes, stem) == (PUBLISHED_SIZES, PUBLISHED_STEM) and stacks in PUBLISHED_NAMES:
        return {"name": PUBLISHED_NAMES[stacks], "momentum": MOMENTUM}
    filters, counts = map(list, zip(*sizes, strict=True))
    sizes_of = {"stacks": stacks, "filters": filters, "blocks": counts, "stem_filters": stem}
    return {"name": "hourglass", **sizes_of, "momentum": MOMENTUM}


def infer_config(prefix: Path, given: dict[str, Any] | None = None) -> ModelConfig:
    """Describe the model of a checkpoint.

    Network, heads and their channels follow from the tensors. The rest is taken from `given`, or else assumed: an
    input of 512×512, 100 detections, the latest decoding rules, and COCO's names where the number of classes is
    COCO's.

    Args:
        prefix: Path of the checkpoint without `.index`.
        given: Keys of `ModelConfig` from a file beside the checkpoint.

    Returns:
        The description.

    Raises:
        CheckpointError: If the checkpoint holds no known CenterNet.
    """
    checkpoint = TensorFlowCheckpoint(prefix)
    found = recognize(checkpoint)
    if found.backbone is None or not found.classes:
        raise CheckpointError(f"Expected a CenterNet in the checkpoint {prefix}. It looks like {found}.")
    preprocessing = default_preprocessing(found.backbone["name"])
    decoder = {}
    if checkpoint.form == MODEL_GARDEN:  # as its experiments are read
        preprocessing, decoder = dataclasses.replace(preprocessing, sampling="half_pixel"), {"rules": "2021-02"}
    data = {
        "name": prefix.absolute().parent.parent.name or prefix.name,
        "backbone": dict(found.backbone),
        "preprocessing": preprocessing,
        "decoder": decoder,
        **{key: value for key, value in (given or {}).items() if key not in ("task", "classes", "keypoints")},
        "heads": dict(found.heads),
        **_classes(found),
        **_named(found, given or {}),
    }
    if given is None:
        logger.warning(
            "%s has no description beside it. Assumed: %s, input %d×%d. If that is wrong, pass the name or YAML of "
            "the model, with weights=%r.",
            prefix, found, *preprocessing.size, str(prefix),
        )  # fmt: skip
    return presets.complete(data, str(prefix))


def fits(prefix: Path, config: ModelConfig) -> bool:
    """Whether a checkpoint has the network, number of classes and number of keypoints of a description."""
    if config.family != FAMILY:
        return False
    found = recognize(TensorFlowCheckpoint(prefix))
    backbone = (found.backbone or {}).get("name")
    keypoints = len(config.keypoints.names) if config.keypoints else None
    return (backbone, found.classes, found.keypoints) == (config.backbone["name"], len(config.classes), keypoints)


def _named(found: Recognized, given: Mapping[str, Any]) -> dict[str, Any]:
    """Names of classes and keypoints from a label map, if their numbers are those of the checkpoint."""
    named: dict[str, Any] = {}
    if isinstance(given.get("classes"), list) and len(given["classes"]) == found.classes:
        named["classes"] = given["classes"]
        if found.keypoints and len(given.get("keypoints", {}).get("names", ())) == found.keypoints:
            named["keypoints"] = given["keypoints"]
    return named


def _classes(found: Recognized) -> dict[str, Any]:
    """Names of classes and keypoints, which a checkpoint lacks: COCO's, or placeholders."""
    persons = found.keypoints == COCO_KEYPOINTS and found.classes in (1, COCO_SLOTS)
    if found.classes == COCO_SLOTS:
        classes: Any = "coco90"
    else:
        classes = ["person"] if persons else found.classes
    if not found.keypoints:
        return {"classes": classes}
    names = [f"keypoint_{index}" for index in range(found.keypoints)]
    first = "person" if classes == "coco90" else "class_0"
    keypoints = "coco17" if persons else {"class_name": first, "names": names}
    return {"task": "boxes+keypoints", "classes": classes, "keypoints": keypoints}
