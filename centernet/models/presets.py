"""The models that the library knows by name: the YAML files of `configs/`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from centernet.errors import ConfigError
from centernet.files.environment import configs_dir
from centernet.files.yaml_files import read_yaml
from centernet.models.config import ModelConfig

COLUMNS = ("name", "network", "task", "size", "box AP", "keypoint AP", "ms")


class ModelList(tuple[ModelConfig, ...]):
    """Descriptions that print as a table."""

    def __repr__(self) -> str:
        """One line per model: name, network, task, input size, published figures."""
        rows = [COLUMNS, *(_row(model) for model in self)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    @property
    def names(self) -> list[str]:
        """Name of each model."""
        return [model.name for model in self]


@cache
def list_models() -> ModelList:
    """The models that `centernet.load` knows by name.

    Returns:
        Their descriptions; printing it gives a table with the published figures.
    """
    return ModelList(complete(read_yaml(path), str(path)) for path in sorted(configs_dir().glob("*.yaml")))


def find_model(name: str, wanted: str = "the name of a model") -> ModelConfig:
    """The description of a model by its name.

    Args:
        name: The name.
        wanted: What it is the name of, for the message.

    Returns:
        The description.

    Raises:
        ConfigError: If there is no such model; the message has the nearest names.
    """
    models = list_models()
    if name in models.names:
        return models[models.names.index(name)]
    known = {other.lower(): other for other in models.names}
    near = [known[found] for found in difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)]
    raise ConfigError(
        f"Expected {wanted} or an existing path. Received: {name!r}. "
        + (f"Did you mean {' or '.join(map(repr, near))}? " if near else "")
        + "`centernet models` lists all names."
    )


def complete(data: Any, where: str) -> ModelConfig:
    """A description from plain data, with the tables of `configs/labels` and `configs/keypoints` that it names.

    Raises:
        ConfigError: If it has no keys and values, or an unknown key or value.
    """
    if not isinstance(data, dict):
        raise ConfigError(f"Expected a YAML with keys and values in {where}. Received: {type(data).__name__}")
    data = dict(data)
    for key, folder in (("classes", "labels"), ("keypoints", "keypoints")):
        if isinstance(data.get(key), str):
            data[key] = _table(folder, data[key], where)
    if isinstance(data.get("classes"), dict):  # dataset id → name
        data["dataset_ids"], data["classes"] = list(data["classes"]), list(data["classes"].values())
    return ModelConfig.from_dict(data, where)


def _table(folder: str, name: str, where: str) -> Any:
    path = configs_dir() / folder / f"{name}.yaml"
    if not path.is_file():
        known = _names((configs_dir() / folder).glob("*.yaml"))
        raise ConfigError(f"Expected {folder} of {where} to be given or to be one of {known}. Received: {name!r}")
    return read_yaml(path)


def _names(paths: Iterable[Path]) -> list[str]:
    return sorted(path.stem for path in paths)


def _row(model: ModelConfig) -> tuple[str, ...]:
    def figures() -> Iterator[str]:
        for value in (model.published.box_ap, model.published.keypoint_ap, model.published.latency_ms):
            yield "–" if value is None else f"{value:g}"

    height, width = model.preprocessing.size
    return (model.name, model.backbone["name"], model.task, f"{height}x{width}", *figures())
