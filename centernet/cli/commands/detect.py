"""`centernet detect`: from sources to pictures, JSON and a table."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console

    from centernet.cli.outputs import Render
    from centernet.cli.summary import Summary
    from centernet.detector import Detector
    from centernet.results.detections import Detections

DEFAULT_MODEL = "centernet_mobilenetv2fpn_512x512_coco17_od"


def detect(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE", help="Images, folders, patterns, videos, addresses, or the number of a camera."
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="Name (see `centernet models`), path, address or handle.")
    ] = DEFAULT_MODEL,
    weights: Annotated[str | None, typer.Option(help="Weights from elsewhere for this model.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Names with commas: for weights without names, or some of their classes.")
    ] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Least score of an object.")] = 0.3,
    max_detections: Annotated[int | None, typer.Option(min=1, help="Most objects an image.")] = None,
    flip: Annotated[
        bool | None, typer.Option("--flip/--no-flip", help="Also look at each image mirrored [the model's own].")
    ] = None,
    scales: Annotated[
        str | None, typer.Option(help="Sizes with commas that each image is looked at, as in 0.6,1,1.2.")
    ] = None,
    vote: Annotated[
        bool | None,
        typer.Option(
            "--vote/--no-vote",
            help="Move each box to the mean of those that it suppresses [as published: triplets at several scales].",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images that go through the network together.")] = 1,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for pictures and videos.")] = Path("found"),
    json_file: Annotated[Path | None, typer.Option("--json", help="File for all results; - prints them.")] = None,
    coco_file: Annotated[
        Path | None,
        typer.Option(
            "--coco",
            help="File for all results as COCO rows; - prints them; image_id is a file's number or position from 1.",
        ),
    ] = None,
    show_heatmap: Annotated[
        bool, typer.Option("--show-heatmap", help="Also write where the network sees centers of objects.")
    ] = False,
    no_draw: Annotated[bool, typer.Option("--no-draw", help="Write no drawn pictures.")] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Reproduce accidents of the software that exported the model.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what was loaded from where.")] = False,
) -> None:
    """Find objects, and write pictures of them to a folder. A camera is stopped with Ctrl-C."""
    from centernet.cli import arguments, console
    from centernet.cli.inputs import count_images, group_sources, input_files, open_inputs
    from centernet.cli.outputs import JsonArray, Pictures
    from centernet.cli.run import Records, Run
    from centernet.cli.summary import Summary
    from centernet.errors import ConfigError

    console.show_log(verbose)
    names = arguments.split_names(classes)
    factors = arguments.read_scales(scales)
    if show_heatmap or not no_draw:
        arguments.ensure_writable(out, "--out")
    arguments.ensure_writable_file(json_file, "--json")
    arguments.ensure_writable_file(coco_file, "--coco")
    if json_file == coco_file == console.STDOUT:
        raise ConfigError("Expected one of --json and --coco as -. Received: both. Name a file for the other.")
    tables = console.beside(json_file, coco_file)

    opened, failures = open_inputs(sources)
    summary = Summary(batch_size)
    options: dict[str, Any] = {"min_score": min_score, "max_detections": max_detections, "exact": exact}
    with ExitStack() as stack:
        stack.callback(_report, summary, tables)
        detector = load_detector(model, weights, names) if opened else None
        files = (stack.enter_context(JsonArray(path)) if path else None for path in (json_file, coco_file))
        records = Records(summary, *files)
        for name, error in failures:
            records.fail(name, str(error))
        pictures = None
        if detector is not None:
            pictures = Pictures(out, _renders(detector, not no_draw, show_heatmap), input_files(opened))
            advance = stack.enter_context(console.progress(count_images(opened)))
            options["test_time"] = arguments.change_passes(detector.config.test_time, flip, factors, vote)
            run = Run(detector, batch_size, options, pictures, records, advance)
            for group in group_sources(opened):
                run.detect_group(group)
    if pictures and pictures.written:
        tables.print(f"Files written to {out}: {pictures.written}.", soft_wrap=True)
    if summary.failures:
        raise typer.Exit(1)


def load_detector(model: str, weights: str | None, classes: list[str] | None) -> Detector:
    """Load the model that a command names, and say so in a terminal.

    Args:
        model: Name, path, address or handle.
        weights: Weights from elsewhere, or None.
        classes: Names of classes to keep or to give, or None.

    Raises:
        ConfigError: If the weights have no such classes.
    """
    from centernet.cli import console
    from centernet.errors import ConfigError
    from centernet.loading import PUBLISHED, load

    if console.stderr().is_terminal:
        console.stderr().print(f"Loading {model} …", soft_wrap=True)
    detector = load(model, weights or PUBLISHED, classes)
    if classes and detector.report and detector.report.new:
        note = detector.report.notes[-1].partition(";")[0]
        raise ConfigError(
            f"--classes expected names of classes that {model} was trained for, or as many names as its weights "
            f"have unnamed classes. Received {len(classes)}: {','.join(classes)} ({note})."
        )
    return detector


def _renders(detector: Detector, drawn: bool, heatmap: bool) -> dict[str, Render]:
    """What is appended to a picture's name → how it is drawn."""
    from centernet.results.draw import draw_heatmap

    def draw(found: Detections) -> Image.Image:
        assert found.image is not None  # detection keeps it
        return draw_heatmap(found.image, detector.heatmap(found.image))

    renders: dict[str, Render] = {}
    if drawn:
        renders[""] = lambda found: found.draw()
    if heatmap:
        renders["_heatmap"] = draw
    return renders


def _report(summary: Summary, tables: Console) -> None:
    from centernet.cli import console

    summary.print(tables)
    summary.print_failures(console.stderr())
