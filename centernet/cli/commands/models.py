"""`centernet models`: what `centernet.load` knows by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from centernet.cli.console import UNLIMITED_WIDTH

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from centernet.models.config import ModelConfig

NUMBERS = ("size", "box\nAP", "keypoint\nAP", "ms")
COLUMNS = ("name", "network", "task", *NUMBERS)
# What a narrow terminal can do without, first to last; the names tell network and task.
DROPPED = (("network", "task"), ("ms",), ("keypoint\nAP",))


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Print names only, one a line.")] = False,
) -> None:
    """List the models that are known by name, with their published figures.

    Average precision is that of COCO val2017 unless the model says otherwise, 0–100; ms is the published latency.
    """
    from centernet.models.presets import list_models

    if as_json:
        import json

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


def _print_table(listed: tuple[ModelConfig, ...]) -> None:
    from centernet.cli import console

    out = console.stdout()
    rows = [_cells(model) for model in listed]
    columns = list(COLUMNS)
    for dropped in DROPPED:
        if _width(_table(rows, columns), out) <= out.width:
            break
        columns = [column for column in columns if column not in dropped]
    out.print(_table(rows, columns))


def _table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> Table:
    from rich import box
    from rich.table import Table

    padding = int("network" in columns)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, padding, 0, 0), show_edge=False, pad_edge=False)
    for column in columns:
        numbers = column in NUMBERS
        # In a terminal that is narrower still, names go on in the next line.
        table.add_column(column, justify="right" if numbers else "left", no_wrap=numbers, overflow="fold")
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


def _width(table: Table, out: Console) -> int:
    """Columns of a terminal that a table needs."""
    return out.measure(table, options=out.options.update(width=UNLIMITED_WIDTH)).maximum


def _cells(model: ModelConfig) -> dict[str, str]:
    height, width = model.preprocessing.size
    figures = (model.published.box_ap, model.published.keypoint_ap, model.published.latency_ms)
    texts = ("–" if figure is None else f"{figure:g}" for figure in figures)
    values = (model.name, model.backbone["name"], model.task, f"{height}x{width}", *texts)
    return dict(zip(COLUMNS, values, strict=True))
