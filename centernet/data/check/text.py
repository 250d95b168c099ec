"""The report of a check as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from centernet.data.check.problems import Problem
from centernet.files.formatting import pluralize
from centernet.ops.preprocessing import MAX_DETECTIONS

if TYPE_CHECKING:
    from centernet.data.check.report import CheckReport, ClassCounts

MOST_CLASSES = 100
NONE = "–"
HEAD = ("class", "objects", "share", "images", "crowds", "median cells", "< a cell", "same cell")


def as_text(report: CheckReport) -> str:
    """What there is, classes, figures, problems, notes and the verdict."""
    dataset = report.dataset
    objects = sum(len(sample.boxes) for sample in dataset)
    counts = f"{pluralize(len(dataset), 'image')}, {pluralize(objects, 'object')}"
    classes = f"{len(dataset.class_names):,} class{'' if len(dataset.class_names) == 1 else 'es'}"
    parts = [f"{dataset.name}: {counts}, {classes}" + ("" if report.images_read else " (images were not read)")]
    if report.classes:
        parts.append(_classes(report.classes))
    if report.figures.objects:
        parts.append(_figures(report))
    parts += [_list(title, found) for title, found in (("Problems", report.problems), ("Notes", report.notes)) if found]
    return "\n\n".join([*parts, f"Verdict: {report.verdict}."])


def _classes(classes: Sequence[ClassCounts]) -> str:
    total = sum(one.objects for one in classes)
    rows = [list(HEAD)]
    for one in sorted(classes, key=lambda one: -one.objects)[:MOST_CLASSES]:
        share = f"{one.objects / total:.1%}" if total else NONE
        cells = f"{one.cells[0]:.1f} x {one.cells[1]:.1f}" if one.cells else NONE
        numbers = (one.objects, one.images, one.ignored, one.small, one.shared)
        count, images, ignored, small, shared = (f"{number:,}" for number in numbers)
        rows.append([one.name, count, share, images, ignored, cells, small, shared])
    shown = [column for column in range(len(HEAD)) if HEAD[column] != "crowds" or any(one.ignored for one in classes)]
    more = len(classes) - MOST_CLASSES
    return _aligned([[row[column] for column in shown] for row in rows]) + (f"\n… {more} more" if more > 0 else "")


def _figures(report: CheckReport) -> str:
    one, (height, width) = report.figures, report.input_size
    sides = ", ".join(
        f"{name} {side:.1f}"
        for name, side in zip(("smallest", "5 %", "median", "95 %", "largest"), one.sides, strict=True)
    )
    fewest, median, most = one.in_image
    crowded = f", {one.crowded:,} have more than {MAX_DETECTIONS}" if one.crowded else ""
    rows = [
        ["side of boxes in cells", sides],
        ["smaller than a cell", _of(one.small, one.objects)],
        ["center in another's cell", f"{_of(one.shared_class, one.objects)} of its class, {one.shared_any:,} of any"],
        ["objects an image", f"fewest {fewest}, median {median:g}, most {most}; {one.without:,} have none{crowded}"],
    ]
    lead = f"At an input of {width}x{height} (width x height), whose output has a cell for 4x4 pixels:\n"
    return lead + _aligned(rows, left=2)


def _of(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.2%})"


def _list(title: str, found: Sequence[Problem]) -> str:
    lines = [f"  {'! ' if one.level == 'fatal' else ''}{one}\n    {one.advice}" for one in found]
    return "\n".join([f"{title}:", *lines])


def _aligned(rows: list[list[str]], left: int = 1) -> str:
    """Columns of equal width: the first ones to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
