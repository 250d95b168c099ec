"""Quantizes an exported file, and compares it with the float32 one: accuracy, size, time."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from centernet.data.dataset import Dataset
from centernet.errors import ConfigError
from centernet.evaluation.evaluating import evaluate
from centernet.evaluation.result import Evaluation
from centernet.inference.exported import ExportedModel
from centernet.inference.quantization import PHOTOS, quantize

ROUNDS = 9  # of the timing


@dataclass(frozen=True)
class Comparison:
    """Figures of a float32 file and of the quantized one.

    Attributes:
        ap: Average precision of both; by `"AP"`, that of boxes, and `"keypoint AP"`, as far as the photos have them.
        milliseconds: Median latency of one photo.
        megabytes: Size of the file.
        photos: How many photos were evaluated.
    """

    ap: Mapping[str, tuple[float, float]]
    milliseconds: tuple[float, float]
    megabytes: tuple[float, float]
    photos: int

    @property
    def loss(self) -> float:
        """The larger loss of average precision."""
        return max((before - after for before, after in self.ap.values()), default=0.0)

    def __str__(self) -> str:
        """A table."""
        columns = {**self.ap, "ms": self.milliseconds, "MB": self.megabytes}
        head = "".join(f"{name:>13}" for name in columns)
        digits = {name: 4 if name in self.ap else 1 for name in columns}
        rows = ["".join(f"{pair[row]:13.{digits[name]}f}" for name, pair in columns.items()) for row in (0, 1)]
        return f"{f'{self.photos} photos':14}{head}\n{'float32':14}{rows[0]}\n{'int8':14}{rows[1]}"


def quantize_and_compare(path: Path, calibration: Dataset, validation: Dataset, max_loss: float | None) -> Comparison:
    """Quantize an ONNX file in place, and evaluate it and what it was.

    Args:
        path: The file, in float32.
        calibration: Photos that give the ranges of activations; up to 32 of them are used.
        validation: Annotated photos that are evaluated.
        max_loss: Largest loss of average precision; None for any.

    Returns:
        The figures.

    Raises:
        ConfigError: If there are no photos, they are not those of the model, or more is lost.
        SourceError: If a photo can't be read.
    """
    if not (len(calibration) and len(validation)):
        raise ConfigError(
            "Expected photos to calibrate with and to evaluate. Received: "
            f"{len(calibration)} and {len(validation)} of them."
        )
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        full = Path(shutil.copy(path, Path(folder) / path.name))
        before = ExportedModel(full, "onnx")
        quantize(path, _photos(before, calibration))
        models = before, ExportedModel(path, "onnx")
        figures = [_figures(evaluate(model, validation)) for model in models]
        ap = {name: (value, figures[1][name]) for name, value in figures[0].items()}
        megabytes = [file.stat().st_size / 1e6 for file in (full, path)]
    found = Comparison(ap, _latency(models, validation[0].image), (megabytes[0], megabytes[1]), len(validation))
    if max_loss is not None and not ap:
        raise ConfigError(
            "Expected photos with objects, whose average precision tells what int8 loses. Received: none. Give others "
            "as validation_data, or permit any loss (max_loss=None)."
        )
    if max_loss is not None and found.loss > max_loss:
        raise ConfigError(
            f"Expected int8 to lose at most {max_loss:g} AP (max_loss). Received:\n{found}\nNothing is written. "
            "Calibrate with more photos like those of use, export float32, or permit the loss."
        )
    return found


def _photos(model: ExportedModel, dataset: Dataset) -> Iterator[np.ndarray]:
    """Photos from all over a dataset that the model takes."""
    for number in np.unique(np.linspace(0, len(dataset) - 1, PHOTOS).round().astype(int)):
        photo = dataset[int(number)].image
        model.infer([photo])  # refuses other sizes than the file's, with a message
        yield photo


def _figures(evaluation: Evaluation) -> dict[str, float]:
    keypoints = evaluation.keypoints
    figures = {"AP": evaluation.ap, "keypoint AP": keypoints.ap if keypoints else np.nan}
    return {name: value for name, value in figures.items() if np.isfinite(value)}


def _latency(models: tuple[ExportedModel, ExportedModel], photo: np.ndarray) -> tuple[float, float]:
    """Milliseconds of each, medians of interleaved rounds."""
    rounds = []
    for _ in range(ROUNDS):
        for model in models:
            start = time.perf_counter()
            model.infer([photo])
            rounds.append(time.perf_counter() - start)
    before, after = 1e3 * np.median(np.reshape(rounds, (ROUNDS, 2)), axis=0)
    return float(before), float(after)
