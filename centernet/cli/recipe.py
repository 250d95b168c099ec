"""Recipes: YAML files with the model, the dataset and the settings of a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import centernet
from centernet.checkpoints.fields import Field, check_supported
from centernet.checkpoints.locate import describe
from centernet.cli.foreign import SOURCES
from centernet.data.dataset import Dataset
from centernet.data.reading import load
from centernet.data.splits import ALL, check_compatible
from centernet.errors import ConfigError
from centernet.files.validation import check_types, dataclass_from
from centernet.files.yaml_files import YAML_ERRORS, parse_yaml, read_yaml
from centernet.models.config import ModelConfig
from centernet.training.settings import TrainingSettings


@dataclass(frozen=True)
class DataSettings:
    """The dataset of a training; see `centernet.data.load`.

    Without splits to train and to evaluate on, they are the dataset's own, or random parts of its images. With a
    `validation_path`, a second dataset, all of both is used.
    """

    path: str
    format: str = "auto"
    train: str | None = None
    validation: str | None = None
    classes: tuple[str, ...] | None = None  # in the detector's order; None for the dataset's own
    voc_origin: int = 0
    label_map: str | None = None
    validation_path: str | None = None

    def __post_init__(self) -> None:
        check_types(self)
        if (self.train is None) != (self.validation is None):
            splits = f"train={self.train!r}, validation={self.validation!r}"
            raise ConfigError(f"Expected both splits of the data or none. Received: {splits}")
        if self.train and self.validation_path:
            raise ConfigError(
                f"Expected splits or a validation_path. Received: {self.train!r}, {self.validation_path!r}"
            )

    def load(self) -> tuple[Dataset, Dataset]:
        """Read the training and the validation split."""
        options: Any = {"classes": self.classes, "voc_origin": self.voc_origin, "label_map": self.label_map}
        if self.validation_path:
            parts = [(self.path, ALL), (self.validation_path, ALL)]
        elif self.train and self.validation:
            parts = [(self.path, self.train), (self.path, self.validation)]
        else:
            return load(self.path, self.format, **options)
        train, validation = (load(path, self.format, split, **options) for path, split in parts)
        check_compatible([train, validation])
        return train, validation


@dataclass(frozen=True)
class Recipe:
    """Model, dataset and settings of a training.

    Attributes:
        model: Name, path or URL for `centernet.load`, to fine-tune its weights; or the configuration of a new detector
            without classes, which are the dataset's.
        weights: Name, path or URL of weights of the same network for a new detector; None for random ones.
        data: The dataset.
        training: The training settings.
        image_size: Height and width of the network's input in pixels; None for the model's own.
    """

    model: str | Mapping[str, Any]
    data: DataSettings
    training: TrainingSettings = field(default_factory=TrainingSettings)
    image_size: tuple[int, int] | None = None
    weights: str | None = None

    def __post_init__(self) -> None:
        check_types(self)
        if self.weights and isinstance(self.model, str):
            raise ConfigError(f"Expected weights only with the configuration of a model. Received: {self.model!r}")
        if isinstance(self.image_size, list):
            object.__setattr__(self, "image_size", tuple(self.image_size))

    def build(self, dataset: Dataset) -> centernet.Detector:
        """Build the detector for the classes of a dataset, and for its keypoints if the model detects keypoints.

        New weights are initialized from the seed of the training.
        """
        import keras

        from centernet.loading.load_keras import build, changed, with_weights_of

        keras.utils.set_random_seed(self.training.seed)
        if isinstance(self.model, str):
            keypoints = dataset.keypoints if describe(self.model).keypoints else None
            names = dataset.class_names
            return centernet.load(self.model, classes=names, keypoints=keypoints, image_size=self.image_size)
        described = {**self.model, "classes": dataset.class_names, "dataset_ids": dataset.dataset_ids}
        if self.model.get("task", "boxes") != "boxes":
            if dataset.keypoints is None:
                raise ConfigError(
                    f"Expected keypoints in {dataset.name}, as the model detects keypoints. Received: none."
                )
            described["keypoints"] = described.get("keypoints") or dataset.keypoints
        config = changed(ModelConfig.from_dict(described, "the model of the recipe"), image_size=self.image_size)
        return with_weights_of(self.weights, config) if self.weights else build(config)


def read_recipe(path: Path | str, changes: Sequence[str] = (), ignored: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a YAML file, or from the configuration of another program.

    Args:
        path: The file; see `centernet.cli.foreign` for those of other programs.
        changes: Values that override those of the file: `epochs=30` a training setting, `data.path=photos` a value of
            any part.
        ignored: Fields of another program's file that are left out.

    Raises:
        ConfigError: If a key is unknown (the nearest is suggested), a value is invalid, or a field of another program
            is not supported.
    """
    content, fields = read_content(Path(path), ignored)
    check_supported(fields, str(path))
    for change in changes:
        _change(content, change)
    training = content.get("training")
    if isinstance(training, Mapping) and None not in (training.get("epochs"), training.get("steps")):
        raise ConfigError(f"Expected epochs or steps in {path}. Received: {training['epochs']}, {training['steps']}")
    content["training"] = dataclass_from(TrainingSettings, content.get("training") or {}, f"training of {path}")
    if "data" in content:
        content["data"] = dataclass_from(DataSettings, content["data"], f"data of {path}")
    return dataclass_from(Recipe, content, str(path))


def read_content(path: Path, ignored: Sequence[str] = ()) -> tuple[dict[str, Any], list[Field]]:
    """The content of a recipe, not checked yet, and what became of each field of another program's file."""
    for translate in SOURCES:
        if found := translate(path, ignored):
            return found
    if ignored:
        raise ConfigError(f"Expected fields to ignore only with a file of another program. Received: {path}")
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise ConfigError(f"Expected keys and values in {path}. Received: {content!r}")
    return dict(content), []


def _change(content: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key:
        raise ConfigError(f"Expected key=value, as in epochs=30. Received: {change!r}")
    parts = key.split(".")
    if parts[0] not in {field.name for field in dataclasses.fields(Recipe)}:
        parts.insert(0, "training")
    for part in parts[:-1]:
        inner = content.get(part) or {}
        if not isinstance(inner, Mapping):
            raise ConfigError(f"Expected {part} to have keys, as {change!r} sets one. Received: {inner!r}")
        content[part] = dict(inner)
        content = content[part]
    if parts in (["training", "epochs"], ["training", "steps"]):  # instead of the other
        content.pop("steps" if parts[-1] == "epochs" else "epochs", None)
    try:
        content[parts[-1]] = parse_yaml(text)
    except YAML_ERRORS as error:
        raise ConfigError(f"Expected a YAML value in {change!r}. {error}") from error
