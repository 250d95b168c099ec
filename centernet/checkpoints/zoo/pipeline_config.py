"""Reads the description of a CenterNet from a `pipeline.config` of the Detection API."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from centernet.checkpoints.fields import check_supported, fields_of
from centernet.checkpoints.zoo.pipeline_fields import rules_of
from centernet.data.formats.label_map import LabelMap, read_label_map
from centernet.data.keypoints import keypoint_task
from centernet.errors import ConfigError
from centernet.files.text_proto import Message, parse_text_proto
from centernet.files.validation import to_plain
from centernet.models.input_normalization import default_preprocessing

# Type of the feature extractor → our backbone and its arguments.
EXTRACTORS: Mapping[str, dict[str, Any]] = {
    "hourglass_52": {"name": "hourglass52", "momentum": 0.1},
    "hourglass_104": {"name": "hourglass104", "momentum": 0.1},
    "resnet_v1_50_fpn": {"name": "resnet50_v1_fpn"},
    "resnet_v1_101_fpn": {"name": "resnet101_v1_fpn"},
    "resnet_v2_50": {"name": "resnet50_v2"},
    "resnet_v2_101": {"name": "resnet101_v2"},
    "mobilenet_v2_fpn": {"name": "mobilenetv2_fpn", "separable": False},
    "mobilenet_v2_fpn_sep_conv": {"name": "mobilenetv2_fpn", "separable": True},
}
logger = logging.getLogger("centernet")
COCO_SLOTS = 90  # ids 1 to 90, of which 80 are categories
# Setting of the decoder → its name in a keypoint_estimation_task.
CANDIDATES: Mapping[str, tuple[str, Callable[[str], float]]] = {
    "candidates": ("num_candidates_per_keypoint", int),
    "candidate_min_score": ("keypoint_candidate_score_threshold", float),
    "unmatched_score": ("unmatched_keypoint_score", float),
    "box_scale": ("box_scale", float),
    "search_scale": ("candidate_search_scale", float),
}


class _LabelsError(ConfigError):
    """The label map has other classes than the model."""


def read_pipeline_config(path: Path, *, strict: bool = True) -> dict[str, Any]:
    """Describe the CenterNet of a `pipeline.config` as a YAML of `configs/` would.

    Args:
        path: The file.
        strict: Whether a label map of other classes, or a field that is not supported, is an error, not only a warning.

    Returns:
        Keys of `ModelConfig`. Class names, and the keypoints of `keypoint_estimation_task`, are those of the label map
        that the file names, or of the only one beside it; without one, classes are `class_0` and so on.

    Raises:
        ConfigError: If it can't be read, or describes no CenterNet of this library.
    """
    content = read_pipeline(path)
    described = describe_pipeline(content, path, strict=strict)
    model = {"model": section(content, "model", path)}
    check_supported(fields_of(model, rules_of(model["model"])), str(path), strict=strict)
    return described


def read_pipeline(path: Path) -> Message:
    """The content of a `pipeline.config`, or of the model alone; see `describe_pipeline`."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(f"Expected a pipeline.config. {path} can't be read: {error.strerror}") from error
    content = parse_text_proto(text, str(path))
    return content if "model" in content else {"model": content}


def describe_pipeline(content: Message, path: Path, *, strict: bool = True) -> dict[str, Any]:
    """Describe the CenterNet of what `read_pipeline` read, whatever else it sets; see `read_pipeline_config`."""
    model = section(content, "model", path)
    if "center_net" not in model:
        kinds = ", ".join(model) or "nothing"
        raise ConfigError(f"Expected a CenterNet (model {{ center_net {{ ... }} }}) in {path}. Received: {kinds}")
    net = section(model, "center_net", path)
    described = _describe(net, path)
    try:
        return described | _labels(content, net, path)
    except _LabelsError as error:
        if strict:
            raise
        logger.warning("%s Classes are numbered.", error)
        return described


def _describe(net: Message, path: Path) -> dict[str, Any]:
    extractor = section(net, "feature_extractor", path)
    centers = section(net, "object_center_params", path)
    return {
        "name": path.absolute().parent.name or "centernet",
        "family": "points",
        "task": "boxes",
        "backbone": _backbone(extractor, path),
        "heads": {"separable": flag(net, "use_depthwise")},
        "preprocessing": _preprocessing(net, extractor, path),
        "decoder": {
            "max_detections": number(centers, "max_box_predictions", int, path, 100),
            "rules": "2021-07",
            **_candidates(section(net, "keypoint_estimation_task", path), path),
        },
        "classes": number(net, "num_classes", int, path, 0),
    }


