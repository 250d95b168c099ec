"""Converts experiment files (YAML) of Model Garden's CenterNet to model descriptions.

A file may be complete (the `params.yaml` that the trainer writes beside the checkpoints) or contain only changes to the
defaults of the experiment `centernet_hourglass_coco`, which are therefore repeated here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from centernet.errors import ConfigError
from centernet.files.yaml_files import read_yaml

Section = Mapping[str, Any]

MODEL: Section = {
    "num_classes": 90,
    "max_num_instances": 128,
    "input_size": None,
    "backbone": None,
    "head": None,
    "detection_generator": None,
    "norm_activation": None,
}
HOURGLASS: Section = {
    "model_id": 52,
    "input_channel_dims": 128,
    "num_hourglasses": 2,
    "initial_downsample": True,
    "activation": "relu",
}
HEAD: Section = {"heatmap_bias": -2.19, "input_levels": ("2_0", "2")}
DETECTION_GENERATOR: Section = {
    "max_detections": 100,
    "peak_error": 1e-6,
    "peak_extract_kernel_size": 3,
    "class_offset": 1,
    "use_nms": False,
    "nms_pre_thresh": 0.1,
    "nms_thresh": 0.4,
    "use_reduction_sum": True,
}
NORM_ACTIVATION: Section = {
    "activation": "relu",
    "use_sync_bn": True,
    "norm_momentum": 0.1,
    "norm_epsilon": 1e-5,
}
PARSER: Section = {
    "bgr_ordering": True,
    "aug_rand_hflip": True,
    "aug_scale_min": 1.0,
    "aug_scale_max": 1.0,
    "aug_rand_saturation": False,
    "aug_rand_brightness": False,
    "aug_rand_hue": False,
    "aug_rand_contrast": False,
    "odapi_augmentation": False,
    "channel_means": (104.01362025, 114.03422265, 119.9165958),  # blue, green, red
    "channel_stds": (73.6027665, 69.89082075, 70.9150767),
}
SUBTASK: Section = {"use_centers": True, "use_corners": False, "predict_3d": False}

# Values that change what a detector computes and that ours has no setting for.
FIXED: Mapping[str, Section] = {
    "task.model.backbone.hourglass": {"initial_downsample": True},
    "task.model.detection_generator": {"peak_error": 1e-6, "peak_extract_kernel_size": 3, "use_nms": False},
    "task.model.norm_activation": {"activation": "relu", "norm_epsilon": 1e-5},
    "task.subtasks.detection": SUBTASK,
}

# By model_id: residual blocks a level, and channels a level in multiples of input_channel_dims.
SPECIFICATIONS: Mapping[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    10: ((1, 1), (2, 2)),
    20: ((1, 2, 2), (2, 2, 3)),
    32: ((2, 2, 2, 2), (2, 2, 3, 3)),
    52: ((2, 2, 2, 2, 2, 4), (2, 2, 3, 3, 3, 4)),
    100: ((4, 4, 4, 4, 4, 8), (2, 2, 3, 3, 3, 4)),
}
NAMED = {(52, 128, 1): "hourglass52", (52, 128, 2): "hourglass104"}

MOMENTUM = 0.1  # of its hourglasses, whatever norm_activation.norm_momentum says
COCO_SLOTS = 90  # ids 1 to 90, of which 80 are categories


def is_experiment(data: Any) -> bool:
    """Whether the content of a YAML file is a Model Garden experiment.

    Args:
        data: The parsed file.
    """
    return isinstance(data, Mapping) and isinstance(data.get("task"), Mapping)


def read_experiment(path: Path | str) -> dict[str, Any]:
    """Convert an experiment file of Model Garden's CenterNet to a model description.

    Args:
        path: `params.yaml` of a training run, or a file that overrides some defaults.

    Returns:
        The description, as in a YAML of `configs/`; `classes` is `"coco90"` or the number of classes, since the file
        has no names.

    Raises:
        ConfigError: If it is no such file, has an unknown key in a section that is read, or describes an unsupported
            detector.
    """
    data = read_yaml(path)
    if not is_experiment(data):
        raise ConfigError(f"Expected a Model Garden experiment with a section 'task'. Received: {path}")
    task = data["task"]
    model = _section(task.get("model"), "task.model", MODEL)
    subtasks = _section(task.get("subtasks"), "task.subtasks", {"detection": None})
    _section(subtasks["detection"], "task.subtasks.detection", SUBTASK)
    _section(model["norm_activation"], "task.model.norm_activation", NORM_ACTIVATION)
    generator = _section(model["detection_generator"], "task.model.detection_generator", DETECTION_GENERATOR)
    hourglass = _hourglass(model["backbone"])
    _check_levels(model["head"], hourglass["num_hourglasses"])
    return {
        "name": Path(path).stem,
        "family": "points",
        "task": "boxes",
        "backbone": _backbone(hourglass),
        "heads": {"filters": 2 * hourglass["input_channel_dims"], "kernel_size": 3, "separable": False},
        "preprocessing": _preprocessing(model["input_size"], task.get("validation_data")),
        # Negative sizes become zero and nothing is masked: for boxes that is the rule set of 2021-02.
        "decoder": {"max_detections": generator["max_detections"], "rules": "2021-02"},
        **_classes(model["num_classes"], generator["class_offset"]),
        "published": {},
    }


def _section(values: Any, path: str, defaults: Section) -> dict[str, Any]:
    """The defaults, overridden by a section of the file."""
    if values is not None and not isinstance(values, Mapping):
        raise ConfigError(f"Expected {path} to be a section with keys of {sorted(defaults)}. Received: {values!r}")
    unknown = sorted(str(key) for key in values or () if key not in defaults)
    if unknown:
        raise ConfigError(f"Expected keys of {sorted(defaults)} in {path}. Received: {unknown}")
    merged = {**defaults, **(values or {})}
    for key, expected in FIXED.get(path, {}).items():
        if not _same(merged[key], expected):
            raise ConfigError(
                f"Expected {path}.{key} to be {expected!r}, the only supported value. Received: {merged[key]!r}"
            )
    return merged


def _same(value: Any, expected: Any) -> bool:
    if isinstance(expected, float):
        try:
            return abs(float(value) - expected) <= 1e-6 * expected  # YAML reads 1e-6 as a string
        except (TypeError, ValueError):
            return False
    return bool(value == expected)


def _hourglass(backbone: Any) -> dict[str, Any]:
    kind = backbone.get("type", "hourglass") if isinstance(backbone, Mapping) else "hourglass"
    if kind != "hourglass":
        raise ConfigError(
            "Expected task.model.backbone.type to be 'hourglass', the backbone of Model Garden's CenterNet. "
            f"Received: {kind!r}."
        )
    backbone = _section(backbone, "task.model.backbone", {"type": kind, "hourglass": None})
    values = _section(backbone["hourglass"], "task.model.backbone.hourglass", HOURGLASS)
    if values["model_id"] not in SPECIFICATIONS:
        raise ConfigError(
            f"Expected task.model.backbone.hourglass.model_id of {sorted(SPECIFICATIONS)}. "
            f"Received: {values['model_id']!r}"
        )
    for key in ("input_channel_dims", "num_hourglasses"):
        values[key] = _positive(values[key], f"task.model.backbone.hourglass.{key}")
    return values


def _backbone(hourglass: Section) -> dict[str, Any]:
    kind, width, stacks = (hourglass[key] for key in ("model_id", "input_channel_dims", "num_hourglasses"))
    if (kind, width, stacks) in NAMED:
        return {"name": NAMED[kind, width, stacks], "momentum": MOMENTUM}
    blocks, multiples = SPECIFICATIONS[kind]
    filters = [multiple * width for multiple in multiples]
    sizes = {"filters": filters, "blocks": list(blocks), "stem_filters": width}
    return {"name": "hourglass", "stacks": stacks, **sizes, "momentum": MOMENTUM}


def _check_levels(head: Any, stacks: int) -> None:
    """Check that every stack has heads, in order: the last level is decoded."""
    every = [f"2_{stack}" for stack in range(stacks - 1)] + ["2"]
    levels = _section(head, "task.model.head", HEAD)["input_levels"]
    if not isinstance(levels, list | tuple) or list(levels) != every:
        raise ConfigError(
            f"Expected task.model.head.input_levels to be {every}, one for each of {stacks} hourglasses. "
            f"Received: {levels!r}"
        )


def _preprocessing(input_size: Any, validation_data: Any) -> dict[str, Any]:
    if not isinstance(input_size, list) or len(input_size) not in (2, 3) or list(input_size[2:]) not in ([], [3]):
        raise ConfigError(f"Expected task.model.input_size of [height, width, 3]. Received: {input_size!r}")
    parser = validation_data.get("parser") if isinstance(validation_data, Mapping) else None
    values = _section(parser, "task.validation_data.parser", PARSER)
    return {
        "size": [_positive(side, "task.model.input_size") for side in input_size[:2]],
        "channels": "bgr" if values["bgr_ordering"] else "rgb",
        "mean": _three(values["channel_means"], "task.validation_data.parser.channel_means"),
        "std": _three(values["channel_stds"], "task.validation_data.parser.channel_stds"),
        "sampling": "half_pixel",
    }


def _classes(count: Any, offset: Any) -> dict[str, Any]:
    """Class `i` of the heatmap is class `i + offset` of the dataset."""
    count = _positive(count, "task.model.num_classes")
    if isinstance(offset, bool) or not isinstance(offset, int):
        raise ConfigError(
            f"Expected task.model.detection_generator.class_offset to be a whole number. Received: {offset!r}"
        )
    if offset != 1:
        return {"classes": count, "dataset_ids": list(range(offset, offset + count))}
    return {"classes": "coco90" if count == COCO_SLOTS else count}


def _positive(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"Expected {path} to be a positive whole number. Received: {value!r}")
    return value


def _three(values: Any, path: str) -> list[float]:
    try:
        first, second, third = (float(value) for value in values)
    except (TypeError, ValueError):
        raise ConfigError(f"Expected {path} to be three numbers. Received: {values!r}") from None
    return [first, second, third]
