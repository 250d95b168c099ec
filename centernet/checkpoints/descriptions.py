"""Model descriptions in YAML: of this library, or of Model Garden."""

from __future__ import annotations

from pathlib import Path

from centernet.checkpoints.model_garden.experiment import is_experiment, read_experiment
from centernet.files.yaml_files import read_yaml
from centernet.models.config import ModelConfig
from centernet.models.presets import complete


def read_model(path: str | Path) -> ModelConfig:
    """Read the YAML of a model: one of ours, or an experiment of Model Garden's CenterNet.

    Args:
        path: The file. `classes` and `keypoints` may name a table of `configs/labels` and
            `configs/keypoints`.

    Returns:
        The description.

    Raises:
        ConfigError: If the file is no YAML, or has an unknown key or value.
    """
    data = read_yaml(path)
    return complete(read_experiment(path) if isinstance(data, dict) and is_experiment(data) else data, str(path))