def _labels(content: Message, net: Message, path: Path) -> dict[str, Any]:
    """Names of the classes, and the keypoints, from the label map of a file; empty without one."""
    found = _label_map(content, path)
    count = number(net, "num_classes", int, path, 0)
    if found is None:
        return {}
    if list(found.names) != list(range(1, count + 1)):
        if count == COCO_SLOTS:  # ids of COCO, with gaps
            return {"classes": "coco90"}
        raise _LabelsError(
            f"Expected ids 1 to {count} (num_classes) in the label map of {path}. Received: {[*found.names]}"
        )
    task = section(net, "keypoint_estimation_task", path)
    named = [label for label, points in found.keypoints.items() if points]
    if not task or not named:
        return {"classes": list(found.names.values())}
    wanted = task.get("keypoint_class_name")
    owner = next((label for label in named if found.names[label] == wanted), named[0])
    names = list(found.keypoints[owner])
    deviations = {
        str(row.get("key")): number(row, "value", float, path, 0)
        for row in rows(task, "keypoint_label_to_std")
        if isinstance(row, dict)
    }
    edges = [row for row in rows(section(content, "eval_config", path), "keypoint_edge") if isinstance(row, dict)]
    flips = [
        rows(section(step, "random_horizontal_flip", path), "keypoint_flip_permutation")
        for step in rows(section(content, "train_config", path), "data_augmentation_options")
        if isinstance(step, dict) and "random_horizontal_flip" in step
    ]
    keypoints = keypoint_task(
        found.names[owner],
        names,
        skeleton=[[number(row, end, int, path, 0) for end in ("start", "end")] for row in edges] or None,
        flip=[number({"flip": one}, "flip", int, path, 0) for one in flips[0]] or None if flips else None,
        deviations=[deviations[name] for name in names] if {*names} <= deviations.keys() else None,
    )
    described = {"classes": list(found.names.values()), "task": "boxes+keypoints"}
    return described | {"keypoints": to_plain(dataclasses.asdict(keypoints))}


def _label_map(content: Message, path: Path) -> LabelMap | None:
    """The label map of the input readers, by its path or, on another machine, by its name beside the file."""
    readers = (rows(content, key) for key in ("train_input_reader", "eval_input_reader"))
    named = [
        str(row["label_map_path"])
        for reader in readers
        for row in reader
        if isinstance(row, dict) and "label_map_path" in row
    ]
    near = [path.parent, path.parent.parent, path.parent / "annotations", path.parent / "data"]
    places = [place for name in named for place in (Path(name), *(folder / Path(name).name for folder in near))]
    beside = sorted(path.parent.glob("*.pbtxt"))
    places += beside if len(beside) == 1 else []
    return next((read_label_map(place) for place in places if os.path.isfile(place)), None)


def rows(message: Message, key: str) -> list[Any]:
    """The values of a repeated field."""
    value = message.get(key, [])
    return value if isinstance(value, list) else [value]


def _backbone(extractor: Message, path: Path) -> dict[str, Any]:
    kind = extractor.get("type")
    if not isinstance(kind, str) or kind not in EXTRACTORS:
        raise ConfigError(f"Expected a feature extractor of {sorted(EXTRACTORS)} in {path}. Received: {kind!r}")
    backbone = dict(EXTRACTORS[kind])
    if backbone["name"] == "mobilenetv2_fpn":
        backbone["alpha"] = number(extractor, "depth_multiplier", float, path, 1.0)
        backbone["separable"] |= flag(extractor, "use_separable_conv")
    return backbone


def _preprocessing(net: Message, extractor: Message, path: Path) -> dict[str, Any]:
    resizer = section(net, "image_resizer", path)
    keep = section(resizer, "keep_aspect_ratio_resizer", path)
    side = number(keep, "max_dimension", int, path, 0)
    if side < 1 or side != number(keep, "min_dimension", int, path, 0):
        raise ConfigError(
            f"Expected a keep_aspect_ratio_resizer with equal min_dimension and max_dimension in {path}. "
            f"Received: {resizer}"
        )
    standard = default_preprocessing(EXTRACTORS[extractor["type"]]["name"])
    values: dict[str, Any] = {
        "size": (side, side),
        "channels": standard.channels,
        "mean": standard.mean,
        "std": standard.std,
    }
    if extractor["type"].startswith("hourglass"):  # the others have their normalization built in
        values["channels"] = "bgr" if flag(extractor, "bgr_ordering") else "rgb"
        values["mean"] = _channels(extractor, "channel_means", path, 0.0)
        values["std"] = _channels(extractor, "channel_stds", path, 1.0)
    return values


def _candidates(task: Message, path: Path) -> dict[str, float]:
    """Settings of the decoder in the file; the defaults of the others are the same here."""
    found = {name: key for name, key in CANDIDATES.items() if key[0] in task}
    return {name: number(task, key, kind, path, 0) for name, (key, kind) in found.items()}


def section(parent: Message, key: str, path: Path) -> Message:
    """A message inside another; empty if it is not set."""
    value = parent.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"Expected one {key} {{ ... }} in {path}. Received: {value!r}")
    return value


def number(message: Message, key: str, kind: Callable[[str], Any], path: Path, default: float) -> Any:
    """A number of a message."""
    value = message.get(key, default)
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"Expected {key} of {path} to be a number. Received: {value!r}") from None


def _channels(section: Message, key: str, path: Path, default: float) -> tuple[float, ...]:
    values = section.get(key, [default] * 3)
    if not isinstance(values, list) or len(values) != 3:
        raise ConfigError(f"Expected three {key} in {path}. Received: {values!r}")
    return tuple(number({key: value}, key, float, path, default) for value in values)


def flag(message: Message, key: str, default: bool = False) -> bool:
    """Whether a message sets a flag."""
    return message.get(key, default) in (True, "true", "True", "t", "1")
