"""Recipes: a YAML that says what is trained on what, and how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centernet.data.dataset import Dataset
from centernet.errors import ConfigError
from centernet.files.validation import check_types, dataclass_from
from centernet.files.yaml_files import YAML_ERRORS, parse_yaml, read_yaml
from centernet.models.config import ModelConfig
from centernet.training.settings import TrainingSettings


@dataclass(frozen=True)
class DataSettings:
    """Where photos and their objects are.

    Attributes:
        path: Folder or file, see `centernet.data.load`.
        format: Key of a format, or `auto`.
        train: Split to learn from; None for the dataset's own, or a part of the photos.
        validation: Split to evaluate on; likewise.
        classes: Names in the order that the detector shall have; None for the dataset's own.
    """

    path: str
    format: str = "auto"
    train: str | None = None
    validation: str | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        check_types(self)
        if (self.train is None) != (self.validation is None):
            raise ConfigError(
                "Expected both splits of the data or none. Received: "
                f"train={self.train!r}, validation={self.validation!r}"
            )

    def load(self) -> tuple[Dataset, Dataset]:
        """Read both splits."""
        from centernet import data

        if self.train is None or self.validation is None:
            return data.load(self.path, self.format, classes=self.classes)
        train, validation = (
            data.load(self.path, self.format, split, classes=self.classes) for split in (self.train, self.validation)
        )
        return train, validation


@dataclass(frozen=True)
class Recipe:
    """What is trained on what, and how.

    Attributes:
        model: A name, path or address for `centernet.load`, whose weights are trained further; or the description of
            a new detector without its classes, which are the dataset's.
        data: Where photos and their objects are.
        training: How it is trained.
        image_size: Height and width of the network's input, if they shall be other than the model's.
    """

    model: str | Mapping[str, Any]
    data: DataSettings
    training: TrainingSettings = field(default_factory=TrainingSettings)
    image_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        check_types(self)
        if isinstance(self.image_size, list):
            object.__setattr__(self, "image_size", tuple(self.image_size))

    def build(self, dataset: Dataset) -> Any:
        """The detector to train, for the classes of a dataset, and for its keypoints if the model finds some.

        New weights are drawn from the seed of the training.
        """
        import keras

        from centernet.loading import build, changed, describe, load

        keras.utils.set_random_seed(self.training.seed)
        if isinstance(self.model, str):
            finds_keypoints = describe(self.model).keypoints is not None
            keypoints = dataset.keypoints if finds_keypoints else None
            return load(self.model, classes=dataset.class_names, keypoints=keypoints, image_size=self.image_size)
        of_dataset: dict[str, Any] = {"classes": dataset.class_names, "dataset_ids": dataset.dataset_ids}
        if self.model.get("task", "boxes") != "boxes":
            if dataset.keypoints is None:
                raise ConfigError(f"Expected keypoints in {dataset.name}, since the recipe asks for them. Found: none.")
            of_dataset["keypoints"] = dataset.keypoints
        config = ModelConfig.from_dict({**self.model, **of_dataset}, "the model of the recipe")
        return build(changed(config, image_size=self.image_size))


def read_recipe(path: Path | str, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path: The YAML.
        changes: `key=value`, a key of the training or, with dots, of any part: `epochs=30`, `data.path=photos`.

    Raises:
        ConfigError: If a key is unknown (the nearest is named) or a value can't be.
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
            raise ConfigError(f"Expected {part} to have parts of its own for {change!r}. Received: {inner!r}")
        content[part] = dict(inner)
        content = content[part]
    try:
        content[parts[-1]] = parse_yaml(text)
    except YAML_ERRORS as error:
        raise ConfigError(f"Expected a value as YAML has it in {change!r}. {error}") from error
