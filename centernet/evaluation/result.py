"""An evaluation as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from centernet.files.formatting import amount

if TYPE_CHECKING:
    from centernet.evaluation.result import Evaluation

MOST_CLASSES = 100
MOST_LINES = 10
NONE = "–"


def as_text(evaluation: Evaluation) -> str:
    """The figures as a table, the classes below it, then what was left out."""
    e, p = evaluation, evaluation.keypoints
    blocks = [f"{e.model} on {e.dataset}: {amount(e.images, 'image')}, {amount(e.objects, 'object')}"]
    blocks.append(
        _aligned(
            [
                ["boxes", "AP", "AP50", "AP75", "small", "medium", "large"],
                ["", *map(figure, (e.ap, e.ap50, e.ap75, e.ap_small, e.ap_medium, e.ap_large))],
                ["", "AR1", "AR10", "AR100", "small", "medium", "large"],
                ["", *map(figure, (e.ar1, e.ar10, e.ar100, e.ar_small, e.ar_medium, e.ar_large))],
            ]
        )
    )
    if p:
        blocks.append(
            _aligned(
                [
                    ["keypoints", "AP", "AP50", "AP75", "medium", "large"],
                    ["", *map(figure, (p.ap, p.ap50, p.ap75, p.ap_medium, p.ap_large))],
                    ["", "AR", "AR50", "AR75", "medium", "large"],
                    ["", *map(figure, (p.ar, p.ar50, p.ar75, p.ar_medium, p.ar_large))],
                ]
            )
        )
    blocks.append(_classes(evaluation))
    blocks += [_list(heading, cases) for heading, cases in notes(evaluation)]
    return "\n\n".join(blocks)


def notes(evaluation: Evaluation) -> list[tuple[str, Sequence[str]]]:
    """What the figures don't count: a heading and the single cases."""
    found: list[tuple[str, Sequence[str]]] = []
    if evaluation.skipped:
        found.append((f"{amount(len(evaluation.skipped), 'image')} could not be read", evaluation.skipped))
    if evaluation.left_out:
        found.append((f"{amount(len(evaluation.left_out), 'object')} left out", evaluation.left_out))
    if evaluation.ignored:
        found.append((f"{amount(evaluation.ignored, 'crowd')} neither asked for nor wrong", ()))
    return found


def figure(value: float) -> str:
    """A figure with three decimals and no zero before them, as in .294."""
    return NONE if math.isnan(value) else f"{value:.3f}".removeprefix("0")


def _classes(evaluation: Evaluation) -> str:
    head = ["class", "objects", "AP", "AP50", "AP75", "AR100", f"precision at {evaluation.score:.2f}", "recall"]
    rows = [head]
    for one in evaluation.classes[:MOST_CLASSES]:
        if not one.objects:
            rows.append([one.name, "no objects", *[NONE] * 6])
            continue
        numbers = (one.ap, one.ap50, one.ap75, one.ar100, one.precision, one.recall)
        rows.append([one.name, f"{one.objects:,}", *map(figure, numbers)])
    more = len(evaluation.classes) - MOST_CLASSES
    return _aligned(rows) + (f"\n… {more} more" if more > 0 else "")


def _aligned(rows: list[list[str]]) -> str:
    """Columns of equal width: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)


def _list(heading: str, cases: Sequence[str]) -> str:
    lines = [f"  {case}" for case in cases[:MOST_LINES]]
    more = len(cases) - MOST_LINES
    return "\n".join([heading + (":" if lines else ""), *lines, *([f"  … {more} more"] if more > 0 else [])])
