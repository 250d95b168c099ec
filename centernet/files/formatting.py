"""How numbers, counts and missing files are written in files and messages."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

import numpy as np


def shortest_number(value: float | np.floating) -> int | float:
    """The number with the fewest digits that is the same in float32, whole if it is.

    >>> shortest_number(np.float32(388.66)), shortest_number(7.0)
    (388.66, 7)
    """
    number = float(str(np.float32(value)))
    return int(number) if number.is_integer() and abs(number) < 1e9 else number


def pluralize(number: int, name: str) -> str:
    """A number and what it counts."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def missing_file(path: Path) -> str:
    """Says that a file is missing, and which files near it have a similar name."""
    folder = path.parent
    if not os.path.isdir(folder):
        return f"no such file, nor its folder {folder}. Check the path."
    near = difflib.get_close_matches(path.name, os.listdir(folder), n=3)
    return f"no such file. {'Did you mean ' + ', '.join(near) + '?' if near else 'Check the path.'}"
