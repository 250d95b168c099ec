"""`centernet models`: what `centernet.load` knows by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from centernet.config import ModelConfig

WIDE_ONLY = ("network", "task")
NUMBERS = ("size", "box\nAP", "keypoint\nAP", "ms")
COLUMNS = ("name", *WIDE_ONLY, *NUMBERS)
WIDE = 118  # columns of a terminal that all of them need


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
    names: Annotated[bool, typer.Option("--names", help="Print names only, one a line.")] = False,
) -> None:
    """List the models that are known by name, with their published figures.

    Average precision is that of COCO val2017 unless the model says otherwise, 0–100; ms is the published latency.
    """
    from centernet.presets import list_models

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
    from rich import box
    from rich.table import Table

    from centernet.commands import console

    # In a narrow terminal the names, which tell network and task, matter most.
    wide = console.stdout().width >= WIDE
    columns = [column for column in COLUMNS if wide or column not in WIDE_ONLY]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, int(wide), 0, 0), show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in NUMBERS else "left", no_wrap=True)
    for model in listed:
        cells = _cells(model)
        table.add_row(*(cells[column] for column in columns))
    console.stdout().print(table)


def _cells(model: ModelConfig) -> dict[str, str]:
    height, width = model.preprocessing.size
    figures = (model.published.box_ap, model.published.keypoint_ap, model.published.latency_ms)
    texts = ("–" if figure is None else f"{figure:g}" for figure in figures)
    values = (model.name, model.backbone["name"], model.task, f"{height}x{width}", *texts)
    return dict(zip(COLUMNS, values, strict=True))
