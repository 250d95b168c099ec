"""Recipes from an experiment of Model Garden's CenterNet: its model, its records, its trainer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from centernet.checkpoints.fields import Field, Rule, fields_of, left_out, taken, unsupported, without
from centernet.checkpoints.model_garden.experiment import is_experiment, read_experiment
from centernet.errors import ConfigError
from centernet.files.yaml_files import read_yaml

TASK, DATA, TRAINER = "task.", "task.train_data.", "trainer."
OPTIMIZER = TRAINER + "optimizer_config."
RULES: list[Rule] = [
    *taken("model", TASK + "model.*", TASK + "subtasks.*"),
    *taken("preprocessing", TASK + "validation_data.parser.*"),
    *taken("data.validation_path", TASK + "validation_data.input_path"),
    *left_out("of the original's own reader", TASK + "validation_data.*"),
    *taken("data.path", DATA + "input_path"),
    *taken("training.batch_size", DATA + "global_batch_size"),
    *taken("augmentation", DATA + "parser.aug_*", DATA + "parser.odapi_augmentation"),
    *taken("preprocessing", *(f"{DATA}parser.{name}" for name in ("bgr_ordering", "channel_means", "channel_stds"))),
    *left_out("trained in float32", DATA + "dtype", "runtime.mixed_precision_dtype"),
    *left_out("of the original's own reader", DATA + "*"),
    *taken("training.loss_weights", TASK + "losses.detection.*"),
    *taken("training.targets.min_overlap", TASK + "losses.gaussian_iou"),
    *taken("the first id of classes", TASK + "losses.class_offset", values=("1",)),
    *taken("training.clip_norm", TASK + "gradient_clip_norm"),
    *left_out("the original adds it to no loss", TASK + "weight_decay"),
    *taken("weights", TASK + "init_checkpoint", TASK + "init_checkpoint_modules"),
    *left_out("COCO's metrics are computed", TASK + "per_category_metrics", TASK + "annotation_file"),
    *left_out("a name, or a picture", TASK + "name", TASK + "allow_image_summary"),
    *taken("training.steps", TRAINER + "train_steps"),
    *taken("training.optimizer", OPTIMIZER + "optimizer.type", OPTIMIZER + "learning_rate.type"),
    *taken("training.optimizer", OPTIMIZER + "warmup.type", values=("linear",)),
    *(
        rule
        for name, keys in {"adam": ("epsilon", "beta_1", "beta_2"), "sgd": ("momentum", "nesterov")}.items()
        for rule in taken("training.optimizer_options", *(f"{OPTIMIZER}optimizer.{name}.{key}" for key in keys))
    ),
    *left_out("never", *(f"{OPTIMIZER}optimizer.adam.amsgrad",), values=("false",)),
    *left_out("a name", OPTIMIZER + "*.name"),
    *taken("training.learning_rate", OPTIMIZER + "learning_rate.constant.learning_rate"),
    *taken("training.schedule", *(f"{OPTIMIZER}learning_rate.stepwise.{key}" for key in ("boundaries", "values"))),
    *taken(
        "training.schedule",
        *(f"{OPTIMIZER}learning_rate.cosine.{key}" for key in ("initial_learning_rate", "decay_steps", "alpha")),
        *(f"{OPTIMIZER}warmup.linear.{key}" for key in ("warmup_steps", "warmup_learning_rate")),
    ),
    *left_out("none", OPTIMIZER + "learning_rate.*.offset", values=("0",)),
    *taken("training.ema", OPTIMIZER + "ema.average_decay"),
    *unsupported("no such optimizer, schedule or average", OPTIMIZER + "*"),
    *left_out("of the original's own trainer", TRAINER + "*", "runtime.*"),
]
SHIFT = 0.3  # windows are anywhere
BRIGHTNESS = 0.2 / 255  # the original adds up to 0.2 to values up to 255
STEPS = 138_600  # 150 epochs of COCO, where a file doesn't say, like all defaults below
OFF = ("None", "null")


def experiment_recipe(path: Path, ignored: Sequence[str]) -> tuple[dict[str, Any], list[Field]] | None:
    """The recipe of a Model Garden experiment as plain data, and what became of its fields; None for any other file.

    Raises:
        ConfigError: If it describes no CenterNet of this library, or has an optimizer or a schedule without
            counterpart.
    """
    if path.suffix.lower() not in (".yaml", ".yml") or not is_experiment(content := read_yaml(path)):
        return None
    content = without(content, ignored, str(path))
    fields = [field for field in fields_of(content, RULES) if field.value not in OFF]
    model = {key: value for key, value in read_experiment(path).items() if key not in ("classes", "published")}
    data = _get(content, "task.train_data.input_path", "")
    if not data:
        raise ConfigError(f"Expected task.train_data.input_path in {path}, the records to train on.")
    validation = _get(content, "task.validation_data.input_path", "")
    recipe: dict[str, Any] = {
        "model": model,
        "data": {"path": data, "format": "tfrecord"} | ({"validation_path": validation} if validation else {}),
        "training": _training(content, path),
    }
    if weights := _get(content, "task.init_checkpoint", ""):
        recipe["weights"] = weights
    return recipe, fields


def _get(content: Mapping[str, Any], path: str, default: Any) -> Any:
    value: Any = content
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return default if value is None else value


def _training(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    optimizer = _get(content, "trainer.optimizer_config.optimizer", {})
    kind = _get(optimizer, "type", "adam")
    steps = _get(content, "trainer.train_steps", STEPS)
    ema = _get(content, "trainer.optimizer_config.ema.average_decay", None)
    options = {"epsilon": 1e-7} if kind == "adam" else {}
    options |= {
        key: _number(value) for key, value in _get(optimizer, kind, {}).items() if key not in ("name", "amsgrad")
    }
    losses = {"heatmap": ("object_center", 1.0), "offset": ("offset", 1.0), "size": ("scale", 0.1)}
    return {
        "steps": steps,
        "batch_size": _get(content, "task.train_data.global_batch_size", 128),
        "optimizer": kind,
        "optimizer_options": options,
        **_schedule(_get(content, "trainer.optimizer_config", {}), steps, path),
        "clip_norm": _number(_get(content, "task.gradient_clip_norm", 10.0)) or None,
        "ema": ema,
        "augmentation": _augmentation(_get(content, "task.train_data.parser", {})),
        "loss_weights": {
            ours: _number(_get(content, f"task.losses.detection.{theirs}_weight", default))
            for ours, (theirs, default) in losses.items()
        },
        "targets": {"min_overlap": _number(_get(content, "task.losses.gaussian_iou", 0.7))},
    }


def _number(value: Any) -> Any:
    """A number that YAML 1.1 takes for text, such as 1e-7."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        raise ConfigError(f"Expected a number. Received: {value!r}") from None


