"""Dataclasses from plain data: an unknown key, or a value of another kind than annotated, is a clear error."""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union

from centernet.errors import ConfigError

WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", NoneType: "nothing"}


def dataclass_from(kind: Any, data: Any, where: str) -> Any:
    """Build a dataclass from a mapping.

    Args:
        kind: The dataclass.
        data: Field → value.
        where: What to call the mapping in errors.

    Returns:
        The instance.

    Raises:
        ConfigError: If it is no mapping, has a key that is no field (the message has the nearest one), lacks one,
            or the dataclass refuses a value.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"Expected keys and values in {where}. Received: {data!r}")
    fields = dataclasses.fields(kind)
    known = [field.name for field in fields]
    for key in data:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"Unknown key {key!r} in {where}.{hint} Valid keys: {', '.join(known)}.")
    missing = [field.name for field in fields if field.name not in data and _is_required(field)]
    if missing:
        raise ConfigError(f"Expected {', '.join(missing)} in {where}. Received only: {', '.join(data) or 'nothing'}")
    try:
        return kind(**data)
    except ConfigError as error:
        raise ConfigError(f"{error} (In {where}.)") from error


def check_types(instance: Any) -> None:
    """Check that the values of a dataclass are what its annotations say.

    Lists pass for tuples, whole numbers for numbers, NumPy's numbers for Python's.

    Raises:
        ConfigError: If one is not.
    """
    kind: Any = type(instance)
    for name, hint in _hints(kind).items():
        value = getattr(instance, name)
        if not _fits(value, hint):
            raise ConfigError(f"Expected {name} to be {_words(hint)}. Received: {value!r}")


def check_non_negative(instance: Any) -> None:
    """Check that all values of a dataclass are numbers of at least 0; see `check_types`.

    Raises:
        ConfigError: If one is not.
    """
    check_types(instance)
    for name in (field.name for field in dataclasses.fields(instance)):
        if getattr(instance, name) < 0:
            raise ConfigError(f"Expected {name} of at least 0. Received: {getattr(instance, name)!r}")


def to_plain(value: Any) -> Any:
    """The same value as JSON has it: dicts, lists, Python's own numbers."""
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return to_plain(value.tolist()) if hasattr(value, "tolist") else value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _is_required(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _fits(value: Any, hint: Any) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, choice) for choice in args)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin is tuple:
        return _is_list(value) and _items_fit(list(value), args)
    if origin is not None:  # Mapping[key, value]
        return isinstance(value, Mapping) and all(_fits(k, args[0]) and _fits(v, args[1]) for k, v in value.items())
    if hint in (int, float):
        number = isinstance(value, Integral if hint is int else Real) and not isinstance(value, bool)
        return number and math.isfinite(value)
    return isinstance(value, hint)


def _is_list(value: Any) -> bool:
    return (isinstance(value, Sequence) and not isinstance(value, str | bytes)) or getattr(value, "ndim", 0) > 0


def _items_fit(values: list[Any], hints: tuple[Any, ...]) -> bool:
    if hints[-1] is ...:
        return all(_fits(value, hints[0]) for value in values)
    return len(values) == len(hints) and all(map(_fits, values, hints))


def _words(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_words, args))
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}"
    if origin is tuple:
        count = "a list" if args[-1] is ... else f"a list of {len(args)}"
        return f"{count}, each {_words(args[0])}"
    return WORDS.get(hint, "keys and values")
