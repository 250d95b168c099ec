"""Reading YAML files, safely: plain data and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from centernet.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """Reads plain data only, and tuples (which Model Garden's trainer writes) as lists."""


def _read_tuple(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _read_tuple)


def read_yaml(path: Path | str) -> Any:
    """Read a YAML file, plain or as Model Garden writes it (`!!python/tuple`); nothing in it is executed.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        ConfigError: If the file can't be read or is no YAML.
    """
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    # ValueError: bytes that are no text, and values such as the date 2021-13-45.
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigError(f"Expected a YAML file. {path} can't be read as one: {error}") from error
