"""Recipes: YAML files with the model, the dataset and the settings of a training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import centernet
from centernet.checkpoints.locate import describe
from centernet.data.dataset import Dataset
from centernet.data.reading import load
from centernet.errors import ConfigError
from centernet.files.validation import check_types, dataclass_from
from centernet.files.yaml_files import YAML_ERRORS, parse_yaml, read_yaml
from centernet.models.config import ModelConfig
from centernet.training.settings import TrainingSettings


@dataclass(frozen=True)
class DataSettings:
    """The dataset of a training; see `centernet.data.load`.

    Without splits to train and to evaluate on, they are the dataset's own, or random parts of its images.
    """

    path: str
    format: str = "auto"
    train: str | None = None
    validation: str | None = None
    classes: tuple[str, ...] | None = None  # in the detector's order; None for the dataset's own
    voc_origin: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        if (self.train is None) != (self.validation is None):
            splits = f"train={self.train!r}, validation={self.validation!r}"
            raise ConfigError(f"Expected both splits of the data or none. Received: {splits}")

    def load(self) -> tuple[Dataset, Dataset]:
        """Read the training and the validation split."""
        if self.train is None or self.validation is None:
            return load(self.path, self.format, classes=self.classes, voc_origin=self.voc_origin)
        train, validation = (
            load(self.path, self.format, split, classes=self.classes, voc_origin=self.voc_origin)
            for split in (self.train, self.validation)
        )
        return train, validation


@dataclass(frozen=True)
class Recipe:
    """Model, dataset and settings of a training.

    Attributes:
        model: Name, path or URL for `centernet.load`, to fine-tune its weights; or the configuration of a new detector
            without classes, which are the dataset's.
        data: The dataset.
        training: The training settings.
        image_size: Height and width of the network's input in pixels; None for the model's own.
    """

    model: str | Mapping[str, Any]
    data: DataSettings
    training: TrainingSettings = field(default_factory=TrainingSettings)
    image_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_types(self)
        if isinstance(self.image_size, list):
            object.__setattr__(self, "image_size", tuple(self.image_size))

    def build(self, dataset: Dataset) -> centernet.Detector:
        """Build the detector for the classes of a dataset, and for its keypoints if the model detects keypoints.

        New weights are initialized from the seed of the training.
        """
        import keras

        from centernet.loading import build, changed

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
            described["keypoints"] = dataset.keypoints
        config = ModelConfig.from_dict(described, "the model of the recipe")
        return build(changed(config, image_size=self.image_size))


def read_recipe(path: Path | str, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a YAML file.

    `changes` override its values: `epochs=30` a training setting, `data.path=photos` a value of any part. An unknown
    key or an invalid value is a `ConfigError`, which suggests the nearest key.
    """
    content = read_yaml(path)
    if not isinstance(content, Mapping):
        raise ConfigError(f"Expected keys and values in {path}. Received: {content!r}")
    content = dict(content)
    for change in changes:
        _change(content, change)
    content["training"] = dataclass_from(TrainingSettings, content.get("training") or {}, f"training of {path}")
    if "data" in content:
        content["data"] = dataclass_from(DataSettings, content["data"], f"data of {path}")
    return dataclass_from(Recipe, content, str(path))


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
    try:
        content[parts[-1]] = parse_yaml(text)
    except YAML_ERRORS as error:
        raise ConfigError(f"Expected a YAML value in {change!r}. {error}") from error
