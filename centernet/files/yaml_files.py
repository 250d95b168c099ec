"""Reading YAML files, safely: plain data and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from centernet.errors import ConfigError
from centernet.files.formatting import missing_file

# ValueError: bytes that are no text, and values such as the date 2021-13-45.
YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)


class _Loader(yaml.SafeLoader):
    """Reads plain data only, and tuples (which Model Garden's trainer writes) as lists."""


def _read_tuple(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _read_tuple)
# YAML 1.1 takes 1e-3, which has no point, for a text.
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789"))


def parse_yaml(text: str) -> Any:
    """The content of a YAML text; one of `YAML_ERRORS` if it is none."""
    return yaml.load(text, Loader=_Loader)


def read_yaml(path: Path | str) -> Any:
    """Read a YAML file, plain or as Model Garden writes it (`!!python/tuple`); nothing in it is executed.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        ConfigError: If the file is missing, can't be read or is no YAML.
    """
    try:
        return parse_yaml(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"Expected a YAML file at {path}: {missing_file(Path(path))}") from error
    except (OSError, *YAML_ERRORS) as error:
        raise ConfigError(f"Expected a YAML file. {path} can't be read as one: {error}") from error
