"""`centernet evaluate`: COCO's metrics of a detector on a dataset, and a report with images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from centernet.cli import arguments, console
from centernet.data.formats import FORMATS
from centernet.data.reading import load

# Splits that no detector is trained on. `test` comes before `val`, which often selects among trained models.
HELD_OUT = ("test", "val", "valid", "validation")


def evaluate(
    model: arguments.ModelArgument,
    data: arguments.Data,
    format: arguments.Format = "auto",
    voc_origin: arguments.VocOrigin = 0,
    label_map: arguments.LabelMap = None,
    split: Annotated[
        str | None, Option(help="Dataset split, or all.", show_default="the first of test, val, all")
    ] = None,
    weights: arguments.Weights = None,
    classes: arguments.Classes = None,
    min_score: arguments.MinScore = 0.0,
    score: Annotated[
        float | None,
        Option(min=0, max=1, help="Minimum score in the report's mistakes.", show_default="that of the best F1"),
    ] = None,
    max_detections: arguments.MaxDetections = None,
    flip: arguments.Flip = None,
    scales: arguments.Scales = None,
    vote: arguments.Vote = None,
    tiles: arguments.Tiles = None,
    overlap: arguments.Overlap = None,
    whole: arguments.Whole = None,
    batch_size: arguments.BatchSize = 1,
    out: Annotated[Path | None, Option("--out", "-o", help="Folder for report.html and report.json.")] = None,
    json_file: arguments.Json = None,
    worst: Annotated[int, Option(min=0, help="Images with the most mistakes to show in the report.")] = 12,
    overwrite: arguments.Overwrite = False,
    exact: arguments.Exact = False,
    runtime: arguments.Runtime = "auto",
    verbose: arguments.Verbose = False,
) -> None:
    """Evaluate a detector on a dataset with COCO's metrics.

    Average precision needs detections of all scores: leave --min-score at 0 to compare it with published values.
    Unreadable images are listed and skipped; the exit code is then 1.
    """
    from centernet.evaluation.report import ensure_no_report

    console.show_log(verbose)
    names = arguments.split_names(classes)
    passes = arguments.read_passes(
        flip=flip, scales=arguments.read_scales(scales), vote=vote, tiles=tiles, overlap=overlap, whole=whole
    )
    # Check the outputs before the model is loaded.
    if out:
        ensure_no_report(out, overwrite=overwrite)
        arguments.ensure_writable(out, "--out")
    arguments.ensure_writable_file(json_file, "--json")
    split = split or _default_split(data.expanduser(), format)
    dataset = load(data, format, split, voc_origin=voc_origin, label_map=label_map)

    on_keras = {"flip": flip, "scales": scales, "vote": vote, "exact": exact}
    detector = arguments.load_detector(model, weights, names, runtime, on_keras)
    with console.progress("Detecting", len(dataset)) as advance:
        evaluation = detector.evaluate(
            dataset,
            min_score=min_score,
            max_detections=max_detections,
            batch_size=batch_size,
            test_time=arguments.change_passes(detector.config.test_time, passes),
            exact=exact,
            score=score,
            progress=advance,
        )
    tables = console.beside(json_file)
    tables.out(str(evaluation))
    console.write_json(evaluation.to_dict(), json_file)
    if out:
        page = evaluation.report(out, worst=worst, overwrite=overwrite)
        tables.out(f"\nReport: {page}")
    if evaluation.skipped:
        raise typer.Exit(1)


def _default_split(path: Path, format: str) -> str:
    """A split that a detector trained on the dataset hasn't seen, if there is one."""
    entries = (entry for key, entry in FORMATS.items() if format in ("auto", key))
    entry = next((entry for entry in entries if entry.module.recognize(path)), None)
    splits = entry.splits(path) if entry else ()
    return next((name for name in HELD_OUT if name in splits), "all")
