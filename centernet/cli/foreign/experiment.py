"""Recipes from an experiment of Model Garden's CenterNet: its model, its records, its trainer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centernet.checkpoints.fields import Field, Rule, fields_of, left_out, taken, unsupported, without
from centernet.checkpoints.model_garden.experiment import is_experiment, read_experiment
from centernet.cli.foreign.pipeline import limited_average
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
    *left_out("only a name or a picture", TASK + "name", TASK + "allow_image_summary"),
    *taken("training.steps", TRAINER + "train_steps"),
    *taken("training.optimizer", OPTIMIZER + "optimizer.type", OPTIMIZER + "learning_rate.type"),
    *taken("training.optimizer", OPTIMIZER + "warmup.type", values=("linear",)),
    *(
        rule
        for name, keys in {"adam": ("epsilon", "beta_1", "beta_2"), "sgd": ("momentum", "nesterov")}.items()
        for rule in taken("training.optimizer_options", *(f"{OPTIMIZER}optimizer.{name}.{key}" for key in keys))
    ),
    *left_out("off, as here", *(f"{OPTIMIZER}optimizer.adam.amsgrad",), values=("false",)),
    *left_out("only a name", OPTIMIZER + "*.name"),
    *taken("training.learning_rate", OPTIMIZER + "learning_rate.constant.learning_rate"),
    *taken("training.schedule", *(f"{OPTIMIZER}learning_rate.stepwise.{key}" for key in ("boundaries", "values"))),
    *taken(
        "training.schedule",
        *(f"{OPTIMIZER}learning_rate.cosine.{key}" for key in ("initial_learning_rate", "decay_steps", "alpha")),
        *(f"{OPTIMIZER}warmup.linear.{key}" for key in ("warmup_steps", "warmup_learning_rate")),
    ),
    *left_out("zero, as here", OPTIMIZER + "learning_rate.*.offset", values=("0",)),
    *taken("training.ema, over a tenth of the training at most", OPTIMIZER + "ema.average_decay"),
    *unsupported("no such optimizer, schedule or average", OPTIMIZER + "*"),
    *left_out("of the original's own trainer", TRAINER + "*", "runtime.*"),
]
SHIFT = 0.3  # windows are anywhere
BRIGHTNESS = 0.2 / 255  # the original adds up to 0.2 to values up to 255
STEPS = 138_600  # 150 epochs of COCO, where a file doesn't say, like all defaults below
OFF = ("None", "null")
OPTIONS = ("epsilon", "beta_1", "beta_2", "momentum", "nesterov")
LARGEST = 1e12


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
    values = _Values(content, path)
    data, validation = (values.text(f"task.{name}_data.input_path") for name in ("train", "validation"))
    if not data:
        raise ConfigError(f"Expected task.train_data.input_path in {path}, the records to train on.")
    recipe: dict[str, Any] = {
        "model": model,
        "data": {"path": data, "format": "tfrecord"} | ({"validation_path": validation} if validation else {}),
        "training": _training(values),
    }
    if weights := values.text("task.init_checkpoint"):
        recipe["weights"] = weights
    return recipe, fields


@dataclass(frozen=True)
class _Values:
    """Values of an experiment by their path, checked."""

    content: Mapping[str, Any]
    file: Path

    def get(self, path: str) -> Any:
        """A value; None if it is not set."""
        value: Any = self.content
        for key in path.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def text(self, path: str, default: str = "") -> str:
        """A text."""
        return str(default if (value := self.get(path)) is None else value)

    def number(self, path: str, default: float) -> float:
        """A number of at least 0; YAML 1.1 takes 1e-7 for text."""
        return self._number(default if (value := self.get(path)) is None else value, path)

    def whole(self, path: str, default: int) -> int:
        """A whole number of at least 0."""
        return int(self.number(path, default))

    def numbers(self, path: str) -> list[float]:
        """A list of numbers of at least 0."""
        values = self.get(path)
        return [self._number(value, path) for value in values] if isinstance(values, list) else []

    def _number(self, value: Any, path: str) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not 0 <= number <= LARGEST:
            raise ConfigError(f"Expected {path} of {self.file} to be a number from 0. Received: {value!r}")
        return number


def _training(values: _Values) -> dict[str, Any]:
    optimizer = "trainer.optimizer_config.optimizer"
    kind = values.text(f"{optimizer}.type", "adam")
    set_options = values.get(f"{optimizer}.{kind}")
    names = [name for name in OPTIONS if isinstance(set_options, Mapping) and set_options.get(name) is not None]
    options = {name: values.number(f"{optimizer}.{kind}.{name}", 0.0) for name in names}
    losses = {"heatmap": ("object_center", 1.0), "offset": ("offset", 1.0), "size": ("scale", 0.1)}
    steps = values.whole("trainer.train_steps", STEPS)
    average = values.number("trainer.optimizer_config.ema.average_decay", 0.0)
    return {
        "steps": steps,
        "batch_size": values.whole("task.train_data.global_batch_size", 128),
        "optimizer": kind,
        "optimizer_options": ({"epsilon": 1e-7} if kind == "adam" else {}) | options,
        **_schedule(values, steps),
        "clip_norm": values.number("task.gradient_clip_norm", 10.0) or None,
        "ema": limited_average(average, max(steps, 1)) if average else None,
        "augmentation": _augmentation(values),
        "loss_weights": {
            ours: values.number(f"task.losses.detection.{theirs}_weight", default)
            for ours, (theirs, default) in losses.items()
        },
        "targets": {"min_overlap": values.number("task.losses.gaussian_iou", 0.7)},
    }


def _schedule(values: _Values, steps: int) -> dict[str, Any]:
    """The rate of each step is that of the schedule, except during the warm-up before it has reached that."""
    rate, rise = (f"trainer.optimizer_config.{part}" for part in ("learning_rate", "warmup.linear"))
    kind, warmup = values.text(f"{rate}.type", "cosine"), values.whole(f"{rise}.warmup_steps", 2000)
    reached = 1.0
    if kind == "constant":
        base = values.number(f"{rate}.constant.learning_rate", 0.0)
        after: list[dict[str, Any]] = [{"steps": 1, "start": 1.0}]
    elif kind == "stepwise":
        bounds, rates = ([*values.numbers(f"{rate}.stepwise.{part}")] for part in ("boundaries", "values"))
        if len(rates) != len(bounds) + 1 or bounds != sorted({*bounds}) or (bounds and bounds[0] <= warmup):
            raise ConfigError(
                f"Expected increasing boundaries after the warm-up of {warmup} steps, and one more value, in "
                f"{values.file}. Received: {bounds}, {rates}"
            )
        base = max(rates) or math.inf
        ends = [int(bound) + 1 for bound in bounds]  # Keras changes the rate one step after a boundary
        lengths = [end - begin for begin, end in zip([warmup, *ends], [*ends, steps], strict=True)]
        after = [{"steps": max(n, 1), "start": value / base} for n, value in zip(lengths, rates, strict=True)]
        reached = after[0]["start"]
    elif kind == "cosine":
        base = values.number(f"{rate}.cosine.initial_learning_rate", 1e-3)
        decay, alpha = values.whole(f"{rate}.cosine.decay_steps", STEPS), values.number(f"{rate}.cosine.alpha", 0.0)
        after = [{"steps": max(decay - warmup, 1), "skip": warmup, "start": 1.0, "end": alpha, "form": "cosine"}]
        reached += (alpha - 1) * (1 - math.cos(math.pi * min(warmup / max(decay, 1), 1))) / 2
    else:
        raise ConfigError(
            f"Expected a learning_rate of constant, stepwise or cosine in {values.file}. Received: {kind!r}"
        )
    if not 0 < base < math.inf:
        raise ConfigError(f"Expected a learning rate above 0 in {values.file}. Received: {base!r}")
    first = values.number(f"{rise}.warmup_learning_rate", 0.0) / base
    start = [{"steps": warmup, "start": first, "end": reached}] if warmup else []
    return {"learning_rate": base, "warmup": 0.0, "schedule": start + after}


def _augmentation(values: _Values) -> dict[str, Any]:
    """Of `Parser`: colors change by fixed amounts; images are scaled, or windows cut out as in the Detection API."""
    parser = "task.train_data.parser."
    windows = bool(values.get(parser + "odapi_augmentation"))
    colors = {"hue": 0.02, "contrast": [0.8, 1.25], "saturation": [0.8, 1.25]}
    colors["brightness"] = 0.2 if windows else BRIGHTNESS
    found = {name: value for name, value in colors.items() if values.get(f"{parser}aug_rand_{name}")}
    if values.get(parser + "aug_rand_hflip") in (None, True):
        found["horizontal_flip"] = 0.5
    low, high = (values.number(f"{parser}aug_scale_{end}", 1.0) or 1.0 for end in ("min", "max"))
    if low == high == 1 and not windows:
        return found
    return found | {"crop": [low, high] if windows else [1 / high, 1 / low], "shift": SHIFT}
