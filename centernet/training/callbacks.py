"""What happens in between the steps of a training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from centernet.data.batches.loader import Batches
from centernet.data.dataset import Dataset
from centernet.errors import TrainingError
from centernet.evaluation.callback import CocoEvaluation
from centernet.training.state import Position, find_state, restore_state, save_state
from centernet.training.weight_averages import averaged_weights

BAD_BATCH = "batch_of_the_failure.npz"


class _Positioned(keras.callbacks.Callback):
    """Knows how many batches of the epoch are done, also if it was begun in the middle."""

    def __init__(self, begin: Position) -> None:
        super().__init__()
        self._begin = self.position = begin

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin to count."""
        self.position = self._begin if epoch == self._begin.epoch else Position(epoch)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count."""
        self.position = Position(self.position.epoch, self.position.step + 1)


class SaveState(_Positioned):
    """Saves the state at the end of each epoch, after all callbacks before it, and every so many steps within one."""

    def __init__(self, folder: Path, terms: Mapping[str, Any], *, every: int = 0, begin: Position) -> None:
        """Save it in a folder.

        Args:
            folder: The folder.
            terms: What the training was started with.
            every: Steps in between; 0 for epochs only.
            begin: Where the training begins.
        """
        super().__init__(begin)
        self._folder, self._every, self._terms = folder, every, terms

    def save(self) -> None:
        """Save the state now."""
        save_state(self.model, self._folder, self.position, self._terms)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Save the state before the first step, so that there always is a good one."""
        if find_state(self._folder) is None:
            self.save()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count, and save if it is time."""
        super().on_train_batch_end(batch, logs)
        if self._every and self.position.step % self._every == 0:
            self.save()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Save at the beginning of the next."""
        self.position = Position(epoch + 1)
        self.save()


class StopAtNonsense(_Positioned):
    """Stops when the loss is no number: the last good weights come back, and the batch is kept to be looked at."""

    def __init__(self, batches: Batches, folder: Path | None, begin: Position | None = None) -> None:
        """Watch the loss.

        Args:
            batches: What is trained on.
            folder: Where states are saved, if any are.
            begin: Where the training begins.
        """
        super().__init__(begin or Position())
        self._batches, self._folder = batches, folder

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Look at the loss of the epoch so far, of which one bad batch makes nonsense."""
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            raise TrainingError(self._stopped(loss))
        super().on_train_batch_end(batch, logs)

    def _stopped(self, loss: float) -> str:
        epoch, step = self.position.epoch, self.position.step
        said = f"The loss became {loss} at step {step + 1} of epoch {epoch + 1}."
        if self._folder is not None:
            batch: dict[str, Any] = self._batches.starting_at(epoch, step)[0]
            np.savez(self._folder / BAD_BATCH, **batch)
            last = restore_state(self.model, self._folder)
            said += (
                f" The weights are those after step {last.step} of epoch {last.epoch + 1}, the last saved; the "
                f"batch is in {self._folder / BAD_BATCH}."
            )
        return f"{said} Lower learning_rate or clip_norm, or look for broken boxes with `centernet check`."


class Throughput(keras.callbacks.Callback):
    """Adds `images_per_second` to what the progress bar shows."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self._batch_size, self._begun, self._batches = batch_size, 0.0, 0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Count anew."""
        self._batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """The step is done. The clock starts at the end of the first, which is compiled."""
        now = time.perf_counter()
        if self._batches == 0:
            self._begun = now
        elif logs is not None:
            logs["images_per_second"] = self._batches * self._batch_size / (now - self._begun)
        self._batches += 1


class Evaluate(keras.callbacks.Callback):
    """Puts `val_ap` and the like into the logs, of the averaged weights where there are such."""

    def __init__(self, dataset: Dataset, every: int, epochs: int, save: Callable[[], None] | None = None) -> None:
        """Evaluate on a dataset.

        Args:
            dataset: The dataset.
            every: Epochs between evaluations; there is one after the last, too.
            epochs: Of the training.
            save: Called before an evaluation: it may take long, and be killed.
        """
        super().__init__()
        self._evaluation, self._every, self._epochs = CocoEvaluation(dataset, every=every), every, epochs
        self._save = save

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate, if it is time to."""
        if self._save and ((epoch + 1) % self._every == 0 or epoch + 1 == self._epochs):
            self._save()
        self._evaluation.set_model(self.model.detector)
        self._evaluation.set_params({**self.params, "epochs": self._epochs})  # of all fits of a resumed training
        with averaged_weights(self.model):
            self._evaluation.on_epoch_end(epoch, logs)
