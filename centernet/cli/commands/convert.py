"""`centernet convert`: from any checkpoint format to our own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import centernet
from centernet.checkpoints.saved.saving import check_form
from centernet.cli import arguments, console
from centernet.errors import ConfigError


class Precision(StrEnum):
    """Data type of stored weights."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


def convert(
    source: Annotated[
        str, Argument(help="Model name, checkpoint, saved model, archive, URL, or handle of TF-Hub or Kaggle.")
    ],
    target: Annotated[Path, Argument(help="Folder to write, or a path ending in .zip or .keras.")],
    weights: arguments.Weights = None,
    classes: Annotated[
        str | None, Option(help="Comma-separated new class names; the weights of other classes are dropped.")
    ] = None,
    dtype: Annotated[Precision | None, Option(help="Data type of the stored weights.", show_default="float32")] = None,
    overwrite: arguments.Overwrite = False,
) -> None:
    """Convert a model to this library's own format, which loads fastest.

    Prints which weights were taken from where.
    """
    options = {"dtype": dtype.value} if dtype else {}
    check_form(target, **options)  # before the model is loaded
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists already. Choose another path, or add --overwrite to replace a saved model.")
    detector = centernet.load(source, weights or "published", arguments.split_names(classes))
    detector.save(target, overwrite=overwrite, **options)
    console.stdout().out(str(detector.report))
    console.stdout().out(f"Saved {detector.name} to {target} ({_megabytes(target):.1f} MB).")


def _megabytes(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6
