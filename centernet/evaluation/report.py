"""The report of an evaluation: one page with tables, charts and pictures in it, and the same as JSON."""

from __future__ import annotations

import base64
import io
import logging
from datetime import datetime
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from centernet.errors import ConfigError, SourceError
from centernet.evaluation import sections
from centernet.evaluation.confusion_table import confusion
from centernet.evaluation.outcomes import Outcome
from centernet.evaluation.page import page, section
from centernet.evaluation.pictures import FALSE, FOUND, IGNORED, MISSED, draw_outcome
from centernet.files.formatting import pluralize
from centernet.files.package import package_version

if TYPE_CHECKING:
    from centernet.evaluation.result import Evaluation

logger = logging.getLogger("centernet")

PAGE, DATA = "report.html", "report.json"
JPEG_QUALITY = 82


def write_report(
    evaluation: Evaluation, folder: Path, *, worst: int = 12, max_bytes: int = 8_000_000, overwrite: bool = False
) -> Path:
    """Write `report.html` and `report.json`.

    Args:
        evaluation: What to report.
        folder: Where to; it is created if it is not there.
        worst: Number of images to show, those with most mistakes.
        max_bytes: Size that the page may reach; images that would exceed it are left out.
        overwrite: Whether a report that is there may be replaced.

    Returns:
        The page.

    Raises:
        ConfigError: If there is a report already and `overwrite` is not set.
    """
    ensure_no_report(folder, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    evaluation.to_json(folder / DATA)
    path = folder / PAGE
    path.write_text(render(evaluation, worst=worst, max_bytes=max_bytes), encoding="utf-8")
    return path


def ensure_no_report(folder: Path, *, overwrite: bool) -> None:
    """Refuse to write over a report.

    Raises:
        ConfigError: If there is one and `overwrite` is not set.
    """
    there = [name for name in (PAGE, DATA) if (folder / name).exists()]
    if there and not overwrite:
        raise ConfigError(
            f"Expected a folder without a report. Received {folder}, which has {' and '.join(there)}. "
            "Name another folder, or allow to overwrite."
        )


def render(evaluation: Evaluation, *, worst: int = 12, max_bytes: int = 8_000_000) -> str:
    """The page as HTML; see `write_report`."""
    e = evaluation
    title = f"{e.model} on {e.dataset}"
    counts = (
        f"{pluralize(e.images, 'image')}, {pluralize(e.objects, 'object')}, {pluralize(len(e.class_names), 'class')}"
    )
    parts = [
        f'<h1>{escape(title)}</h1><p class="soft">{counts.replace("classs", "classes")}</p>',
        sections.tiles(e),
        sections.curves(e),
        sections.sizes(e),
        sections.classes(e),
        sections.mistakes(e),
        confusion(e),
    ]
    closing = [sections.closing(e), _footer()]
    room = max_bytes - len(page(title, parts + closing).encode())
    return page(title, [*parts, _pictures(e.worst(worst), room, e.score), *closing])


def _footer() -> str:

    return f"<footer>centernet {escape(package_version())}, {datetime.now():%Y-%m-%d %H:%M}</footer>"


def _pictures(worst: list[Outcome], room: int, score: float) -> str:
    figures: list[str] = []
    left = 0
    for outcome in worst:
        try:
            shown = _figure(outcome)
        except SourceError as error:
            logger.warning("not shown in the report: %s", error)
            continue
        if len(shown) > room:
            left += 1
            continue
        room -= len(shown)
        figures.append(shown)
    note = "Left the objects, right the detections. Most mistakes (wrong detections and missed objects) first."
    if left:
        note += f" {pluralize(left, 'more image')} would make the page too large."
    if not figures:
        note = "There is none to show."
    return section(f"Worst images at a score of {score:.2f}", note, _legend() if figures else "", *figures)


def _figure(outcome: Outcome) -> str:
    sample = outcome.match.pair.sample
    name = Path(sample.name).name
    counts = [
        pluralize(int(mask.sum()), kind) for mask, kind in ((outcome.missed, "object"), (outcome.false, "detection"))
    ]
    caption = f"<b>{escape(name)}</b> · {int(outcome.true.sum())} found, {counts[0]} missed, {counts[1]} wrong"
    pictures = zip(draw_outcome(outcome), ("objects", "detections"), strict=True)
    images = [f'<img src="{_data_uri(picture)}" alt="{escape(name)}: {kind}">' for picture, kind in pictures]
    return f"<figure><figcaption>{caption}</figcaption><div>{''.join(images)}</div></figure>\n"


def _legend() -> str:
    meaning = {FOUND: "found", MISSED: "missed object", FALSE: "wrong detection", IGNORED: "ignored (crowd)"}
    keys = [f'<span><i class="box" style="background:rgb{color}"></i>{text}</span>' for color, text in meaning.items()]
    return f'<div class="legend">{"".join(keys)}</div>'


def _data_uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
