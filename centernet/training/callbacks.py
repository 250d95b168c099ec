"""Callbacks of `fit`: state, evaluation, best detector, throughput, TensorBoard, stop at an invalid loss."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from centernet.checkpoints.saved.saving import save
from centernet.data.batches.loader import Batches
from centernet.data.dataset import Dataset
from centernet.errors import CheckpointError, MissingExtraError, SourceError, TrainingError
from centernet.evaluation.callback import CocoEvaluation
from centernet.inference.detecting import detect
from centernet.training.optimizers import averaged_weights
from centernet.training.state import Position, find_state, restore_state, save_state

BAD_BATCH = "batch_of_the_failure.npz"
BEST = "best"  # folder of the best detector
WATCHED = "val_ap"
IMAGES = 4  # drawn


class _Positioned(keras.callbacks.Callback):
    """Counts epochs and steps, also if the training starts within an epoch."""

    def __init__(self, start: Position) -> None:
        super().__init__()
        self._start = self.position = start

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Start counting the steps of an epoch."""
        self.position = self._start if epoch == self._start.epoch else Position(epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count a step."""
        self.position = Position(self.position.epoch, self.position.step + 1)


class SaveState(_Positioned):
    """Saves the state of the training at the end of each epoch, after the callbacks before it, and every few steps."""

    def __init__(self, folder: Path, fixed: Mapping[str, Any], *, every: int = 0, start: Position) -> None:
        """Save the state in a folder.

        Args:
            folder: The folder.
            fixed: See `centernet.training.state.fixed_settings`.
            every: Steps between states within an epoch; 0 for the end of epochs only.
            start: Where the training starts.
        """
        super().__init__(start)
        self._folder, self._every, self._fixed = folder, every, fixed

    def save(self) -> None:
        """Save the state now."""
        save_state(self.model, self._folder, self.position, self._fixed)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Save the state before the first step, so that there is always a valid one."""
        if find_state(self._folder) is None:
            self.save()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count, and save every few steps."""
        super().on_train_batch_end(batch, logs)
        if self._every and self.position.step % self._every == 0:
            self.save()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save the beginning of the next epoch."""
        self.position = Position(epoch + 1)
        self.save()


class StopAtInvalidLoss(_Positioned):
    """Stops if the loss is NaN or infinite, restores the last saved weights and saves the batch for inspection."""

    def __init__(self, batches: Batches, folder: Path | None, start: Position) -> None:
        """Watch the loss.

        Args:
            batches: Batches of the training.
            folder: Folder of the saved states, if any.
            start: Where the training starts.
        """
        super().__init__(start)
        self._batches, self._folder = batches, folder

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Check the mean loss of the epoch so far, which one bad batch makes NaN or infinite."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise TrainingError(self._stop(loss))
        super().on_train_batch_end(batch, logs)

    def _stop(self, loss: float) -> str:
        epoch, step = self.position.epoch, self.position.step
        message = f"Expected a finite loss. Received: {loss} at step {step + 1} of epoch {epoch + 1}."
        if self._folder is not None:
            batch: dict[str, Any] = self._batches.starting_at(epoch, step)[0]
            np.savez(self._folder / BAD_BATCH, **batch)
            last = restore_state(self.model, self._folder)
            message += (
                f" The weights are those after step {last.step} of epoch {last.epoch + 1}, the last saved; the "
                f"batch is in {self._folder / BAD_BATCH}."
            )
        return f"{message} Lower learning_rate or clip_norm, or check the boxes with `centernet check`."


class StopAtStep(_Positioned):
    """Ends the training after a number of batches, within an epoch."""

    def __init__(self, steps: int, per_epoch: int, start: Position) -> None:
        super().__init__(start)
        self._steps, self._per_epoch = steps, per_epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count a step, and stop after the last."""
        super().on_train_batch_end(batch, logs)
        if self.position.epoch * self._per_epoch + self.position.step >= self._steps:
            self.model.stop_training = True


class Throughput(keras.callbacks.Callback):
    """Adds `images_per_second` to the progress bar."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size, self._begun, self._batches = batch_size, 0.0, 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Reset the count."""
        self._batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count a step. The clock starts after the first, which includes compilation."""
        now = time.perf_counter()
        if self._batches == 0:
            self._begun = now
        elif logs is not None:
            logs["images_per_second"] = self._batches * self._batch_size / (now - self._begun)
        self._batches += 1


class Evaluate(keras.callbacks.Callback):
    """Adds `val_ap` and other figures to the logs, of the averaged weights if there are any."""

    def __init__(self, dataset: Dataset, every: int, epochs: int, save: Callable[[], None] | None = None) -> None:
        """Evaluate on a dataset.

        Args:
            dataset: The dataset.
            every: Epochs between evaluations; the last epoch is always evaluated.
            epochs: Number of epochs of the training.
            save: Called before an evaluation, which may take long and be interrupted.
        """
        super().__init__()
        self._evaluation, self._every, self._epochs = CocoEvaluation(dataset, every=every), every, epochs
        self._save = save

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate after every few epochs."""
        if self._save and ((epoch + 1) % self._every == 0 or epoch + 1 == self._epochs):
            self._save()
        self._evaluation.set_model(self.model.detector)
        self._evaluation.set_params({**self.params, "epochs": self._epochs})  # of all fits of a resumed training
        with averaged_weights(self.model):
            self._evaluation.on_epoch_end(epoch, logs)


class Best(NamedTuple):
    """Epoch of the best detector, counted from 1, and its AP on the validation set."""

    epoch: int
    ap: float


def best_of(folder: Path) -> Best | None:
    """The best epoch of the training in a folder, or None if there was no evaluation.

    Raises:
        CheckpointError: If its file is damaged.
    """
    file = _best_file(folder)
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text("utf-8"))
        return Best(int(content["epoch"]), float(content[WATCHED]))
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"Expected the best epoch of a training in {file}. It is damaged; remove it.") from error


class KeepBest(keras.callbacks.Callback):
    """Saves the detector whenever its AP on the validation set is the best so far."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare, and save."""
        ap, before = (logs or {}).get(WATCHED), best_of(self._folder)
        if ap is None or (before and not ap > before.ap):
            return
        with averaged_weights(self.model):
            save(self.model.detector, self._folder / BEST)
        file = _best_file(self._folder)
        temporary = file.with_name(f".{file.name}")
        temporary.write_text(json.dumps({"epoch": epoch + 1, WATCHED: float(ap)}), encoding="utf-8")
        temporary.replace(file)


def _best_file(folder: Path) -> Path:
    return folder / f"{BEST}.json"


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
