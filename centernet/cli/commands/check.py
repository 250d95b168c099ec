"""`centernet check`: what is wrong with a dataset, what is in it, and a contact sheet."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from centernet.errors import ConfigError

if TYPE_CHECKING:
    from PIL import Image

    from centernet.cli.recipe import Recipe
    from centernet.data.check.report import CheckReport
    from centernet.data.dataset import Dataset
    from centernet.ops.preprocessing import Preprocessing

QUALITY = 90


def check(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder or file of a dataset: COCO, VOC, YOLO, CSV …")],
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="YAML: input size, classes and augmentation are its.")
    ] = None,
    format: Annotated[str, typer.Option(help="Format of the dataset; auto recognizes it.")] = "auto",
    split: Annotated[str, typer.Option(help="Split of the dataset, or all.")] = "all",
    size: Annotated[
        str | None, typer.Option(help="Input size of the detector: 512, or height x width as in 384x512. [512]")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the contact sheet.")] = Path("contact_sheet.jpg"),
    augmented: Annotated[
        bool, typer.Option("--augmented", help="Draw images as training sees them: by RECIPE, or as published.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for all that was found; - prints it.")] = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Whether to read all images, which takes most of the time.")
    ] = True,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what was read from where.")] = False,
) -> None:
    """Look for everything in a dataset that would spoil a training. The exit code is 1 if it can't be trained on."""
    from centernet.cli import arguments, console
    from centernet.cli.recipe import read_recipe
    from centernet.data.check import INPUT_SIZE, check_dataset
    from centernet.data.check.report import collected_warnings, with_reader_warnings
    from centernet.data.reading import load

    console.show_log(verbose)
    plan = read_recipe(recipe) if recipe else None
    input_size = _size(size) or (_preprocessing(plan).size if plan else INPUT_SIZE)
    _ensure_picture(out)
    arguments.ensure_writable_file(out, "--out")
    arguments.ensure_writable_file(json_file, "--json")
    with collected_warnings() as remarks:
        dataset = load(data, format, split, classes=plan.data.classes if plan else None)
    _ensure_no_image(out, dataset)
    with _progress(len(dataset)) as advance:
        report = check_dataset(dataset, input_size=input_size, images=images, progress=advance)
    report = with_reader_warnings(report, remarks)
    tables = console.beside(json_file)
    tables.print(str(report), soft_wrap=True)
    if json_file == console.STDOUT:
        typer.echo(json.dumps(report.to_dict(), indent=1))
    elif json_file:
        report.to_json(json_file, indent=1)
    sheet = _augmented(report, plan) if augmented else report.draw()
    if sheet:
        sheet.save(out, quality=QUALITY)
        tables.print(f"Contact sheet: {out}", soft_wrap=True)
    if not report.trainable:
        raise typer.Exit(1)


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text.strip())
    if not found or min(size := (int(found[1]), int(found[2] or found[1]))) < 1:
        raise ConfigError(f"--size expected pixels as in 512, or height x width as in 384x512. Received: {text!r}")
    return size


def _ensure_picture(path: Path) -> None:
    from PIL import Image

    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ConfigError(f"--out expected the name of a picture, such as sheet.jpg. Received: {str(path)!r}")


def _ensure_no_image(out: Path, dataset: Dataset) -> None:
    sources = {one.source.resolve() for one in dataset if isinstance(one.source, Path)} if out.exists() else ()
    if out.resolve() in sources:
        raise ConfigError(f"--out expected a file that is not an image of the dataset. Received: {str(out)!r}")


def _preprocessing(plan: Recipe) -> Preprocessing:
    """Of the detector that a recipe trains."""
    from centernet.files.validation import dataclass_from
    from centernet.loading import describe
    from centernet.ops.preprocessing import Preprocessing

    if isinstance(plan.model, str):
        return describe(plan.model).preprocessing
    described: Preprocessing = dataclass_from(Preprocessing, plan.model.get("preprocessing"), "preprocessing")
    return described


def _augmented(report: CheckReport, plan: Recipe | None) -> Image.Image | None:
    from centernet.cli.augmented_sheet import PUBLISHED, draw_augmented

    dataset, size = report.readable, report.input_size
    if not len(dataset):
        return None
    if plan:
        training, sampling = plan.training, _preprocessing(plan).sampling
        same = {name: getattr(training, name) for name in ("load_size", "max_objects", "seed")}
        return draw_augmented(dataset, training.augmentation, size, sampling=sampling, **same)
    task = dataset.keypoints
    mirrors = task is None or sorted(task.flip) == list(range(len(task.names)))
    return draw_augmented(dataset, PUBLISHED if mirrors else dataclasses.replace(PUBLISHED, horizontal_flip=0), size)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from centernet.cli import console

    columns = (TextColumn("Checking"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console.stderr(), transient=True, disable=not console.stderr().is_terminal) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
