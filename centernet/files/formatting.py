"""How numbers, counts and missing files are written in files and messages."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np


def shortest_number(value: float | np.floating) -> int | float:
    """Return the number with the fewest digits that equals a value in float32; an int if it is whole.

    >>> shortest_number(np.float32(388.66)), shortest_number(7.0)
    (388.66, 7)
    """
    number = float(str(np.float32(value)))
    return int(number) if number.is_integer() and abs(number) < 1e9 else number


def pluralize(count: int, noun: str) -> str:
    """Return a count and its noun.

    >>> pluralize(1, "image"), pluralize(1200, "class")
    ('1 image', '1,200 classes')
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def shortened_list(names: Iterable[object], limit: int = 5) -> str:
    """Return the first names and the number of the rest.

    >>> shortened_list(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    texts = [str(name) for name in names]
    return ", ".join(texts[:limit]) + (f" and {len(texts) - limit:,} more" if len(texts) > limit else "")


def aligned_columns(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return rows of text as columns of equal width, the first `left` ones flush left and the rest flush right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = "<" * left + ">" * (len(widths) - left)
    lines = ("  ".join(f"{c:{side}{width}}" for c, side, width in zip(row, sides, widths, strict=True)) for row in rows)
    return "\n".join(map(str.rstrip, lines))


def missing_file(path: Path) -> str:
    """Describe a missing file, and suggest files of the same folder with a similar name."""
    folder = path.parent
    if not os.path.isdir(folder):
        return f"no such file, nor its folder {folder}. Check the path."
    near = difflib.get_close_matches(path.name, os.listdir(folder), n=3)
    return f"no such file. {'Did you mean ' + ', '.join(near) + '?' if near else 'Check the path.'}"
