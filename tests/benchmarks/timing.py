"""What the benchmarks share: sides timed in turn, and a table of medians and ratios."""

from __future__ import annotations

from collections.abc import Mapping

from centernet.cli.commands.benchmark import interleave

__all__ = ["interleave", "print_table"]


def print_table(title: str, medians: Mapping[str, float], unit: str) -> None:
    """A Markdown table of medians and their ratio to the side called `unit`."""
    print(f"{title}\n\n| what | median ms | ratio |\n|---|---:|---:|")
    for name, value in medians.items():
        print(f"| {name} | {value:.2f} | {value / medians[unit]:.2f} |")
    print()
