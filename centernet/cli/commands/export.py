"""`centernet export`: from a detector to a file for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import centernet
from centernet.cli import arguments, console
from centernet.data.reading import load
from centernet.errors import ConfigError

PRECISIONS = ("float32", "int8")  # of the network's computations


def export(
    model: arguments.ModelArgument,
    target: Annotated[
        Path, Argument(help="File ending in .onnx, .tflite or .xml (OpenVINO), or a folder for a SavedModel.")
    ],
    image_size: Annotated[
        tuple[int, int] | None,
        Option(metavar="HEIGHT WIDTH", help="Fixed image size in pixels.", show_default="images of any size"),
    ] = None,
    batch_size: Annotated[int | None, Option(min=1, help="Fixed batch size.", show_default="any")] = None,
    no_passes: Annotated[
        bool, Option("--no-passes", help="One pass, without the mirrored image and soft-NMS of the model.")
    ] = False,
    half: Annotated[
        bool, Option("--half", help="Store weights in half precision; computations are in float32.")
    ] = False,
    heads_only: Annotated[
        bool, Option("--heads-only", help="End at the head maps, which centernet.decode decodes; one pass.")
    ] = False,
    precision: Annotated[str, Option(help="float32, or int8 for the network (ONNX); needs --calibration.")] = "float32",
    calibration: Annotated[
        Path | None,
        Option(help="Dataset that sets the ranges of int8, and on which it is compared."),
    ] = None,
    max_loss: Annotated[float, Option(min=0, max=1, help="Largest loss of AP; more, and nothing is written.")] = 0.01,
    overwrite: arguments.Overwrite = False,
) -> None:
    """Export a detector to ONNX, LiteRT, OpenVINO or a SavedModel: uint8 images in, boxes out."""
    from centernet.inference.exporting import check_target, written_by

    for path in written_by(check_target(target), target):
        if path.exists() and not overwrite:
            raise ConfigError(f"{path} exists already. Choose another path, or add --overwrite to replace it.")
    if precision not in PRECISIONS or (precision == "int8") != (calibration is not None):
        raise ConfigError(
            f"Expected --precision {' or '.join(PRECISIONS)}, and --calibration for int8 alone. Received: {precision}, "
            f"--calibration {calibration}."
        )
    train, validation = load(calibration) if calibration else (None, None)
    detector = centernet.load(model)
    dtype = "float16" if half else "float32"
    compared = detector.export(
        target,
        image_size=image_size,
        batch_size=batch_size,
        passes=not no_passes,
        dtype=dtype,
        heads_only=heads_only,
        precision=precision,
        calibration=train,
        validation_data=validation,
        max_loss=max_loss,
    )
    if compared:
        console.stdout().out(str(compared))
    console.stdout().out(f"Exported {detector.name} to {target}.")
