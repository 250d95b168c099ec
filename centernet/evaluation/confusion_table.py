"""The part of a report that says which classes are taken for which."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from centernet.evaluation.page import cell, section, table

if TYPE_CHECKING:
    from centernet.evaluation.result import Evaluation

MOST_CLASSES = 20


def confusion(e: Evaluation) -> str:
    """The confusion matrix, of the classes that are most often confused if there are many, and the worst cases."""
    counts, names = e.confusion.counts, e.class_names
    chosen = _chosen(counts)
    note = (
        f"Rows are objects, columns are detections with a score of {e.score:.2f} or more that overlap them by 0.5 or "
        "more; colored by their part of the row."
    )
    if len(chosen) < len(names):
        note += f" Of {len(names)} classes, those that are most often taken for others."
    most = [[cell(was), cell(taken), cell(str(count))] for was, taken, count in e.confusion.most()]
    listed = table(["object", "taken for", "times"], most, full=False) if most and len(names) > 2 else ""
    return section("Confusion", note, f'<div class="wide">{_matrix(counts, names, chosen)}</div>', "<p></p>", listed)


def _chosen(counts: np.ndarray) -> list[int]:
    """Classes to show: all, or those that are most often confused."""
    classes = len(counts) - 1
    if classes <= MOST_CLASSES:
        return list(range(classes))
    between = counts[:-1, :-1] * ~np.eye(classes, dtype=bool)
    often = between.sum(axis=0) + between.sum(axis=1)
    ranked = np.lexsort((-counts[:-1].sum(axis=1), -often))
    return sorted(ranked[:MOST_CLASSES].tolist())


def _matrix(counts: np.ndarray, names: tuple[str, ...], chosen: list[int]) -> str:
    nothing = len(names)
    columns = [*chosen, nothing]
    titles = [*(names[k] for k in chosen), "missed"]
    head = "".join(f'<th class="up"><span>{escape(title)}</span></th>' for title in titles)
    rows = []
    for row, title in zip(columns, [*titles[:-1], "nothing there"], strict=True):
        total = max(int(counts[row].sum()), 1)
        cells = [_cell(int(counts[row, c]), counts[row, c] / total, row, c, nothing) for c in columns]
        rows.append(f"<tr><th>{escape(title)}</th>{''.join(cells)}</tr>")
    return f'<table class="matrix"><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'


def _cell(count: int, part: float, row: int, column: int, nothing: int) -> str:
    if not count:
        return "<td></td>"
    color = "0,158,115" if row == column else "213,94,0"
    # A row of what is nowhere has no right cell, and is wrong wherever it is.
    strength = 0.12 + 0.7 * part if row < nothing else 0.12 + 0.3 * part
    return f'<td style="background:rgba({color},{strength:.2f})">{count:,}</td>'
