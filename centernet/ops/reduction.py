"""Sums over a whole batch of which each of several devices has a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Gives the sum of a number over all devices that share a batch.
Total = Callable[[Any], Any]


def itself(value: Any) -> Any:
    """The sum over all devices where there is only one."""
    return value
