"""The splits that datasets have, by the names that people give them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from centernet.errors import ConfigError

ALL = "all"
NAMES = ("train", "training", "trainval", "val", "valid", "validation", "test")
# Names of one and the same split.
_SYNONYMS = (("train", "training"), ("val", "valid", "validation"))
_VALIDATION = ("val", "valid", "validation", "test")
# What is trained on, and what it is validated on: trainval holds val, so only test goes with it.
_PAIRS: Sequence[tuple[str, Sequence[str]]] = (
    ("train", _VALIDATION),
    ("training", _VALIDATION),
    ("trainval", ("test",)),
)
_WORD = re.compile(rf"(?:^|[^a-z])({'|'.join(sorted(NAMES, key=len, reverse=True))})\d*(?![a-z0-9])")


def split_in(name: str) -> str | None:
    """The split that the name of a file or folder holds; of several the last.

    >>> split_in("instances_train2017.json"), split_in("valid"), split_in("latest.csv")
    ('train', 'valid', None)
    """
    found = _WORD.findall(name.lower())
    return found[-1] if found else None


def train_and_validation(splits: Iterable[str]) -> tuple[str, str] | None:
    """The split to train on and the one to validate on: val, valid, validation, test in this order; None without."""
    there = set(splits)
    pairs = ((first, second) for first, seconds in _PAIRS for second in seconds)
    return next((pair for pair in pairs if there.issuperset(pair)), None)


def find_split(wanted: str, splits: Sequence[str], where: str) -> str:
    """The split that is meant by a name, which may be another name for it (val, valid, validation).

    Raises:
        ConfigError: If there is no such split.
    """
    same = next((names for names in _SYNONYMS if wanted in names), ())
    for name in (wanted, *same):
        if name == ALL or name in splits:
            return name
    has = f"It has {', '.join(splits)}" if splits else "It has no splits of its own"
    raise ConfigError(
        f"Expected a split of {where}. Received: split={wanted!r}. {has}; split='all' gives everything, which "
        "Dataset.split() divides."
    )


def disjoint(splits: Iterable[str]) -> list[str]:
    """The splits that hold everything once: without trainval where train and val are there."""
    there = list(splits)
    doubled = {"train", "val"} <= set(there)
    return [name for name in there if not (doubled and name == "trainval")]
