"""`centernet evaluate`: COCO's figures of a detector on your photos, and a report with pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from centernet.data.dataset import Dataset

# Splits that nothing was trained on; test before val, which often chooses among trained models.
HELD_OUT = ("test", "val", "valid", "validation")


def evaluate(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name (see `centernet models`), path, address, handle.")
    ],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder or file of a dataset: COCO, VOC, YOLO, CSV …")],
    format: Annotated[str, typer.Option(help="Format of the dataset; auto recognizes it.")] = "auto",
    split: Annotated[
        str | None, typer.Option(help="Split of the dataset, or all [the first that it has of test, val, all].")
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Weights from elsewhere for this model.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names with commas: for weights without names, or some of their classes.")
    ] = None,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="Least score of an object. COCO's figures want all, so 0.")
    ] = 0.0,
    score: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Least score for single mistakes and pictures [where F1 is highest]."),
    ] = None,
    max_detections: Annotated[int | None, typer.Option(min=1, help="Most objects an image.")] = None,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Also look at each image mirrored [the model's own].")
    ] = None,
    scales: Annotated[
        str | None, typer.Option(help="Sizes with commas that each image is looked at, as in 0.6,1,1.2.")
    ] = None,
    vote: Annotated[
        bool | None,
        typer.Option("--vote/--no-vote", help="Move each box to the mean of those that it suppresses [as published]."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images that go through the network together.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for report.html and report.json.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="File for all figures; - prints them.")] = None,
    worst: Annotated[int, typer.Option(min=0, help="Number of images with most mistakes to show in the report.")] = 12,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a report that is there.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Reproduce accidents of the software that exported the model.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what was loaded from where.")] = False,
) -> None:
    """Count how good a detector is, as COCO does: average precision and recall of boxes and keypoints.

    Images that can't be read are named and left out; then the exit code is 1.
    """
    from centernet.cli import arguments, console
    from centernet.cli.commands.detect import load_detector
    from centernet.evaluation.evaluating import evaluate as run
    from centernet.evaluation.report import PAGE, ensure_no_report

    console.show_log(verbose)
    names = arguments.split_names(classes)
    factors = arguments.read_scales(scales)
    # Before anyone has waited for a model.
    if out:
        ensure_no_report(out, overwrite=overwrite)
        arguments.ensure_writable(out, "--out")
    arguments.ensure_writable_file(json_file, "--json")
    dataset = _dataset(data, format, split)

    detector = load_detector(model, weights, names)
    options: dict[str, Any] = {"min_score": min_score, "max_detections": max_detections, "batch_size": batch_size}
    passes = arguments.change_passes(detector.config.test_time, flip, factors, vote)
    with console.progress(len(dataset)) as advance:
        evaluation = run(detector, dataset, **options, test_time=passes, exact=exact, score=score, progress=advance)
    tables = console.beside(json_file)
    tables.print(str(evaluation), soft_wrap=True)
    if json_file == console.STDOUT:
        typer.echo(json.dumps(evaluation.to_dict(), indent=1))
    elif json_file:
        evaluation.to_json(json_file, indent=1)
    if out:
        evaluation.report(out, worst=worst, overwrite=overwrite)
        tables.print(f"\nReport: {out / PAGE}", soft_wrap=True)
    if evaluation.skipped:
        raise typer.Exit(1)


def _dataset(path: Path, format: str, split: str | None) -> Dataset:
    from centernet.data.reading import load

    return load(path, format, split or _default_split(path.expanduser(), format))


def _default_split(path: Path, format: str) -> str:
    """What a detector that was trained on the dataset hasn't seen, as far as the dataset tells."""
    from centernet.data.formats import FORMATS

    entries = (entry for key, entry in FORMATS.items() if format in ("auto", key))
    entry = next((entry for entry in entries if entry.module.recognize(path)), None)
    splits = entry.splits(path) if entry else ()
    return next((name for name in HELD_OUT if name in splits), "all")
