"""`centernet detect`: from images and videos to drawn images, JSON and a table."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image
from typer import Argument, Option

import centernet
from centernet.cli import arguments, console
from centernet.cli.outputs import DrawnImages, JsonArray, Render, Summary
from centernet.cli.resume import Journal, settings_of
from centernet.cli.run import (
    Records,
    Run,
    check_resumable,
    count_images,
    group_sources,
    input_files,
    open_inputs,
    without_done,
)
from centernet.errors import ConfigError
from centernet.inference.detecting import tracker_of
from centernet.results.detections import Detections
from centernet.results.draw import draw_heatmap

RESUME_HELP = "Continue a run that was stopped or killed: leave out images whose outputs are complete."


def detect(
    sources: Annotated[
        list[str],
        Argument(
            metavar="SOURCE",
            help="Images, folders, glob patterns, videos, URLs (also rtsp://, rtmp://, udp://), a camera's number.",
        ),
    ],
    model: arguments.Model = arguments.DEFAULT_MODEL,
    weights: arguments.Weights = None,
    classes: arguments.Classes = None,
    min_score: arguments.MinScore = 0.3,
    max_detections: arguments.MaxDetections = None,
    flip: arguments.Flip = None,
    scales: arguments.Scales = None,
    vote: arguments.Vote = None,
    tiles: arguments.Tiles = None,
    overlap: arguments.Overlap = None,
    whole: arguments.Whole = None,
    batch_size: arguments.BatchSize = 1,
    track: Annotated[
        bool, Option("--track", help="Follow objects through each video: numbers that stay the same.")
    ] = False,
    out: Annotated[Path, Option("--out", "-o", help="Folder for drawn images and videos.")] = Path("found"),
    json_file: arguments.Json = None,
    coco_file: arguments.Coco = None,
    show_heatmap: Annotated[
        bool, Option("--show-heatmap", help="Also write images with the heatmap of object centers.")
    ] = False,
    resume: Annotated[bool, Option("--resume", help=RESUME_HELP)] = False,
    no_draw: Annotated[bool, Option("--no-draw", help="Don't write drawn images.")] = False,
    exact: arguments.Exact = False,
    runtime: arguments.Runtime = "auto",
    verbose: arguments.Verbose = False,
) -> None:
    """Detect objects and write images with their boxes to a folder.

    Stop a camera or live stream with Ctrl-C. The exit code is 1 if an image can't be read, and 130 after Ctrl-C in
    anything else; what is done by then is written.
    """
    console.show_log(verbose)
    names = arguments.split_names(classes)
    passes = arguments.read_passes(
        flip=flip, scales=arguments.read_scales(scales), vote=vote, tiles=tiles, overlap=overlap, whole=whole
    )
    if show_heatmap or not no_draw:
        arguments.ensure_writable(out, "--out")
    arguments.ensure_writable_file(json_file, "--json")
    arguments.ensure_writable_file(coco_file, "--coco")
    if json_file == coco_file == console.STDOUT:
        raise ConfigError("Expected one of --json and --coco as -. Received: both. Choose a file for one of them.")
    tables = console.beside(json_file, coco_file)

    opened, failures = open_inputs(sources)
    if track:
        for source in opened:
            tracker_of(source)
    if resume and failures:
        raise failures[0][1]
    journal: Journal | None = None
    try:
        check_resumable(opened)
        journal = Journal(None if no_draw and not show_heatmap else out, json_file, coco_file)
    except ConfigError:
        if resume:
            raise
    summary = Summary(batch_size)
    options: dict[str, Any] = {"min_score": min_score, "max_detections": max_detections, "exact": exact}
    with ExitStack() as stack:
        stack.callback(summary.print_failures, console.stderr())  # called last
        stack.callback(summary.print, tables)
        on_keras = {"flip": flip, "scales": scales, "vote": vote, "exact": exact, "show_heatmap": show_heatmap}
        detector = arguments.load_detector(model, weights, names, runtime, on_keras) if opened else None
        if detector is not None:
            options["test_time"] = arguments.change_passes(detector.config.test_time, passes)
        left = opened
        if detector is not None and journal:
            outputs = {"no_draw": no_draw, "show_heatmap": show_heatmap, "json": json_file, "coco": coco_file}
            journal.start(settings_of(detector, model, options, **outputs), resume=resume)
            stack.callback(journal.close)
        if journal and resume:
            left = without_done(opened, journal.done)
            done = sum(one.total or 0 for one in opened) - sum(one.total or 0 for one in left)
            console.stderr().out(f"Left out: {done} images that are done." if done else "Nothing is done yet.")
        rows, coco_rows = (
            stack.enter_context(JsonArray(path, count)) if path else None
            for path, count in zip((json_file, coco_file), journal.rows if journal else (0, 0), strict=True)
        )
        records = Records(summary, rows, coco_rows, journal)
        for name, error in failures:
            records.fail(name, str(error))
        images = None
        if detector is not None:
            kept = [name for one in journal.done.values() for name in one.pictures] if journal else []
            images = DrawnImages(out, _renders(detector, not no_draw, show_heatmap), input_files(opened), kept)
            advance = stack.enter_context(console.progress("Detecting", count_images(left)))
            run = Run(detector, batch_size, options, images, records, advance, track)
            try:
                for group in group_sources(left):
                    run.detect_group(group)
            except KeyboardInterrupt:
                total = count_images(left)
                console.stderr().out(f"\nStopped: {summary.total.images} {f'of {total} ' if total else ''}images done.")
                if journal:
                    console.stderr().out("To continue, repeat the command with --resume")
                raise
    if journal and not resume:
        journal.remove()
    if images and images.written:
        tables.out(f"Files written to {out}: {images.written}.")
    if summary.failures:
        raise typer.Exit(1)


def _renders(
    detector: centernet.Detector | centernet.ExportedDetector, boxes: bool, heatmap: bool
) -> dict[str, Render]:
    """Suffix of a file's stem → function that draws the detections."""

    def draw_centers(detections: Detections) -> Image.Image:
        assert detections.image is not None  # `detect_frames` keeps it
        return draw_heatmap(detections.image, detector.heatmap(detections.image))

    renders: dict[str, Render] = {"": Detections.draw} if boxes else {}
    return {**renders, **({"_heatmap": draw_centers} if heatmap else {})}
