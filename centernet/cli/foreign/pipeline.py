"""Recipes from a `pipeline.config` of the Detection API: its model, its records, its training."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from centernet.checkpoints.fields import Field, fields_of, without
from centernet.checkpoints.locate import CONFIG_SUFFIX
from centernet.checkpoints.zoo.pipeline_config import describe_pipeline, flag, number, read_pipeline, rows, section
from centernet.checkpoints.zoo.pipeline_fields import rules_of
from centernet.cli.foreign.pipeline_schedule import schedule_of
from centernet.errors import ConfigError
from centernet.files.text_proto import Message
from centernet.models.presets import list_models

logger = logging.getLogger("centernet")
BATCH_SIZE, MAX_OBJECTS = 32, 100  # where a file doesn't say; as in the original, like all defaults below
OPTIMIZERS = {"adam_optimizer": "adam", "momentum_optimizer": "sgd", "rms_prop_optimizer": "rmsprop"}
OPTIONS: Mapping[str, Mapping[str, tuple[str, float]]] = {  # ours → name and default of theirs
    "adam": {"epsilon": ("epsilon", 1e-8)},
    "sgd": {"momentum": ("momentum_optimizer_value", 0.9)},
    "rmsprop": {"rho": ("decay", 0.9), "momentum": ("momentum_optimizer_value", 0.9), "epsilon": ("epsilon", 1.0)},
}
AVERAGED = 10  # steps of the training for one of the moving average, at least: a longer one would hold initial weights
SHIFT = 0.3  # of random_square_crop_by_scale, whose center stays 128 pixels inside


def pipeline_recipe(path: Path, ignored: Sequence[str]) -> tuple[dict[str, Any], list[Field]] | None:
    """The recipe of a `pipeline.config` as plain data, and what became of its fields; None for any other file.

    Paths in it are looked for as they are, then beside the file.

    Raises:
        ConfigError: If it can't be read, describes no CenterNet of this library, or lacks what a training needs.
    """
    if path.suffix.lower() != CONFIG_SUFFIX:
        return None
    content = without(read_pipeline(path), ignored, str(path))
    fields = fields_of(content, rules_of(section(content, "model", path)))
    model = {key: value for key, value in describe_pipeline(content, path).items() if key != "classes"}
    if "keypoint_estimation_task" in section(section(content, "model", path), "center_net", path):
        model["task"] = "boxes+keypoints"
        if "keypoints" not in model:
            logger.warning("%s: no label map is found, so that its keypoints are those of the data, as they are.", path)
    train = section(content, "train_config", path)
    recipe: dict[str, Any] = {"model": model, "data": _data(content, path), "training": _training(content, train, path)}
    if checkpoint := str(train.get("fine_tune_checkpoint", "")):
        recipe["weights"] = _checkpoint(checkpoint, path)
    return recipe, fields


def _data(content: Message, path: Path) -> dict[str, Any]:
    train, validation = (_reader(content, key, path) for key in ("train_input_reader", "eval_input_reader"))
    if not train:
        received = ", ".join(content)
        raise ConfigError(
            f"Expected train_input_reader {{ tf_record_input_reader {{ input_path }} }} in {path}, the records to "
            f"train on. Received: {received}"
        )
    data = {"path": train, "format": "tfrecord"} | ({"validation_path": validation} if validation else {})
    labels = [
        row["label_map_path"]
        for key in ("train_input_reader", "eval_input_reader")
        for row in rows(content, key)
        if isinstance(row, dict) and row.get("label_map_path")
    ]
    return data | ({"label_map": _near(str(labels[0]), path)} if labels else {})


def _reader(content: Message, key: str, path: Path) -> str:
    """The record patterns of the first reader, with commas between them."""
    readers = [row for row in rows(content, key) if isinstance(row, dict)]
    if len(readers) > 1:
        logger.warning("%s: only the first of %d %s is used.", path, len(readers), key)
    patterns = [
        str(pattern)
        for reader in readers[:1]
        for pattern in rows(section(reader, "tf_record_input_reader", path), "input_path")
    ]
    return ",".join(_near(pattern, path) for pattern in patterns)


def _near(name: str, path: Path) -> str:
    """A path or pattern as it is, or that of a file of the same name near the configuration, if only that exists."""
    place = Path(name.replace("\\", "/"))
    near = [path.parent, path.parent.parent, path.parent / "annotations", path.parent / "data"]
    places = [place, path.parent / place, *(folder / place.name for folder in near)]
    return str(next((one for one in places if one.parent.is_dir() and any(one.parent.glob(one.name))), place))


def _checkpoint(name: str, path: Path) -> str:
    """The prefix of a checkpoint; or the name of the published model in whose folder it lies on another machine."""
    found = _near(f"{name}.index", path)
    if Path(found).is_file():
        return found.removesuffix(".index")
    published = [part for part in Path(name.replace("\\", "/")).parts if part in list_models().names]
    return published[0] if published else name


def _training(content: Message, train: Message, path: Path) -> dict[str, Any]:
    steps = number(train, "num_steps", int, path, 0)
    if steps < 1:
        raise ConfigError(f"Expected num_steps of at least 1 in train_config of {path}. Received: {steps}")
    optimizer = section(train, "optimizer", path)
    kinds = [kind for kind in OPTIMIZERS if kind in optimizer]
    if len(kinds) != 1:
        raise ConfigError(f"Expected one optimizer of {[*OPTIMIZERS]} in train_config of {path}. Received: {kinds}")
    ours, chosen = OPTIMIZERS[kinds[0]], section(optimizer, kinds[0], path)
    options = {name: number(chosen, key, float, path, default) for name, (key, default) in OPTIONS[ours].items()}
    clip = number(train, "gradient_clipping_by_norm", float, path, 0.0)
    average = number(optimizer, "moving_average_decay", float, path, 0.9999)
    used = flag(optimizer, "use_moving_average", default=True)
    return {
        "steps": steps,
        "batch_size": number(train, "batch_size", int, path, BATCH_SIZE),
        "optimizer": ours,
        "optimizer_options": options,
        **schedule_of(section(chosen, "learning_rate", path), steps, path),
        "clip_norm": clip or None,
        "ema": limited_average(average, steps) if used else None,
        "max_objects": number(train, "max_number_of_boxes", int, path, MAX_OBJECTS),
        "augmentation": _augmentation(rows(train, "data_augmentation_options"), path),
        **_losses(section(section(content, "model", path), "center_net", path), path),
    }


def limited_average(momentum: float, steps: int) -> float:
    """The momentum of a moving average over at most a tenth of the training."""
    return max(min(momentum, 1 - AVERAGED / steps), 0.5)


def _augmentation(options: Sequence[Any], path: Path) -> dict[str, Any]:
    steps = {name: step for option in options if isinstance(option, dict) for name, step in option.items()}
    found: dict[str, Any] = {}
    for side in ("horizontal", "vertical"):
        if isinstance(step := steps.get(f"random_{side}_flip"), dict):
            found[f"{side}_flip"] = number(step, "probability", float, path, 0.5)
    for name, default in (("hue", 0.02), ("brightness", 0.2)):
        if isinstance(step := steps.get(f"random_adjust_{name}"), dict):
            found[name] = number(step, "max_delta", float, path, default)
    for name in ("contrast", "saturation"):
        if isinstance(step := steps.get(f"random_adjust_{name}"), dict):
            found[name] = [number(step, f"{end}_delta", float, path, d) for end, d in (("min", 0.8), ("max", 1.25))]
    if isinstance(step := steps.get("random_square_crop_by_scale"), dict):
        found |= {"shift": SHIFT}
        found["crop"] = [number(step, f"scale_{end}", float, path, d) for end, d in (("min", 0.6), ("max", 1.3))]
    return found


def _losses(net: Message, path: Path) -> dict[str, Any]:
    boxes, centers = (section(net, key, path) for key in ("object_detection_task", "object_center_params"))
    points = section(net, "keypoint_estimation_task", path)
    whole, task = (number(part, "task_loss_weight", float, path, 1.0) for part in (boxes, points))
    weights = {
        "heatmap": number(centers, "object_center_loss_weight", float, path, 1.0),
        "size": whole * number(boxes, "scale_loss_weight", float, path, 0.1),
        "offset": whole * number(boxes, "offset_loss_weight", float, path, 1.0),
    }
    targets: dict[str, Any] = {"min_overlap": number(centers, "min_box_overlap_iou", float, path, 0.7)}
    if points:
        for name in ("heatmap", "regression", "offset"):
            weights[f"keypoint_{name}"] = task * number(points, f"keypoint_{name}_loss_weight", float, path, 1.0)
        targets["keypoint_radius"] = number(points, "offset_peak_radius", int, path, 0)
    return {"loss_weights": weights, "targets": targets}
