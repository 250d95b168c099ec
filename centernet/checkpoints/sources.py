"""What a source of `centernet.load` is: its description and, if wanted, its weights."""

from __future__ import annotations

from pathlib import Path

from centernet.checkpoints.descriptions import read_model
from centernet.checkpoints.locate import Located, locate, locate_published
from centernet.models import presets
from centernet.models.config import ModelConfig


def describe(source: str | Path) -> ModelConfig:
    """The description of a source of `centernet.load`, without its weights."""
    return find(str(source), with_weights=False).config


def find(source: str, with_weights: bool) -> Located:
    """The description that a source contains or names and, if wanted, its weights."""
    if source in presets.list_models().names:
        config = presets.find_model(source)
        return locate_published(config) if with_weights else Located(config)
    if source.lower().endswith((".yaml", ".yml")):
        return Located(read_model(source))
    return locate(source)
