"""The report of an evaluation: one page with tables, charts and pictures in it, and the same as JSON."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image

from centernet.errors import ConfigError, SourceError
from centernet.evaluation.base import EvaluationBase, figure
from centernet.evaluation.matching import Outcome
from centernet.evaluation.page import FALSE, IGNORED, MISSED, TRUE, draw_outcome, page_content, path, percent
from centernet.files.environment import package_version
from centernet.files.formatting import pluralize

logger = logging.getLogger("centernet")

PAGE, DATA = "report.html", "report.json"
TEMPLATE = Path(__file__).with_name("report.html")
JPEG_QUALITY = 82
LEGEND = {TRUE: "detected", MISSED: "missed object", FALSE: "wrong detection", IGNORED: "ignored (crowd)"}


def write_report(
    evaluation: EvaluationBase, folder: Path, *, worst: int = 12, max_bytes: int = 8_000_000, overwrite: bool = False
) -> Path:
    """Write `report.html` and `report.json`.

    Args:
        evaluation: The evaluation.
        folder: Folder of the report; it is created if it doesn't exist.
        worst: Number of images to show, those with the most mistakes.
        max_bytes: Maximum size of the page; images that would exceed it are left out.
        overwrite: Whether an existing report may be replaced.

    Returns:
        The path of the page.

    Raises:
        ConfigError: If there is a report already and `overwrite` is not set.
    """
    ensure_no_report(folder, overwrite=overwrite)
    folder.mkdir(parents=True, exist_ok=True)
    evaluation.to_json(folder / DATA)
    page = folder / PAGE
    page.write_text(render(evaluation, worst=worst, max_bytes=max_bytes), encoding="utf-8")
    return page


def ensure_no_report(folder: Path, *, overwrite: bool) -> None:
    """Refuse to replace a report.

    Raises:
        ConfigError: If there is one and `overwrite` is not set.
    """
    existing = [name for name in (PAGE, DATA) if (folder / name).exists()]
    if existing and not overwrite:
        raise ConfigError(
            f"Expected a folder without a report. Received {folder}, which has {' and '.join(existing)}. "
            "Choose another folder, or allow overwriting."
        )


def render(evaluation: EvaluationBase, *, worst: int = 12, max_bytes: int = 8_000_000) -> str:
    """The page as HTML; see `write_report`."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"figure": figure, "path": path, "percent": percent, "pluralize": pluralize}
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    footer = f"centernet {package_version()}, {datetime.now():%Y-%m-%d %H:%M}"
    content = page_content(evaluation) | {"legend": LEGEND, "footer": footer}
    empty = template.render(content, figures=[], pictures_note="")
    figures, left_out = _figures(evaluation.worst(worst), max_bytes - len(empty.encode()))
    note = "Left the objects, right the detections. Most mistakes (wrong detections and missed objects) first."
    if left_out:
        note += f" {pluralize(left_out, 'more image')} would make the page too large."
    return template.render(content, figures=figures, pictures_note=note if figures else "There is none to show.")


def _figures(worst: Iterable[Outcome], room: int) -> tuple[list[dict[str, Any]], int]:
    """Pictures that fit into a number of bytes, and how many don't."""
    figures: list[dict[str, Any]] = []
    left_out = 0
    for outcome in worst:
        try:
            made = _figure(outcome)
        except SourceError as error:
            logger.warning("not shown in the report: %s", error)
            continue
        size = sum(len(data) for _, data in made["images"]) + 4 * len(made["name"]) + 200
        if size > room:
            left_out += 1
            continue
        room -= size
        figures.append(made)
    return figures, left_out


def _figure(outcome: Outcome) -> dict[str, Any]:
    missed, wrong = pluralize(int(outcome.missed.sum()), "object"), pluralize(int(outcome.false.sum()), "detection")
    return {
        "name": Path(outcome.match.pair.sample.name).name,
        "counts": f"{int(outcome.true.sum())} detected, {missed} missed, {wrong} wrong",
        "images": list(zip(("objects", "detections"), map(_data_uri, draw_outcome(outcome)), strict=True)),
    }


def _data_uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
