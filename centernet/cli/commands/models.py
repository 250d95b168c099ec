"""`centernet models`: the models that `centernet.load` knows by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from typer import Option

from centernet.cli import console
from centernet.models.config import ModelConfig
from centernet.models.presets import list_models

FIGURES = ("size", "box\nAP", "keypoint\nAP", "ms")
COLUMNS = ("name", "network", "task", *FIGURES)
# Columns that a narrow terminal omits, in this order. The names contain network and task.
OPTIONAL = (("network", "task"), ("ms",), ("keypoint\nAP",))


def models(
    as_json: Annotated[bool, Option("--json", help="Print the list as JSON.")] = False,
    names: Annotated[bool, Option("--names", help="Print names only, one per line.")] = False,
) -> None:
    """List the models that can be loaded by name, with their published accuracy and speed.

    Average precision (0–100) is on COCO val2017 unless the model says otherwise; ms is the published latency.
    """
    if as_json:
        typer.echo(json.dumps([_description(model) for model in list_models()], indent=1))
    elif names:
        typer.echo("\n".join(list_models().names))
    else:
        _print_table(list_models())


def _description(model: ModelConfig) -> dict[str, Any]:
    published = model.published
    return {
        "name": model.name,
        "network": model.backbone["name"],
        "task": model.task,
        "image_size": list(model.preprocessing.size),
        "classes": len(model.classes),
        "box_ap": published.box_ap,
        "keypoint_ap": published.keypoint_ap,
        "latency_ms": published.latency_ms,
        "dataset": published.dataset,
        "url": model.archive.url,
    }


def _print_table(configs: Sequence[ModelConfig]) -> None:
    out = console.stdout()
    rows = [_cells(model) for model in configs]
    columns = list(COLUMNS)
    for optional in OPTIONAL:
        if _width(_table(rows, columns), out) <= out.width:
            break
        columns = [column for column in columns if column not in optional]
    out.print(_table(rows, columns))


def _table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> Table:
    padding = int("network" in columns)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, padding, 0, 0), show_edge=False, pad_edge=False)
    for column in columns:
        # In an even narrower terminal, only names continue on the next line.
        figures = column in FIGURES
        table.add_column(column, justify="right" if figures else "left", no_wrap=figures, overflow="fold")
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


def _width(table: Table, out: Console) -> int:
    """Width of a table in characters."""
    return out.measure(table, options=out.options.update(width=console.UNLIMITED_WIDTH)).maximum


def _cells(model: ModelConfig) -> dict[str, str]:
    height, width = model.preprocessing.size
    figures = (model.published.box_ap, model.published.keypoint_ap, model.published.latency_ms)
    texts = ("–" if figure is None else f"{figure:g}" for figure in figures)
    values = (model.name, model.backbone["name"], model.task, f"{height}x{width}", *texts)
    return dict(zip(COLUMNS, values, strict=True))
