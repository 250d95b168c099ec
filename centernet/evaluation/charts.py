"""Charts as SVG, which a page shows without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

# Okabe and Ito, "Color Universal Design", 2008, without the yellow that is too light for a line.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#555555")
WIDTH, HEIGHT = 520, 340
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 42
TICKS = (0, 0.2, 0.4, 0.6, 0.8, 1)


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: For the legend, and for whoever points at it.
        x: Positions, 0–1.
        y: Values, 0–1; NaN leaves a gap.
        color: CSS color.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    color: str


def line_chart(
    lines: Sequence[Line], x_label: str, y_label: str, mark: tuple[float, str] | None = None, title: str = ""
) -> str:
    """A chart of lines over 0–1, with values 0–1.

    Args:
        lines: The first lies below the others.
        x_label: What the positions are.
        y_label: What the values are.
        mark: A position to mark, and what to write beside it.
        title: For those who can't see it.

    Returns:
        HTML: the chart and its legend.
    """
    parts = [_axes(x_label, y_label), *map(_path, lines)]
    if mark:
        parts.append(_mark(*mark))
    label = escape(title or f"{y_label} over {x_label}", quote=True)
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'
    keys = [f'<span><i style="background:{line.color}"></i>{escape(line.name)}</span>' for line in lines]
    return f'{svg}<div class="legend">{"".join(keys)}</div>'


def bar(value: float, color: str = PALETTE[0], kind: str = "") -> str:
    """A bar for a table, filled by a part of 0–1.

    Args:
        value: The part; NaN is nothing.
        color: CSS color.
        kind: A CSS class of the bar.

    Returns:
        HTML.
    """
    part = 0.0 if np.isnan(value) else min(max(value, 0.0), 1.0)
    filled = f'<b style="width:{100 * part:.1f}%;background:{color}"></b>'
    return f'<span class="track {kind}">{filled}</span>'


def _x(value: float) -> float:
    return LEFT + value * (WIDTH - LEFT - RIGHT)


def _y(value: float) -> float:
    return TOP + (1 - value) * (HEIGHT - TOP - BOTTOM)


def _axes(x_label: str, y_label: str) -> str:
    parts = []
    for tick in TICKS:
        x, y, text = _x(tick), _y(tick), f"{tick:g}"
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}" text-anchor="middle">{text}</text>')
    middle_x, middle_y = _x(0.5), _y(0.5)
    parts.append(f'<text x="{middle_x}" y="{HEIGHT - 6}" text-anchor="middle" class="axis">{escape(x_label)}</text>')
    turned = f'transform="translate(13 {middle_y}) rotate(-90)"'
    parts.append(f'<text {turned} text-anchor="middle" class="axis">{escape(y_label)}</text>')
    return "".join(parts)


def _path(line: Line) -> str:
    steps, pen_down = [], False
    for x, y in zip(line.x.tolist(), line.y.tolist(), strict=True):
        if np.isnan(y):
            pen_down = False
            continue
        steps.append(f"{'L' if pen_down else 'M'}{_x(x):.1f} {_y(y):.1f}")
        pen_down = True
    drawn = f'<path d="{"".join(steps)}" fill="none" stroke="{line.color}" stroke-width="2"'
    return f'{drawn} stroke-linejoin="round"><title>{escape(line.name)}</title></path>'


def _mark(position: float, text: str) -> str:
    x = _x(position)
    anchor, offset = ("end", -6) if position > 0.7 else ("start", 6)
    line = f'<path class="mark" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
    return f'{line}<text class="note" x="{x + offset:.1f}" y="{TOP + 12}" text-anchor="{anchor}">{escape(text)}</text>'
