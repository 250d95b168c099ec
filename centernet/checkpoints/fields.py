"""What becomes of each field of another program's configuration: taken, left out, or not supported."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from centernet.errors import ConfigError

EMPTY = "set"  # the value of a section without fields
logger = logging.getLogger("centernet")


class Fate(StrEnum):
    """What becomes of a field."""

    TAKEN = "taken"
    LEFT_OUT = "left out"
    UNSUPPORTED = "not supported"


@dataclass(frozen=True)
class Rule:
    """What becomes of the fields whose path matches a pattern.

    Attributes:
        pattern: Names of nested fields with points between them; `*` is any text.
        fate: What becomes of them.
        note: As what they are taken, or why they are not.
        values: If given, the only values for which this holds; any other is not supported.
    """

    pattern: str
    fate: Fate
    note: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Field:
    """A field that a configuration sets, and what becomes of it."""

    path: str
    value: str
    fate: Fate
    note: str


def taken(note: str, *patterns: str, values: tuple[str, ...] = ()) -> list[Rule]:
    """Rules for fields that are taken."""
    return [Rule(pattern, Fate.TAKEN, note, values) for pattern in patterns]


def left_out(note: str, *patterns: str, values: tuple[str, ...] = ()) -> list[Rule]:
    """Rules for fields that are harmless to leave out."""
    return [Rule(pattern, Fate.LEFT_OUT, note, values) for pattern in patterns]


def unsupported(note: str, *patterns: str) -> list[Rule]:
    """Rules for fields that nothing here corresponds to."""
    return [Rule(pattern, Fate.UNSUPPORTED, note) for pattern in patterns]


def fields_of(content: Mapping[str, Any], rules: Sequence[Rule]) -> list[Field]:
    """The fields that a configuration sets, in its order; the first rule that matches holds.

    Args:
        content: Nested mappings; a list of mappings is a repeated section.
        rules: The rules. A field without one is not supported.
    """
    values: dict[str, list[str]] = {}
    for path, value in _leaves(content, ""):
        values.setdefault(path, []).append(value)
    return [_field(path, list(dict.fromkeys(found)), rules) for path, found in values.items()]


def check_supported(fields: Sequence[Field], where: str, *, strict: bool = True) -> None:
    """Check that no field is unsupported.

    Raises:
        ConfigError: If one is; a warning instead without `strict`.
    """
    found = unsupported_sections(fields)
    if not found:
        return
    message = f"{where} sets what is not supported: {'; '.join(f'{path} ({why})' for path, why in found.items())}."
    if strict:
        hint = " ".join(f"--ignore {path.rpartition('.')[2]}" for path in found)
        raise ConfigError(f"{message} Remove it from the file; centernet train leaves it out with {hint}")
    logger.warning("%s It is left out.", message)


def unsupported_sections(fields: Sequence[Field]) -> dict[str, str]:
    """The largest sections without a supported field → why."""
    supported = {field.path for field in fields if field.fate is not Fate.UNSUPPORTED}
    found = {}
    for field in fields:
        if field.fate is not Fate.UNSUPPORTED:
            continue
        path, why = field.path, f"{field.value}: {field.note}"
        while (parent := path.rpartition(".")[0]) and not any(one.startswith(f"{parent}.") for one in supported):
            path, why = parent, field.note
        found[path] = why
    return found


def without(content: Mapping[str, Any], ignored: Sequence[str], where: str) -> dict[str, Any]:
    """A copy without some fields or sections.

    Args:
        content: The configuration.
        ignored: Paths of fields, whole or their end: `train_config.optimizer`, or `optimizer`.
        where: Name of the configuration in errors.

    Raises:
        ConfigError: If there is no such field.
    """
    kept: Any = dict(content)
    for name in ignored:
        before, kept = kept, _without(kept, name, "")
        if kept == before:
            raise ConfigError(f"Expected a field of {where} to ignore. Received: {name!r}")
    return dict(kept)


def _without(value: Any, name: str, path: str) -> Any:
    if isinstance(value, list):
        items = [(item, _without(item, name, path)) for item in value]
        return [part for item, part in items if part != {} or part == item]
    if not isinstance(value, Mapping):
        return value
    inner = {key: f"{path}.{key}" for key in value if not f"{path}.{key}".endswith(f".{name}")}
    parts = {key: _without(value[key], name, where) for key, where in inner.items()}
    return {key: part for key, part in parts.items() if part not in ({}, []) or part == value[key]}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    sections = value if isinstance(value, list) and any(isinstance(item, Mapping) for item in value) else [value]
    for section in sections:
        if isinstance(section, Mapping) and section:
            for key, item in section.items():
                yield from _leaves(item, f"{path}.{key}" if path else str(key))
        else:
            yield path, _text(section)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return _text(value[0]) if len(value) == 1 else f"[{', '.join(map(_text, value))}]"
    return EMPTY if value == {} else str(value)


def _field(path: str, values: list[str], rules: Sequence[Rule]) -> Field:
    rule = next((rule for rule in rules if fnmatchcase(path, rule.pattern)), None)
    if rule is None and values == [EMPTY] and any(rule.pattern.startswith(f"{path}.") for rule in rules):
        return Field(path, EMPTY, Fate.LEFT_OUT, "empty")
    if rule is None:
        return Field(path, ", ".join(values), Fate.UNSUPPORTED, "no field that is known here")
    others = [value for value in values if not any(_same(value, allowed) for allowed in rule.values)]
    if rule.values and others:
        return Field(path, ", ".join(others), Fate.UNSUPPORTED, f"only {' or '.join(rule.values)}")
    return Field(path, ", ".join(values), rule.fate, rule.note)


def _same(value: str, allowed: str) -> bool:
    try:
        return abs(float(value) - float(allowed)) <= 1e-6 * abs(float(allowed))
    except ValueError:
        return value.lower() == allowed.lower()
