"""`centernet benchmark`: latency of a detection and of its parts, as medians of interleaved rounds and ratios."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from datetime import date
from statistics import median
from typing import Annotated, Any

import numpy as np
from rich import box
from rich.table import Table
from typer import Option

import centernet
from centernet.cli import arguments, console
from centernet.errors import ConfigError

WARM_UP = 2
NETWORK, INFER, DETECT = "network alone", "infer: uint8 array to arrays", "detect: uint8 array to Detections"


def benchmark(
    model: arguments.Model = arguments.DEFAULT_MODEL,
    weights: Annotated[
        str | None, Option(help="Path or URL of weights.", show_default="random weights, which are as fast")
    ] = None,
    size: Annotated[str, Option(help="Width and height of the image in pixels.")] = "640x480",
    runs: Annotated[int, Option(min=3, help="Number of measurements per row.")] = 20,
) -> None:
    """Measure the latency of detection and the share of the network in it.

    Detects in one image of random pixels, in a single pass.
    """
    import keras

    width, height = parse_size(size)
    detector = centernet.load(model, weights)
    times = measure(detector, (height, width), runs)
    machine = f"{os.cpu_count()} × {platform.machine()}, {keras.backend.backend()}, {date.today().isoformat()}"
    console.stdout().out(f"{detector.name}, one {width}x{height} image; {machine}")
    console.stdout().print(_table(times))


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels from `640x480`."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not min(sides):
        raise ConfigError(f"--size expected width and height in pixels, as in 640x480. Received: {text!r}")
    return sides


def measure(detector: centernet.Detector, size: tuple[int, int], runs: int) -> dict[str, float]:
    """Median milliseconds of `NETWORK`, `INFER` and `DETECT` for an image of this height and width in pixels.

    All are single passes, and `NETWORK` is compiled as in `detect`. The weights of the detector don't matter.
    """
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    batch = detector.preprocess(image)[0]
    network = compile_network(detector, tuple(batch.shape[1:3]))
    sides: dict[str, Callable[[], Any]] = {
        NETWORK: lambda: network(batch),
        INFER: lambda: detector.infer([image]),
        DETECT: lambda: detect_once(detector, image),
    }
    return interleave(sides, runs)


def detect_once(detector: centernet.Detector, image: np.ndarray) -> Any:
    """Detect in a single pass, without the model's test-time augmentation.

    The minimum score is 0, the worst case: every decoded object becomes a detection.
    """
    config = detector.config
    detector.config = dataclasses.replace(config, test_time=None)
    try:
        return detector.detect(image, min_score=0)
    finally:
        detector.config = config


def interleave(sides: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Median milliseconds of each function; they run in turn, so that a slow moment of the machine affects all."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(WARM_UP + runs):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            if number >= WARM_UP:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: median(values) for name, values in times.items()}


def compile_network(detector: centernet.Detector, canvas: tuple[int, int] | None = None) -> Callable[[Any], Any]:
    """The network alone, compiled as in `infer`: from a preprocessed batch to head maps.

    The batch is float32 `(batch, *canvas, 3)`; a canvas of None is `config.preprocessing.size`.
    """

    def last_stack(forward: Callable[[Any], Any], batch: Any) -> dict[str, Any]:
        # Decoding reads the last stack only, and compilers drop the heads of earlier stacks.
        return {name: stacks[-1] for name, stacks in forward(batch).items()}

    canvas = canvas or detector.config.preprocessing.size
    return detector.compiled_form(("network", canvas), last_stack, [("float32", (None, *canvas, 3))])


def _table(times: Mapping[str, float]) -> Table:
    """Medians, and their ratios to the network."""
    rows = Table(box=box.SIMPLE_HEAD)
    rows.add_column("part")
    for column in ("median ms", "ratio"):
        rows.add_column(column, justify="right")
    for name, milliseconds in times.items():
        rows.add_row(name, f"{milliseconds:.1f}", f"{milliseconds / times[NETWORK]:.3f}")
    extra = times[DETECT] - times[NETWORK]
    share = f"{100 * extra / times[NETWORK]:+.1f} %"
    rows.add_row("preprocessing + decoding + result", f"{extra:.1f}", share)
    return rows
