"""What TensorBoard shows of a training: losses and AP, and photos with what is found on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from centernet.data.dataset import Dataset
from centernet.errors import MissingExtraError, SourceError
from centernet.training.weight_averages import averaged_weights

PHOTOS = 4


def tensorboard_callbacks(folder: Path, validation: Dataset | None) -> list[keras.callbacks.Callback]:
    """Callbacks that write for TensorBoard.

    Args:
        folder: What `tensorboard --logdir` is then called with.
        validation: Whose first photos are drawn, if any.

    Raises:
        MissingExtraError: If TensorBoard is not installed.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("TensorBoard is needed: pip install centernet[tensorboard]") from error
    drawn = [DrawnPhotos(folder, validation)] if validation is not None else []
    return [keras.callbacks.TensorBoard(str(folder), write_graph=False), *drawn]


class DrawnPhotos(keras.callbacks.Callback):
    """Draws what the detector finds on some photos, at the end of each epoch."""

    def __init__(self, folder: Path, dataset: Dataset, min_score: float = 0.3) -> None:
        """Draw the first photos of a dataset, and write them to a folder of TensorBoard."""
        super().__init__()
        self._folder = folder / "photos"
        self._samples, self._min_score = dataset.samples[:PHOTOS], min_score

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin a file; not before, since a training begins in an empty folder."""
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(str(self._folder))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """End the file."""
        self._writer.close()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Detect and draw."""
        with averaged_weights(self.model), self._writer.as_default():
            for number, sample in enumerate(self._samples):
                try:
                    found = self.model.detector.detect(sample.image, min_score=self._min_score)
                except SourceError:
                    continue  # said when the photo was to be learned from or evaluated on
                self._summary.image(f"found/{number}", np.asarray(found.draw())[None], step=epoch)
        self._writer.flush()
