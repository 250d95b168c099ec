"""Dataclasses from plain data, with clear errors for unknown keys, missing keys and values of the wrong type."""

from __future__ import annotations

import dataclasses
import difflib
import math
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast

from centernet.errors import ConfigError

T = TypeVar("T")

_TYPE_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", NoneType: "None"}


def dataclass_from(kind: type[T], data: Any, where: str) -> T:
    """Build a dataclass from a mapping of its fields.

    Args:
        kind: The dataclass.
        data: Field → value.
        where: Name of the mapping in errors.

    Raises:
        ConfigError: `data` is not a mapping, has an unknown key (the message suggests the nearest field) or lacks a
            required one, or the dataclass refuses a value.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"Expected keys and values in {where}. Received: {data!r}")
    fields = {field.name: field for field in dataclasses.fields(cast(Any, kind))}
    for key in data:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"Unknown key {key!r} in {where}.{hint} Valid keys: {', '.join(fields)}.")
    missing = [name for name, field in fields.items() if name not in data and _is_required(field)]
    if missing:
        raise ConfigError(f"Expected {', '.join(missing)} in {where}. Received only: {', '.join(data) or 'nothing'}")
    try:
        return kind(**data)
    except ConfigError as error:
        raise ConfigError(f"{error} (In {where}.)") from error


def check_types(instance: Any) -> None:
    """Check the fields of a dataclass against their annotations.

    Lists are accepted for tuples, whole numbers for numbers, NumPy's numbers for Python's.

    Raises:
        ConfigError: A value has another type, or is NaN or infinite.
    """
    kind: Any = type(instance)
    for name, hint in _type_hints(kind).items():
        value = getattr(instance, name)
        if not _matches(value, hint):
            raise ConfigError(f"Expected {name} to be {_describe(hint)}. Received: {value!r}")


def check_at_most(where: str, largest: int, **values: Any) -> None:
    """Check that numbers that size something, or lists of them, don't exceed a bound and aren't NaN.

    Raises:
        ConfigError: If one does.
    """
    for name, value in values.items():
        if any(not number <= largest for number in (value if _is_list(value) else [value])):
            raise ConfigError(f"Expected {name} of {where} of at most {largest:,}. Received: {value!r}")


def check_non_negative(instance: Any) -> None:
    """Check that all fields of a dataclass are numbers of at least 0; raise a ConfigError otherwise."""
    check_types(instance)
    for field in dataclasses.fields(instance):
        value = getattr(instance, field.name)
        if value < 0:
            raise ConfigError(f"Expected {field.name} of at least 0. Received: {value!r}")


def to_plain(value: Any) -> Any:
    """Convert a value to JSON's types: dicts, lists, Python's own numbers."""
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return to_plain(value.tolist()) if hasattr(value, "tolist") else value


@cache
def _type_hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _is_required(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _matches(value: Any, hint: Any) -> bool:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_matches(value, choice) for choice in args)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin is tuple:
        return _is_list(value) and _items_match(list(value), args)
    if origin is not None:  # Mapping[key, value]
        return isinstance(value, Mapping) and all(_items_match([*item], args) for item in value.items())
    if hint in (int, float):
        is_number = isinstance(value, Integral if hint is int else Real) and not isinstance(value, bool)
        return is_number and _is_finite(value)
    return isinstance(value, hint)


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _is_list(value: Any) -> bool:
    return (isinstance(value, Sequence) and not isinstance(value, str | bytes)) or getattr(value, "ndim", 0) > 0


def _items_match(values: list[Any], hints: tuple[Any, ...]) -> bool:
    if hints[-1] is ...:
        return all(_matches(value, hints[0]) for value in values)
    return len(values) == len(hints) and all(map(_matches, values, hints))


def _describe(hint: Any) -> str:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_describe, args))
    if origin is Literal:
        return f"one of {', '.join(map(repr, args))}"
    if origin is tuple:
        count = "a list" if args[-1] is ... else f"a list of {len(args)}"
        return f"{count}, each {_describe(args[0])}"
    return _TYPE_NAMES.get(hint, "keys and values")
