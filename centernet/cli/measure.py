"""How long a detection takes and where the time goes: medians of interleaved rounds, and ratios."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import time
from collections.abc import Callable, Mapping
from datetime import date
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from centernet.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

    from centernet.detector import Detector

WARM_UP = 2
NETWORK, INFER, DETECT = "network alone", "infer: uint8 array to arrays", "detect: uint8 array to Detections"


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels out of `640x480`.

    Raises:
        ConfigError: If it is not of that form.
    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if not min(sides):
        raise ConfigError(f"--size expected width and height in pixels, as in 640x480. Received: {text!r}")
    return sides


def measure(detector: Detector, size: tuple[int, int], runs: int) -> dict[str, float]:
    """Time one image, whole and in part.

    Args:
        detector: The detector; its weights don't matter.
        size: Height and width of the image in pixels.
        runs: How often each is timed. All are timed in turn, so that a slow moment of the machine meets all.

    Returns:
        Median milliseconds of `NETWORK` (compiled as `detect` does), `INFER` and `DETECT`, all of one pass.
    """
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    batch = detector.preprocess(image)[0]
    network = compile_network(detector, tuple(batch.shape[1:3]))
    sides: dict[str, Callable[[], Any]] = {
        NETWORK: lambda: network(batch),
        INFER: lambda: detector.infer([image]),
        # Every object the decoder gives becomes a result: the most there can be to do.
        DETECT: lambda: detect_once(detector, image),
    }
    return interleave(sides, runs)


def detect_once(detector: Detector, image: np.ndarray) -> Any:
    """Detect in one pass, whatever the model's own passes are."""
    config = detector.config
    detector.config = dataclasses.replace(config, test_time=None)
    try:
        return detector.detect(image, min_score=0)
    finally:
        detector.config = config


def interleave(sides: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, float]:
    """Median milliseconds of each side; all are run in turn, so that a slow moment of the machine meets all."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(WARM_UP + runs):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            if number >= WARM_UP:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: median(values) for name, values in times.items()}


def compile_network(detector: Detector, canvas: tuple[int, int] | None = None) -> Callable[[Any], Any]:
    """The network alone, from preprocessed batch to head maps, compiled as `infer` compiles it.

    Args:
        detector: The detector.
        canvas: Height and width of the network's input; `config.preprocessing.size` if it is None.

    Returns:
        A function of a float32 batch `(batch, *canvas, 3)`.
    """

    def last_stack(forward: Callable[[Any], Any], batch: Any) -> dict[str, Any]:
        # What decoding reads; compilers leave the heads of earlier stacks out.
        return {name: stacks[-1] for name, stacks in forward(batch).items()}

    canvas = canvas or detector.config.preprocessing.size
    return detector.compiled_form(("network", canvas), last_stack, [("float32", (None, *canvas, 3))])


def title(detector: Detector, size: tuple[int, int]) -> str:
    """What was measured, and on what: model, image (height and width in pixels), machine, backend, date."""
    import keras

    machine = f"{os.cpu_count()} × {platform.machine()}, {keras.backend.backend()}, {date.today().isoformat()}"
    return f"{detector.name}, one {size[1]}x{size[0]} image; {machine}"


def table(times: Mapping[str, float]) -> Table:
    """A table of `measure`'s medians and their ratio to the network."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD)
    made.add_column("what")
    for column in ("median ms", "ratio"):
        made.add_column(column, justify="right")
    for name, milliseconds in times.items():
        made.add_row(name, f"{milliseconds:.1f}", f"{milliseconds / times[NETWORK]:.3f}")
    extra = times[DETECT] - times[NETWORK]
    share = f"{100 * extra / times[NETWORK]:+.1f} %"
    made.add_row("preprocessing + decoding + result", f"{extra:.1f}", share)
    return made
