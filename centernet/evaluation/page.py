"""The parts of a report that are figures and charts."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from centernet.evaluation.charts import PALETTE, Line, bar, line_chart
from centernet.evaluation.coco import RECALLS
from centernet.evaluation.outcomes import MISTAKES
from centernet.evaluation.page import cell, section, table
from centernet.evaluation.table import NONE, figure, notes
from centernet.files.formatting import amount

if TYPE_CHECKING:
    from centernet.evaluation.result import Evaluation

MOST_CASES = 50
SIZES = (("small", 0, 32**2), ("medium", 32**2, 96**2), ("large", 96**2, math.inf))


def tiles(e: Evaluation) -> str:
    """The most important figures, large."""
    shown = [("AP", e.ap), ("AP50", e.ap50), ("AP75", e.ap75), ("AR100", e.ar100)]
    if e.keypoints:
        shown += [("keypoint AP", e.keypoints.ap), ("keypoint AR", e.keypoints.ar)]
    precision, recall = e.score_curves.at(e.score)
    shown += [(f"precision at {e.score:.2f}", precision), (f"recall at {e.score:.2f}", recall)]
    made = [f'<div class="tile"><b>{figure(value)}</b><span>{escape(name)}</span></div>' for name, value in shown]
    return f'<div class="tiles">{"".join(made).replace("tile", "tile first", 1)}</div>'


def curves(e: Evaluation) -> str:
    """Precision over recall, and both over the least score."""
    overlaps = [("overlap 0.50", 0.5), ("overlap 0.75", 0.75), ("mean of 0.50–0.95", None)]
    mean = [
        Line(name, RECALLS, e.precision_recall(o), color) for (name, o), color in zip(overlaps, PALETTE, strict=False)
    ]
    by_score, found = e.score_curves, e.score_curves.scores
    values = (("precision", by_score.precision[-1]), ("recall", by_score.recall[-1]), ("F1", by_score.f1[-1]))
    over_score = [Line(name, found, y, color) for (name, y), color in zip(values, PALETTE, strict=False)]
    return section(
        "Precision and recall",
        "Left: how many detections are right, at the score at which a part of the objects is found; mean of the "
        "classes. Right: what is right if detections below a score are left out (overlap 0.50, all classes together). "
        f"Below, detections are looked at from a score of {e.score:.2f}.",
        '<div class="pair"><div>',
        line_chart(mean, "recall", "precision"),
        "</div><div>",
        line_chart(over_score, "least score", "precision, recall, F1", (e.score, f"{e.score:.2f}")),
        "</div></div>",
    )


def sizes(e: Evaluation) -> str:
    """Figures by size, and those of keypoints."""
    areas = np.concatenate([m.pair.sample.areas[m.objects] for m in e.matches])
    rows = []
    for name, low, high in SIZES:
        count = int(((areas >= low) & (areas < high)).sum())
        values = getattr(e, f"ap_{name}"), getattr(e, f"ar_{name}")
        rows.append([cell(name), cell(f"{count:,}"), *(_meter(value) for value in values)])
    parts = [
        "<div>",
        table(["objects by area", "objects", "AP", "AR100"], rows),
        '<p class="soft">Small objects have an area below 32² pixels, large ones above 96².</p></div>',
    ]
    points = e.keypoints
    if points:
        names = (("all", "ap", "ar"), ("similarity 0.50", "ap50", "ar50"), ("similarity 0.75", "ap75", "ar75"))
        named = [*names, ("medium", "ap_medium", "ar_medium"), ("large", "ap_large", "ar_large")]
        rows = [[cell(name), *(_meter(getattr(points, key)) for key in keys)] for name, *keys in named]
        counted = f"{amount(points.objects, points.class_name)} with labeled keypoints."
        parts += ["<div>", table(["keypoints", "AP", "AR"], rows), f'<p class="soft">{escape(counted)}</p></div>']
    else:
        limits = [("best detection", e.ar1), ("10 best", e.ar10), ("100 best", e.ar100)]
        rows = [[cell(name), _meter(value)] for name, value in limits]
        note = "How many objects are found if only the best detections of each image and class are kept."
        parts += ["<div>", table(["recall", "AR"], rows), f'<p class="soft">{note}</p></div>']
    return section("By size", "Average precision and recall.", '<div class="pair">', *parts, "</div>")


def classes(e: Evaluation) -> str:
    """Figures and curves of each class."""
    ordered = sorted(e.classes, key=lambda one: (one.objects == 0, -one.ap if one.objects else 0))
    head = ["class", "objects", "AP", "AP50", "AP75", "AR100", f"detections ≥ {e.score:.2f}", "precision", "recall"]
    rows = []
    for one in ordered:
        if one.objects:
            values = [_meter(one.ap), *(cell(figure(value)) for value in (one.ap50, one.ap75, one.ar100))]
            last = [cell(f"{one.detections:,}"), cell(figure(one.precision)), cell(figure(one.recall))]
            rows.append([cell(one.name), cell(f"{one.objects:,}"), *values, *last])
        else:
            nothing = cell(NONE, "none")
            found = cell(f"{one.detections:,}")
            rows.append([cell(one.name), cell("no objects", "none"), *[nothing] * 4, found, nothing, nothing])
    note = "The best first; precision and recall at an overlap of 0.50."
    return section("Classes", note, table(head, rows), _class_chart(e))


def _class_chart(e: Evaluation) -> str:
    """Precision over recall of each class; nothing where lines would hide each other."""
    present = [number for number, one in enumerate(e.classes) if one.objects]
    if not 1 < len(present) <= len(PALETTE):
        return ""
    lines = [
        Line(
            f"{e.class_names[number]} (AP50 {figure(e.classes[number].ap50)})",
            RECALLS,
            e.precision_recall(0.5, number),
            color,
        )
        for number, color in zip(present, PALETTE, strict=False)
    ]
    return f'<div class="chart">{line_chart(lines, "recall", "precision at overlap 0.50")}</div>'


def mistakes(e: Evaluation) -> str:
    """What is wrong with detections, and what was missed."""
    true = sum(int(outcome.true.sum()) for outcome in e.outcomes)
    missed = sum(int(outcome.missed.sum()) for outcome in e.outcomes)
    total = max(true + sum(e.confusion.mistakes.values()), e.objects, 1)
    rows = [("right", true, "#009e73", "overlaps an object of its class by 0.5 or more")]
    rows += [(kind, e.confusion.mistakes[kind], "#d55e00", text) for kind, text in MISTAKES.items()]
    rows.append(("missed objects", missed, "#e0b000", "found by no detection of their class"))
    lines = [
        [
            cell(name),
            cell(f"{count:,}"),
            cell("", "grow", bar(count / total, color, "long")),
            cell(text, "text"),
        ]
        for name, count, color, text in rows
    ]
    return section(
        f"Mistakes at a score of {e.score:.2f}",
        "Each detection is of one kind, the first that fits.",
        table(["detections", "number", "", ""], lines),
    )


def closing(e: Evaluation) -> str:
    """What is not in the figures, and how they came about."""
    parts = []
    for heading, cases in notes(e):
        shown = [f"<li>{escape(case)}</li>" for case in cases[:MOST_CASES]]
        more = len(cases) - MOST_CASES
        shown += [f"<li>… {more} more, see report.json</li>"] if more > 0 else []
        parts.append(f"<h3>{escape(heading)}</h3><ul>{''.join(shown)}</ul>" if shown else f"<p>{escape(heading)}.</p>")
    rows = [[cell(name.replace("_", " ")), cell(_said(value), "text")] for name, value in e.settings.items()]
    if e.keypoints:
        rows.append([cell("σ of keypoints"), cell(_said(e.keypoints.sigmas), "text")])
    if e.seconds:
        each = e.seconds[0] / max(e.images, 1)
        text = f"{e.seconds[0]:.1f} s for detecting ({each * 1e3:.0f} ms an image), {e.seconds[1]:.1f} s for counting"
        rows.append([cell("time"), cell(text, "text")])
    return section("How it was evaluated", "Counted as pycocotools counts.", *parts, table(["setting", ""], rows))


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_said(item)}" for name, item in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return " ".join(map(_said, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)


def _meter(value: float) -> str:
    return f"<td>{bar(value)}{figure(value)}</td>"
