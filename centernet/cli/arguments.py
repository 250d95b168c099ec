"""Arguments and options that several commands share: how they are declared, read and checked."""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

import centernet
from centernet.cli import console
from centernet.errors import ConfigError
from centernet.models.test_time import TestTime

DEFAULT_MODEL = "centernet_mobilenetv2fpn_512x512_coco17_od"
MODEL_HELP = "Model name (see `centernet models`), path, URL, or handle of TF-Hub or Kaggle."
OWN = "as configured in the model"

Model = Annotated[str, Option("--model", "-m", help=MODEL_HELP)]
ModelArgument = Annotated[str, Argument(metavar="MODEL", help=MODEL_HELP)]
Weights = Annotated[str | None, Option(help="Path or URL of other weights for the model.", show_default="published")]
Classes = Annotated[
    str | None, Option(help="Comma-separated class names: a subset, or names for weights that have none.")
]
MinScore = Annotated[float, Option(min=0, max=1, help="Minimum score of a detection.")]
MaxDetections = Annotated[int | None, Option(min=1, help="Maximum detections per image.", show_default=OWN)]
Flip = Annotated[bool | None, Option("--flip/--no-flip", help="Also detect in the mirrored image.", show_default=OWN)]
Scales = Annotated[
    str | None, Option(help="Comma-separated image scales to detect at, as in 0.6,1,1.2.", show_default=OWN)
]
VOTE_HELP = "Box voting: average each box with the boxes that it suppresses."
VOTE_DEFAULT = "as published: only triplets at several scales"
Vote = Annotated[bool | None, Option("--vote/--no-vote", help=VOTE_HELP, show_default=VOTE_DEFAULT)]
TILES_HELP = "Height and width in pixels of tiles to detect in as well, for small objects in large images."
Tiles = Annotated[tuple[int, int] | None, Option(help=TILES_HELP, metavar="HEIGHT WIDTH", show_default=OWN)]
Overlap = Annotated[float | None, Option(help="Overlap of tiles, 0–0.9 of their size.", show_default="0.2")]
WHOLE_HELP = "Detect in the whole image besides its tiles."
WHOLE_DEFAULT = "unless the model sees images at their own size"
Whole = Annotated[bool | None, Option("--whole/--no-whole", help=WHOLE_HELP, show_default=WHOLE_DEFAULT)]
BatchSize = Annotated[int, Option(min=1, help="Images, or tiles, per forward pass.")]
Exact = Annotated[bool, Option("--exact", help="Reproduce the quirks of the software that exported the model.")]
Data = Annotated[Path, Argument(metavar="DATA", help="Folder or file of a dataset: COCO, VOC, YOLO, CSV …")]
Format = Annotated[str, Option(help="Dataset format; auto detects it; datumaro:NAME is one of Datumaro's.")]
VocOrigin = Annotated[int, Option(min=0, max=1, help="1 if Pascal VOC counts pixels from 1.")]
LabelMap = Annotated[Path | None, Option(help="Label map of TFRecords, if it is not beside them.")]
Json = Annotated[Path | None, Option("--json", help="Write the results as JSON to this file; - for standard output.")]
COCO_HELP = "Write COCO results to this file; - for standard output. image_id: number in the file name or position."
Coco = Annotated[Path | None, Option("--coco", help=COCO_HELP)]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace an existing output.")]
IGNORE_HELP = "Leave out a field of another program's file that is not supported; may be repeated."
Ignore = Annotated[list[str] | None, Option("--ignore", metavar="FIELD", help=IGNORE_HELP)]
RUNTIME_HELP = "What computes: auto (the fastest installed), keras, onnx, openvino; or that of an exported file."
Runtime = Annotated[str, Option("--runtime", help=RUNTIME_HELP, envvar="CENTERNET_RUNTIME")]
Verbose = Annotated[bool, Option("--verbose", "-v", help="Print what is loaded and from where.")]


def load_detector(
    model: str, weights: str | None, classes: list[str] | None, runtime: str, on_keras: Mapping[str, Any]
) -> centernet.Detector | centernet.ExportedDetector:
    """Load a model for detection, and say so in a terminal. Weights must exist for all classes.

    Args:
        model: See `centernet.load`.
        weights: Likewise.
        classes: Likewise.
        runtime: Likewise.
        on_keras: Options that only a detector on Keras can have, and their values.

    Raises:
        ConfigError: If there is such an option, and the runtime is another.
    """
    if console.stderr().is_terminal:
        console.stderr().out(f"Loading {model} …")
    given = [f"--{name.replace('_', '-')}" for name, value in on_keras.items() if value not in (None, False)]
    if given and runtime not in ("auto", "keras"):
        raise ConfigError(f"Expected --runtime keras or auto for {' and '.join(given)}. Received: {runtime}")
    detector = centernet.load(model, weights or "published", classes, runtime="keras" if given else runtime)
    if classes and detector.report and detector.report.new:
        note = detector.report.notes[-1].partition(";")[0]
        raise ConfigError(
            f"--classes expected names of classes that {model} was trained for, or as many names as its weights "
            f"have unnamed classes. Received {len(classes)}: {','.join(classes)} ({note})."
        )
    return detector


def split_names(text: str | None) -> list[str] | None:
    """Class names from `a,b,c`."""
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ConfigError(f"--classes expected names separated by commas, as in a,b,c. Received: {text!r}")
    return names


def read_scales(text: str | None) -> tuple[float, ...] | None:
    """Finite scales above 0 from `0.6,1,1.2`."""
    if text is None:
        return None
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale < math.inf for scale in scales):
        raise ConfigError(f"--scales expected numbers above 0 separated by commas, as in 0.6,1,1.2. Received: {text!r}")
    return scales


def read_passes(**options: Any) -> dict[str, Any]:
    """The options of test-time passes that were given, checked.

    Args:
        **options: Fields of `TestTime`; None is an option that was not given.

    Raises:
        ConfigError: If a value is out of range.
    """
    given = {name: value for name, value in options.items() if value is not None}
    TestTime(**given)
    return given


def change_passes(default: TestTime | None, given: Mapping[str, Any]) -> TestTime | None:
    """The model's own test-time passes with the options that were given; None if no option was given.

    Raises:
        ConfigError: If an option of tiles is given without tiles.
    """
    changed = dataclasses.replace(default or TestTime(), **given) if given else None
    of_tiles = [name for name in ("overlap", "whole") if name in given]
    if changed and of_tiles and changed.tiles is None:
        raise ConfigError(f"Expected --tiles HEIGHT WIDTH, to which {' and '.join(of_tiles)} belongs. Received: none.")
    return changed


def ensure_writable(folder: Path, option: str) -> None:
    """Create a folder, and raise `ConfigError` if no file can be created in it. `option` is for the message."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Permission bits say nothing about read-only file systems or root, so create a file.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"{option} expected a writable folder. Received {os.fspath(folder)!r}: "
            f"{error.strerror or error}. Make it writable, or choose another."
        ) from error


def ensure_writable_file(path: Path | None, option: str) -> None:
    """Raise `ConfigError` if a file can't be written; an existing one is not changed."""
    if path is None or path == console.STDOUT:
        return
    if path.is_dir() or (path.exists() and not os.access(path, os.W_OK)):
        kind = "a folder" if path.is_dir() else "a write-protected file"
        raise ConfigError(f"{option} expected a file to write. Received {os.fspath(path)!r}, {kind}.")
    if not path.exists():
        ensure_writable(path.parent, option)