def _schedule(config: Mapping[str, Any], steps: int, path: Path) -> dict[str, Any]:
    """The rate of each step is that of the schedule, except during the warm-up before it has reached that."""
    kind = _get(config, "learning_rate.type", "cosine")
    chosen = {key: value for key, value in _get(config, f"learning_rate.{kind}", {}).items() if value is not None}
    warmup = int(_get(config, "warmup.linear.warmup_steps", 2000))
    first = _number(_get(config, "warmup.linear.warmup_learning_rate", 0.0))
    if kind == "constant":
        base = _number(chosen.get("learning_rate", 0.0))
        after: list[dict[str, Any]] = [{"steps": 1, "start": 1.0}]
    elif kind == "stepwise":
        bounds, values = [*chosen.get("boundaries", [])], [_number(value) for value in chosen.get("values", [])]
        if len(values) != len(bounds) + 1 or bounds != sorted(set(bounds)) or (bounds and bounds[0] <= warmup):
            raise ConfigError(
                f"Expected increasing boundaries after the warm-up of {warmup} steps, and one more value, in {path}. "
                f"Received: {bounds}, {values}"
            )
        base = max(values)
        ends = [bound + 1 for bound in bounds]  # Keras changes the rate one step after a boundary
        lengths = [end - begin for begin, end in zip([warmup, *ends], [*ends, steps], strict=True)]
        after = [{"steps": max(n, 1), "start": value / base} for n, value in zip(lengths, values, strict=True)]
    elif kind == "cosine":
        base = _number(chosen.get("initial_learning_rate", 1e-3))
        decay, alpha = int(chosen.get("decay_steps", STEPS)), _number(chosen.get("alpha", 0.0))
        after = [{"steps": max(decay - warmup, 1), "skip": warmup, "start": 1.0, "end": alpha, "form": "cosine"}]
    else:
        raise ConfigError(f"Expected a learning_rate of constant, stepwise or cosine in {path}. Received: {kind!r}")
    if not base > 0:
        raise ConfigError(f"Expected a learning rate above 0 in {path}. Received: {base!r}")
    reached = after[0]["start"]
    if kind == "cosine":
        reached += (alpha - 1) * (1 - math.cos(math.pi * min(warmup / decay, 1))) / 2
    rise = [{"steps": warmup, "start": first / base, "end": reached}] if warmup else []
    return {"learning_rate": base, "warmup": 0.0, "schedule": rise + after}


def _augmentation(parser: Mapping[str, Any]) -> dict[str, Any]:
    """Of `Parser`: colors change by fixed amounts; images are scaled, or windows cut out as in the Detection API."""
    found: dict[str, Any] = {"horizontal_flip": 0.5 if parser.get("aug_rand_hflip", True) else 0.0}
    colors: dict[str, Any] = {"hue": 0.02, "contrast": [0.8, 1.25], "saturation": [0.8, 1.25], "brightness": BRIGHTNESS}
    windows = bool(parser.get("odapi_augmentation"))
    if windows:
        colors["brightness"] = 0.2
    found |= {name: value for name, value in colors.items() if parser.get(f"aug_rand_{name}")}
    low, high = (_number(parser.get(f"aug_scale_{end}", 1.0)) for end in ("min", "max"))
    if windows:
        return found | {"crop": [low, high], "shift": SHIFT}
    return found if low == high == 1 else found | {"crop": [1 / high, 1 / low], "shift": SHIFT}
