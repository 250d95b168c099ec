"""Which rows of `Detections` are meant by an index, by a least score or by a class."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from centernet.errors import ConfigError

INDICES = "an integer, a slice, a mask of one True or False a row, or a list of integers"
NAMES_SHOWN = 10


def rows_at(index: Any, count: int) -> np.ndarray:
    """The rows that an index means.

    Args:
        index: An integer, a slice, or a mask `(count,)` or integers `(n,)` as an array or list.
        count: How many rows there are.

    Returns:
        Row numbers `(n,)`, ascending: rows are in descending order of score, so that they keep this order.

    Raises:
        ConfigError: The index is something else.
        IndexError: There is no such row.
    """
    if isinstance(index, slice):
        return np.sort(_sliced(index, count))
    array = _index_array(index)
    if array.dtype == bool:
        if array.shape != (count,):
            raise _refusal(f"a mask of {count} values, one a row", f"one of shape {array.shape}")
        return np.flatnonzero(array)
    beyond = array[(array < -count) | (array >= count)]
    if beyond.size:
        known = f"the rows 0 to {count - 1}" if count else "no row"
        raise IndexError(f"Detections has {known}. Received: {beyond[0]}.")
    return np.sort(np.atleast_1d(array) % max(count, 1))


def check_min_score(min_score: Any) -> None:
    """Refuse what is no least score.

    Raises:
        ConfigError: It is no number of 0–1.
    """
    if isinstance(min_score, Real) and 0 <= float(min_score) <= 1:
        return
    advice = f" For a class: found.filter(classes={min_score!r})." if isinstance(min_score, str) else ""
    raise ConfigError(f"Detections.filter expected min_score as a number of 0–1. Received: {min_score!r}.{advice}")


def class_rows(class_ids: np.ndarray, classes: Any, names: Sequence[str]) -> np.ndarray:
    """The mask of the rows that are of some classes.

    Args:
        class_ids: Class of each row, int32 `(n,)`.
        classes: A name or 0-based id, or several.
        names: Name of each class, or none where they are unknown.

    Returns:
        bool `(n,)`.

    Raises:
        ConfigError: A class is unknown; the nearest names are in the message.
    """
    wanted = [classes] if isinstance(classes, (str, int, np.integer)) else classes
    if not isinstance(wanted, Iterable):
        raise ConfigError(f"Detections.filter expected classes as names or 0-based ids. Received: {classes!r}.")
    return np.isin(class_ids, [_class_id(one, names) for one in wanted])


def _class_id(name: Any, names: Sequence[str]) -> int:
    if isinstance(name, str) and name in names:
        return names.index(name)
    if isinstance(name, (int, np.integer)) and 0 <= name < (len(names) or np.inf):
        return int(name)
    near = difflib.get_close_matches(str(name), names, cutoff=0.5) or names[:NAMES_SHOWN]
    raise ConfigError(
        f"Expected names or ids among the {len(names)} classes. Received: {name!r}. "
        f"Nearest: {', '.join(near) or 'no names are known, use ids'}."
    )


def _sliced(index: slice, count: int) -> np.ndarray:
    try:
        return np.arange(count)[index]
    except (TypeError, ValueError) as error:  # ends that are no integers, a step of 0
        raise _refusal("a slice of integers", repr(index)) from error


def _index_array(index: Any) -> np.ndarray:
    """An index as integers `()` or `(n,)`, or as a mask `(n,)`."""
    if isinstance(index, str):
        raise _refusal(INDICES, f"{index!r}. For a class: found.filter(classes={index!r})")
    if isinstance(index, tuple):  # which NumPy takes for one index an axis
        raise _refusal(INDICES, f"{index!r}. For several rows: found[{list(index)!r}]")
    try:
        array = np.asarray(index)
    except ValueError as error:  # rows of different lengths
        raise _refusal(INDICES, repr(index)) from error
    if array.shape == (0,) and array.dtype.kind == "f":  # what NumPy makes of []
        array = array.astype(int)
    if array.ndim > 1 or array.dtype.kind not in "iub" or (array.dtype == bool and not array.ndim):
        raise _refusal(INDICES, f"{index!r}" if not array.ndim else f"{array.dtype} of shape {array.shape}")
    return array if array.dtype == bool else array.astype(np.int64)


def _refusal(expected: str, received: str) -> ConfigError:
    return ConfigError(f"Detections expected {expected} as index. Received: {received}.")
