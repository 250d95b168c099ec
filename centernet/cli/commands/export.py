"""`centernet export`: from a detector to a file for other runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import centernet
from centernet.cli import arguments, console
from centernet.errors import ConfigError


def export(
    model: arguments.ModelArgument,
    target: Annotated[Path, Argument(help="File ending in .onnx or .tflite, or a folder for a SavedModel.")],
    image_size: Annotated[
        tuple[int, int] | None,
        Option(metavar="HEIGHT WIDTH", help="Fixed image size in pixels.", show_default="images of any size"),
    ] = None,
    overwrite: arguments.Overwrite = False,
) -> None:
    """Export a detector to ONNX, LiteRT or a SavedModel: uint8 images in, boxes out."""
    from centernet.inference.exporting import check_target, description_of

    form = check_target(target)
    for path in (target, *([description_of(target)] if form.suffix else [])):
        if path.exists() and not overwrite:
            raise ConfigError(f"{path} exists already. Choose another path, or add --overwrite to replace it.")
    detector = centernet.load(model)
    detector.export(target, image_size=image_size)
    console.stdout().out(f"Exported {detector.name} to {target}.")
