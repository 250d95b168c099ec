"""YAML files, read safely: plain data only, nothing is executed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from centernet.errors import ConfigError
from centernet.files.formatting import missing_file

# ValueError: undecodable bytes, and values such as the date 2021-13-45.
YAML_ERRORS = (yaml.YAMLError, ValueError, RecursionError)


class _Loader(yaml.SafeLoader):
    """Reads plain data, and tuples (written by Model Garden's trainer) as lists."""


class _NumberLoader(_Loader):
    """Reads 1e-3 as a number; in YAML 1.1 it is text, since it has no point."""


def _read_tuple(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _read_tuple)
_NumberLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+[eE][-+]?\d+$"), list("-+0123456789")
)


def parse_yaml(text: str, *, exponents: bool = True) -> Any:
    """Parse YAML text; see `read_yaml`. Raises one of `YAML_ERRORS` if it is invalid."""
    return yaml.load(text, Loader=_NumberLoader if exponents else _Loader)


def read_yaml(path: Path | str, *, exponents: bool = True) -> Any:
    """Read a YAML file, plain or with the `!!python/tuple` of Model Garden.

    Args:
        path: The file.
        exponents: Whether 1e-3 is a number. False: it is text, as PyYAML and the tools that use it read it.

    Raises:
        ConfigError: The file is missing or can't be read, or its YAML is invalid.
    """
    try:
        return parse_yaml(Path(path).read_text(encoding="utf-8"), exponents=exponents)
    except FileNotFoundError as error:
        raise ConfigError(f"Expected a YAML file at {path}: {missing_file(Path(path))}") from error
    except (OSError, *YAML_ERRORS) as error:
        raise ConfigError(f"Expected a YAML file. {path} can't be read as one: {error}") from error
