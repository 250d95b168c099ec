"""`centernet convert`: any form of weights to our own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from centernet.cli.arguments import split_names


class Precision(StrEnum):
    """How weights are stored."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


def convert(
    source: Annotated[
        str, typer.Argument(help="A model's name, or a checkpoint, saved model, archive, address or handle.")
    ],
    target: Annotated[Path, typer.Argument(help="Folder to write, or a path ending in .zip or .keras.")],
    weights: Annotated[
        str | None, typer.Option(help="Weights from elsewhere, if SOURCE only describes a model.")
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Other classes, as names with commas: the trunk is kept.")] = None,
    dtype: Annotated[Precision | None, typer.Option(help="Precision of the stored weights [float32].")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a model that is there.")] = False,
) -> None:
    """Save a model in the library's own form, which loads fastest, and say what was taken from where."""
    from centernet.checkpoints.saved.form import check_form
    from centernet.cli import console
    from centernet.errors import ConfigError
    from centernet.loading import PUBLISHED, load

    options = {"dtype": dtype.value} if dtype else {}
    check_form(target, **options)  # before anyone has waited for a model
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists already. Name another path, or add --overwrite to replace a saved model.")
    detector = load(source, weights or PUBLISHED, split_names(classes))
    detector.save(target, overwrite=overwrite, **options)
    console.stdout().print(str(detector.report), soft_wrap=True)
    console.stdout().print(f"Saved {detector.name} to {target} ({_megabytes(target):.1f} MB).", soft_wrap=True)


def _megabytes(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6
