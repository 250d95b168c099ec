"""A Keras callback that evaluates after epochs."""

from __future__ import annotations

import math
from typing import Any

import keras

from centernet.data.dataset import Dataset
from centernet.errors import ConfigError
from centernet.evaluation.evaluating import evaluate
from centernet.evaluation.result import Evaluation
from centernet.models.test_time import TestTime

FIGURES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100")
KEYPOINT_FIGURES = ("ap", "ap50", "ap75", "ar")


class CocoEvaluation(keras.callbacks.Callback):
    """Evaluates the detector after epochs and adds the figures to the logs.

    Callbacks that use the figures must follow it: list it before `ModelCheckpoint(monitor="val_ap", mode="max")` and
    `EarlyStopping(monitor="val_ap", mode="max")`, and after `SwapEMAWeights(swap_on_epoch=True)`, which swaps in the
    averaged weights.

    Attributes:
        latest: The latest `Evaluation`, or None.

    Args:
        dataset: The images to evaluate on.
        every: Number of epochs between evaluations; the last epoch is always evaluated.
        batch_size: Images per batch.
        min_score: Minimum score of a detection.
        test_time: Test-time augmentation; by default the model's own.
        prefix: Prefix of the names in the logs: `val_ap`, `val_ap50`, `val_ap75`, `val_ap_small`, `val_ap_medium`,
            `val_ap_large`, `val_ar100`, and for keypoints `val_keypoint_ap`, `val_keypoint_ap50`,
            `val_keypoint_ap75`, `val_keypoint_ar`. Unknown figures (no object of that size) are left out.

    Raises:
        ConfigError: If the dataset has no objects, or `every` is not a positive integer.
    """

    def __init__(
        self,
        dataset: Dataset,
        every: int = 1,
        *,
        batch_size: int = 1,
        min_score: float = 0.0,
        test_time: TestTime | None = None,
        prefix: str = "val_",
    ) -> None:
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ConfigError(f"Expected to evaluate every 1 or more epochs. Received: every={every!r}")
        if not any(len(sample.boxes) for sample in dataset):
            raise ConfigError(f"Expected objects to evaluate on. Received: {dataset.name}, {len(dataset)} images, none")
        self.dataset = dataset
        self.every = every
        self.prefix = prefix
        self.latest: Evaluation | None = None
        self._options: dict[str, Any] = {"batch_size": batch_size, "min_score": min_score, "test_time": test_time}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Evaluate after every `every` epochs and after the last."""
        last = epoch + 1 == (self.params or {}).get("epochs")
        if (epoch + 1) % self.every and not last:
            return
        self.latest = evaluation = evaluate(self.model, self.dataset, **self._options)
        figures = {name: getattr(evaluation, name) for name in FIGURES}
        if evaluation.keypoints:
            figures |= {f"keypoint_{name}": getattr(evaluation.keypoints, name) for name in KEYPOINT_FIGURES}
        if logs is not None:
            logs.update({f"{self.prefix}{name}": value for name, value in figures.items() if not math.isnan(value)})
