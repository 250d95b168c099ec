"""Running means of the parts of a detector's loss, which the progress bar shows by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from centernet.training.replicas import total

TOTAL = "loss"  # tracked by Keras itself


class LossParts:
    """One `keras.metrics.Mean` for each part of a detector's loss.

    It is no Keras object, so that its state is not saved with the detector's weights.

    Attributes:
        means: Name of a part → its mean over the images of an epoch.
    """

    def __init__(self, detector: Any) -> None:
        """Ask a detector which parts its loss has."""
        self.means = {name: keras.metrics.Mean(name=name) for name in loss_parts(detector)}

    def update(self, losses: Mapping[str, Any], images: Any) -> None:
        """Count the losses of a batch of so many images."""
        for name, mean in self.means.items():
            mean.update_state(total(losses[name]), sample_weight=images)


class _Losses(keras.Operation):
    """The losses of a detector, as an operation whose outputs are known without computing them."""

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self._detector = detector

    def call(self, maps: Any, y: Any) -> Any:
        return self._detector.training_losses(maps, y, self._detector.config.preprocessing.size)


def loss_parts(detector: Any) -> list[str]:
    """Names of the losses that `training_losses` gives besides the total, in order; nothing is computed."""
    config = detector.config
    maps = detector.compute_output_spec(keras.KerasTensor((1, *config.preprocessing.size, 3)))
    y = {"boxes": keras.KerasTensor((1, 1, 4)), "class_ids": keras.KerasTensor((1, 1), dtype="int32")}
    if config.keypoints:
        y["keypoints"] = keras.KerasTensor((1, 1, len(config.keypoints.names), 3))
    return sorted(_Losses(detector).compute_output_spec(maps, y).keys() - {TOTAL})
