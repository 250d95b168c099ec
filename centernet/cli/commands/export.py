"""`centernet export`: a detector in a file that other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[str, typer.Argument(help="A model's name, or what else `centernet.load` takes.")],
    target: Annotated[
        Path, typer.Argument(help="File ending in .onnx or .tflite; otherwise the folder of a SavedModel.")
    ],
    image_size: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar="HEIGHT WIDTH", help="Of all images in pixels, if they have one size."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Write a detector to ONNX, LiteRT or a SavedModel: uint8 images in, boxes out."""
    from centernet.cli import console
    from centernet.errors import ConfigError
    from centernet.inference.exporting.export import check_target, description_of
    from centernet.loading import load

    form = check_target(target)
    for path in (target, *([description_of(target)] if form.suffix else [])):
        if path.exists() and not overwrite:
            raise ConfigError(f"{path} exists already. Name another path, or add --overwrite to replace it.")
    detector = load(model)
    detector.export(target, image_size=image_size)
    console.stdout().print(f"Exported {detector.name} to {target}.", soft_wrap=True)
