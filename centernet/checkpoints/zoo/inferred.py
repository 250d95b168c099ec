"""The description of a checkpoint that comes without one: read off its tensors."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

from centernet.checkpoints.zoo.recognize import FAMILY, Recognized, recognize
from centernet.checkpoints.zoo.tf_checkpoint import MODEL_GARDEN, TensorFlowCheckpoint
from centernet.errors import CheckpointError
from centernet.models import presets
from centernet.models.config import ModelConfig
from centernet.models.input_normalization import default_preprocessing

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
    preprocessing = default_preprocessing(found.backbone["name"])
    decoder = {}
    if checkpoint.form == MODEL_GARDEN:  # as its experiments are read
        preprocessing, decoder = dataclasses.replace(preprocessing, sampling="half_pixel"), {"rules": "2021-02"}
    data = {
        "name": prefix.absolute().parent.parent.name or prefix.name,
        "backbone": dict(found.backbone),
        "preprocessing": preprocessing,
        "decoder": decoder,
        **(given or {}),
        "heads": dict(found.heads),
        **_classes(found),
    }
    if given is None:
        logger.warning(
            "%s has no description beside it: taken for %s, input %d×%d. Pass the name or YAML of the model, "
            "with weights=%r, if that is not so.",
            prefix, found, *preprocessing.size, str(prefix),
        )  # fmt: skip
    return presets.complete(data, str(prefix))


def fits(prefix: Path, config: ModelConfig) -> bool:
    """Whether a checkpoint looks like the model of a description: the same network, as many classes and keypoints."""
    if config.family != FAMILY:
        return False
    found = recognize(TensorFlowCheckpoint(prefix))
    backbone = (found.backbone or {}).get("name")
    keypoints = len(config.keypoints.names) if config.keypoints else None
    return (backbone, found.classes, found.keypoints) == (config.backbone["name"], len(config.classes), keypoints)


def _classes(found: Recognized) -> dict[str, Any]:
    """Names of classes and keypoints, which are no part of a checkpoint: COCO's, or placeholders."""
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
