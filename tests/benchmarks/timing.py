"""Timing for the benchmarks: sides in turn, medians, ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

WARM_UP = 2


def interleave(sides: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Median milliseconds of each side; all are run in turn, so that a slow moment of the machine meets all."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(WARM_UP + runs):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            if number >= WARM_UP:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: median(values) for name, values in times.items()}


def print_table(title: str, medians: Mapping[str, float], unit: str) -> None:
    """A Markdown table of medians and their ratio to the side called `unit`."""
    print(f"{title}\n\n| what | median ms | ratio |\n|---|---:|---:|")
    for name, value in medians.items():
        print(f"| {name} | {value:.2f} | {value / medians[unit]:.2f} |")
    print()
