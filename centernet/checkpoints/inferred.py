"""The description of a checkpoint that comes without one: read off its tensors."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from centernet import presets
from centernet.backbones import default_preprocessing
from centernet.checkpoints.recognize import backbone_options, recognize
from centernet.checkpoints.tf_checkpoint import TensorFlowCheckpoint
from centernet.config import ModelConfig
from centernet.errors import CheckpointError

COCO_SLOTS, COCO_KEYPOINTS = 90, 17
logger = logging.getLogger("centernet")


def infer_config(prefix: Path, given: dict[str, Any] | None = None) -> ModelConfig:
    """Describe the model of a checkpoint.

    Network, heads and their channels are read off the tensors. What tensors don't tell is taken from `given`,
    or else assumed: an input of 512×512, 100 detections, the latest decoding rules, and COCO's names where the
    numbers are COCO's.

    Args:
        prefix: Path of the checkpoint without `.index`.
        given: What a file beside it says (keys of `ModelConfig`).

    Returns:
        The description.

    Raises:
        CheckpointError: If the checkpoint holds no CenterNet that we have.
    """
    checkpoint = TensorFlowCheckpoint(prefix)
    found = recognize(checkpoint)
    if found.backbone is None or not found.classes:
        raise CheckpointError(f"Expected a CenterNet in the checkpoint {prefix}. It looks like {found}.")
    backbone = backbone_options(checkpoint, found.backbone)
    data = {
        "name": prefix.parent.parent.name or prefix.name,
        "backbone": backbone,
        "heads": {"separable": found.separable_heads},
        "preprocessing": default_preprocessing(backbone["name"]),
        **(given or {}),
        "classes": "coco90" if found.classes == COCO_SLOTS else found.classes,
    }
    if found.keypoints:
        classes = ["person"] if found.classes == 1 else data["classes"]
        names = [f"keypoint_{index}" for index in range(found.keypoints)]
        first = "person" if data["classes"] == "coco90" or found.classes == 1 else "class_0"
        coco = found.keypoints == COCO_KEYPOINTS and first == "person"
        data |= {
            "task": "boxes+keypoints",
            "classes": classes,
            "keypoints": "coco17" if coco else {"class_name": first, "names": names},
        }
    if given is None:
        logger.warning(
            "%s has no description beside it: taken for %s, input %s, decoding rules 2021-07. Pass the name or YAML "
            "of the model, with weights=%r, if that is not so.",
            prefix, found, data["preprocessing"].size, str(prefix),
        )  # fmt: skip
    return presets.complete(data, str(prefix))
