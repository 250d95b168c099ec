"""`centernet convert`: from any checkpoint format to our own."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import yaml
from typer import Argument, Option

import centernet
from centernet.checkpoints.fields import check_supported
from centernet.checkpoints.saved.saving import check_form
from centernet.cli import arguments, console
from centernet.cli.fields import show_fields
from centernet.cli.recipe import read_content, read_recipe
from centernet.errors import ConfigError
from centernet.files.validation import to_plain


class Precision(StrEnum):
    """Data type of stored weights."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


def convert(
    source: Annotated[
        str, Argument(help="Model name, checkpoint, saved model, archive, URL, or handle of TF-Hub or Kaggle.")
    ],
    target: Annotated[
        Path | None, Argument(help="Folder to write, or a path ending in .zip or .keras; .yaml for a recipe.")
    ] = None,
    out: Annotated[Path | None, Option("--out", "-o", help="The same as TARGET.")] = None,
    weights: arguments.Weights = None,
    classes: Annotated[
        str | None, Option(help="Comma-separated new class names; the weights of other classes are dropped.")
    ] = None,
    dtype: Annotated[Precision | None, Option(help="Data type of the stored weights.", show_default="float32")] = None,
    ignore: arguments.Ignore = None,
    overwrite: arguments.Overwrite = False,
) -> None:
    """Convert a model to this library's own format, or another program's training to a recipe.

    Prints which weights were taken from where. The training is a pipeline.config of the Detection API or an experiment
    of Model Garden, the target ends in .yaml; a table shows what became of each field.
    """
    if (target is None) == (out is None):
        raise ConfigError(f"Expected one target, as TARGET or --out. Received: {target} and {out}")
    target = target or out
    assert target is not None
    if target.suffix.lower() in (".yaml", ".yml"):
        if weights or classes or dtype:
            raise ConfigError("Expected no --weights, --classes or --dtype for a recipe; edit it instead.")
        _convert_recipe(Path(source), target, ignore or [], overwrite)
        return
    if ignore:
        raise ConfigError(f"Expected --ignore only for a recipe (a target that ends in .yaml). Received: {target}")
    options = {"dtype": dtype.value} if dtype else {}
    check_form(target, **options)  # before the model is loaded
    _check_free(target, overwrite)
    detector = centernet.load(source, weights or "published", arguments.split_names(classes))
    detector.save(target, overwrite=overwrite, **options)
    console.stdout().out(str(detector.report))
    console.stdout().out(f"Saved {detector.name} to {target} ({_megabytes(target):.1f} MB).")


def _convert_recipe(source: Path, target: Path, ignored: list[str], overwrite: bool) -> None:
    _check_free(target, overwrite)
    content, fields = read_content(source, ignored)
    if not fields:
        raise ConfigError(f"Expected a pipeline.config or an experiment of Model Garden. Received: {source}")
    show_fields(source, ignored)
    check_supported(fields, str(source))
    text = yaml.safe_dump(to_plain(content), sort_keys=False, allow_unicode=True, width=120)
    target.write_text(f"# From {source.name}. Train with: centernet train {target.name}\n{text}", encoding="utf-8")
    read_recipe(target)
    console.stdout().out(f"Wrote {target}. Train with it: centernet train {target}")


def _check_free(target: Path, overwrite: bool) -> None:
    if target.exists() and not overwrite:
        raise ConfigError(f"{target} exists already. Choose another path, or add --overwrite to replace it.")


def _megabytes(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6
