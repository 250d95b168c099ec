"""`centernet benchmark`: how long a detection takes, and how much of it is the network."""

from __future__ import annotations

from typing import Annotated

import typer

from centernet.cli.commands.detect import DEFAULT_MODEL


def benchmark(
    model: Annotated[str, typer.Option("--model", "-m", help="Name, path, address or handle.")] = DEFAULT_MODEL,
    weights: Annotated[str | None, typer.Option(help="Weights; random ones by default, which are as fast.")] = None,
    size: Annotated[str, typer.Option(help="Width and height of the image, as 640x480.")] = "640x480",
    runs: Annotated[int, typer.Option(min=3, help="Rounds; each measures every row once.")] = 20,
) -> None:
    """Time the detection of one image: the whole of it, and the network alone."""
    from centernet.cli import console
    from centernet.cli.measure import measure, parse_size, table, title
    from centernet.loading import load

    width, height = parse_size(size)
    detector = load(model, weights)
    times = measure(detector, (height, width), runs)
    console.stdout().print(title(detector, (height, width)), soft_wrap=True)
    console.stdout().print(table(times))
