"""The `data.yaml` of a YOLO dataset: finding it, and saying what is wrong with one that is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from centernet.data.splits import NAMES
from centernet.errors import ConfigError
from centernet.files.yaml_files import read_yaml

SUFFIXES = (".yaml", ".yml")


def find_yaml(path: Path) -> tuple[Path, Mapping[str, Any]] | None:
    """The YAML with names and splits that a path is or has, and its content; `data.yaml` goes before others."""
    for file in _files(path):
        content = _content(file)
        if isinstance(content, Mapping) and not _lacks(content):
            return file, content
    return None


def flaw_of(path: Path) -> str:
    """What is wrong with the YAML that a path is or has, so that it describes no dataset; empty if none seems meant to.

    Args:
        path: A file, or a folder.

    Returns:
        A sentence with the file and the line.
    """
    return next(filter(None, (_flaw(file, given=file == path) for file in _files(path))), "")


def _files(path: Path) -> Iterator[Path]:
    files = [path] if path.is_file() else sorted(path.glob("*"), key=lambda file: (file.stem != "data", file.name))
    return (file for file in files if file.suffix in SUFFIXES and file.is_file())


def _content(file: Path) -> Any:
    try:
        return read_yaml(file)
    except ConfigError as error:
        return error


def _lacks(content: Mapping[str, Any]) -> str:
    """What a YAML lacks to describe a dataset."""
    if "names" not in content:
        return "names"
    return "" if any(content.get(name) for name in NAMES) else "train and val"


def _flaw(file: Path, *, given: bool) -> str:
    content = _content(file)
    if isinstance(content, ConfigError):
        return _broken(file, content)
    if not isinstance(content, Mapping):
        return f"{file} has no names and no train or val." if given else ""
    if not given and not {"nc", "names", *NAMES} & set(content):
        return ""
    lacks = _lacks(content)
    if lacks == "names":
        number = _line(file, "nc")
        said = f"nc: {content['nc']!r} in line {number}, but no names" if number else "no names"
        return f"{file} has {said}. Give each class a name there: names: [cat, dog]."
    return f"{file} has names, but neither train nor val. Give the folders of photos there." if lacks else ""


def _broken(file: Path, error: ConfigError) -> str:
    cause = error.__cause__
    mark = getattr(cause, "problem_mark", None)
    if not isinstance(cause, yaml.MarkedYAMLError) or mark is None:
        return f"{error}."
    begun = cause.context_mark
    context = f" ({cause.context} of line {begun.line + 1})" if cause.context and begun else ""
    return f"{file} is no YAML: line {mark.line + 1}: {cause.problem}{context}. Correct it there."


def _line(file: Path, key: str) -> int | None:
    """Number of the line that begins with a key."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith(f"{key}:")), None)
