"""TensorBoard logs of a training: losses, AP, and images with their detections."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from centernet.data.dataset import Dataset
from centernet.errors import MissingExtraError, SourceError
from centernet.inference.detecting import detect
from centernet.training.optimizers import averaged_weights

IMAGES = 4  # drawn


def tensorboard_callbacks(folder: Path, validation: Dataset | None) -> list[keras.callbacks.Callback]:
    """Callbacks that write for TensorBoard.

    Args:
        folder: The log folder (`tensorboard --logdir`).
        validation: Dataset whose first images are drawn, or None.

    Raises:
        MissingExtraError: If TensorBoard is not installed.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("TensorBoard is needed: pip install centernet[tensorboard]") from error
    drawn = [DetectionImages(folder, validation)] if validation is not None else []
    return [keras.callbacks.TensorBoard(str(folder), write_graph=False), *drawn]


class DetectionImages(keras.callbacks.Callback):
    """Logs a few images with their detections at the end of each epoch."""

    def __init__(self, folder: Path, dataset: Dataset, min_score: float = 0.3) -> None:
        """Draw the first images of a dataset, in a subfolder of TensorBoard's folder."""
        super().__init__()
        self._folder = folder / "photos"
        self._samples, self._min_score = dataset.samples[:IMAGES], min_score

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Create the file; not earlier, because a training starts in an empty folder."""
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(str(self._folder))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Close the file."""
        self._writer.close()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Detect and draw."""
        with averaged_weights(self.model), self._writer.as_default():
            for number, sample in enumerate(self._samples):
                try:
                    detections = self._detect(sample.image)
                except SourceError:
                    continue  # training or evaluation has logged it
                self._summary.image(f"found/{number}", np.asarray(detections.draw())[None], step=epoch)
        self._writer.flush()

    def _detect(self, image: np.ndarray) -> Any:
        options: dict[str, Any] = {"max_detections": None, "batch_size": 1, "test_time": None, "exact": False}
        return detect(self.model.detector, image, min_score=self._min_score, **options)
