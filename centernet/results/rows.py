"""The rows of `Detections` selected by an index, a minimum score or a class."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from centernet.errors import ConfigError

INDEX_KINDS = "an integer, a slice, a mask of one True or False per row, or a list of integers"
MAX_NAMES_SHOWN = 10


def row_numbers(index: Any, count: int) -> np.ndarray:
    """Row numbers `(n,)` selected by an index, ascending, which keeps the descending order of scores.

    Args:
        index: An integer, a slice, or a mask `(count,)` or integers `(n,)` as an array or list.
        count: Number of rows.

    Raises:
        ConfigError: The index is something else.
        IndexError: There is no such row.
    """
    if isinstance(index, slice):
        try:
            return np.sort(np.arange(count)[index])
        except (TypeError, ValueError) as error:  # bounds that are not integers, a step of 0
            raise _invalid("a slice of integers", repr(index)) from error
    array = _index_array(index)
    if array.dtype == bool:
        if array.shape != (count,):
            raise _invalid(f"a mask of {count} values, one per row", f"one of shape {array.shape}")
        return np.flatnonzero(array)
    invalid = array[(array < -count) | (array >= count)]
    if invalid.size:
        valid = f"the rows 0 to {count - 1}" if count else "no rows"
        raise IndexError(f"Detections has {valid}. Received: {invalid[0]}.")
    return np.sort(np.atleast_1d(array) % max(count, 1))


def check_min_score(min_score: Any) -> None:
    """Check a minimum score.

    Raises:
        ConfigError: It is not a number of 0–1.
    """
    if isinstance(min_score, Real) and 0 <= float(min_score) <= 1:
        return
    advice = f" To select a class: detections.filter(classes={min_score!r})." if isinstance(min_score, str) else ""
    raise ConfigError(f"Detections.filter expected min_score as a number of 0–1. Received: {min_score!r}.{advice}")


def class_mask(class_ids: np.ndarray, classes: Any, names: Sequence[str]) -> np.ndarray:
    """Mask, bool `(n,)`, of the rows whose class is among `classes`: a name or 0-based id, or several.

    Raises:
        ConfigError: A class is unknown; the message has the nearest names.
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
    near = difflib.get_close_matches(str(name), names, cutoff=0.5) or names[:MAX_NAMES_SHOWN]
    raise ConfigError(
        f"Expected names or ids among the {len(names)} classes. Received: {name!r}. "
        f"Nearest: {', '.join(near) or 'the class names are unknown, use ids'}."
    )


def _index_array(index: Any) -> np.ndarray:
    """An index as integers `()` or `(n,)`, or as a mask `(n,)`."""
    if isinstance(index, str):
        raise _invalid(INDEX_KINDS, f"{index!r}. To select a class: detections.filter(classes={index!r})")
    if isinstance(index, tuple):  # NumPy would take it as one index per axis
        raise _invalid(INDEX_KINDS, f"{index!r}. To select several rows: detections[{list(index)!r}]")
    try:
        array = np.asarray(index)
    except ValueError as error:  # rows of different lengths
        raise _invalid(INDEX_KINDS, repr(index)) from error
    if array.shape == (0,) and array.dtype.kind == "f":  # NumPy's type of []
        array = array.astype(int)
    if array.ndim > 1 or array.dtype.kind not in "iub" or (array.dtype == bool and not array.ndim):
        raise _invalid(INDEX_KINDS, f"{index!r}" if not array.ndim else f"{array.dtype} of shape {array.shape}")
    return array if array.dtype == bool else array.astype(np.int64)


def _invalid(expected: str, received: str) -> ConfigError:
    return ConfigError(f"Detections expected {expected} as index. Received: {received}.")
