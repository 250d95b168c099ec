"""The weights that an optimizer works on, and their moving averages, which are evaluated and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops


class OwnWeights(keras.callbacks.Callback):
    """Remembers the weights that an optimizer works on, in whose place Keras puts their averages after a `fit`."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Remember them."""
        self._values = weights_of(self.model)

    def put_back(self) -> None:
        """Put them back."""
        set_weights_of(self.model, self._values)


def weights_of(learner: Any) -> list[np.ndarray]:
    """A copy of the weights that are trained."""
    return [np.array(ops.convert_to_numpy(variable)) for variable in learner.trainable_variables]


def set_weights_of(learner: Any, values: list[np.ndarray]) -> None:
    """Set the weights that are trained."""
    for variable, value in zip(learner.trainable_variables, values, strict=True):
        variable.assign(value)
    learner.detector.refresh()


@contextmanager
def averaged_weights(learner: Any) -> Iterator[None]:
    """Within it, a learner has the moving averages of its weights, if its optimizer keeps them."""
    # Keras wraps the optimizer in another one for float16.
    optimizer = getattr(learner.optimizer, "inner_optimizer", learner.optimizer)
    if not optimizer.use_ema:
        yield
        return
    own = weights_of(learner)
    optimizer.finalize_variable_values(learner.trainable_variables)
    learner.detector.refresh()
    try:
        yield
    finally:
        set_weights_of(learner, own)
