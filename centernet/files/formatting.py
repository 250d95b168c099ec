"""How numbers are written in files and messages."""

from __future__ import annotations

import numpy as np


def shortest(value: float | np.floating) -> int | float:
    """The number with the fewest digits that is the same in float32, whole if it is.

    >>> shortest(np.float32(388.66)), shortest(7.0)
    (388.66, 7)
    """
    number = float(str(np.float32(value)))
    return int(number) if number.is_integer() and abs(number) < 1e9 else number


def amount(number: int, name: str) -> str:
    """A number and what it counts."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"
