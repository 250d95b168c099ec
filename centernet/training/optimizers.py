"""Keras's optimizers and schedules from `TrainingSettings`, and the moving averages of weights that they keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.training.replicas import sum_over_replicas
from centernet.training.settings import TrainingSettings

MOMENTUM = 0.9
OPTIMIZERS = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
NOT_DECAYED = ["bias", "gamma", "beta"]


class _DistributedClipping:
    """Mixin of an optimizer: clips the gradient of the whole batch; Keras clips that of each replica."""

    def _clip_gradients(self, gradients: list[Any]) -> list[Any]:
        limit = self.global_clipnorm  # type: ignore[attr-defined] # of the optimizer
        if limit is None or not gradients:
            return gradients
        whole = [sum_over_replicas(ops.convert_to_tensor(gradient)) for gradient in gradients]
        norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(gradient, "float32"))) for gradient in whole))
        factor = limit / ops.maximum(norm, limit)
        return [gradient * ops.cast(factor, gradient.dtype) for gradient in gradients]


def make_optimizer(settings: TrainingSettings, steps: int, *, distributed: bool = False) -> keras.optimizers.Optimizer:
    """The optimizer of a training, with its learning rate schedule.

    Args:
        settings: Settings of the training.
        steps: Batches of the whole training.
        distributed: Whether several replicas share a batch.
    """
    options: dict[str, Any] = {
        "learning_rate": _schedule(settings, max(steps // settings.accumulate, 1)),
        "global_clipnorm": settings.clip_norm,
    }
    if settings.accumulate > 1:
        options["gradient_accumulation_steps"] = settings.accumulate
    if settings.ema is not None:
        # Keras updates the averages after each batch, even if weights are updated after several.
        options |= {"use_ema": True, "ema_momentum": settings.ema ** (1 / settings.accumulate)}
    if settings.optimizer == "adamw" or settings.weight_decay:
        options["weight_decay"] = settings.weight_decay  # not AdamW's default
    if settings.optimizer == "sgd":
        options["momentum"] = MOMENTUM
    kind: Any = OPTIMIZERS[settings.optimizer]
    if distributed:
        kind = type(kind.__name__, (_DistributedClipping, kind), {})
    optimizer = kind(**options)
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


def _schedule(settings: TrainingSettings, steps: int) -> Any:
    warmup = round(settings.warmup * steps)
    rate = settings.learning_rate
    if settings.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            max(steps - warmup, 1),
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    if not warmup:
        return rate
    return keras.optimizers.schedules.PolynomialDecay(0.0, warmup, end_learning_rate=rate)


@contextmanager
def averaged_weights(model: Any) -> Iterator[None]:
    """Give a `TrainingModel` the moving averages of its weights, if its optimizer keeps them."""
    # Keras wraps the optimizer in another one for float16.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema:
        yield
        return
    original = _trained_weights(model)
    optimizer.finalize_variable_values(model.trainable_variables)
    model.detector.refresh()
    try:
        yield
    finally:
        _set_trained_weights(model, original)


class RememberWeights(keras.callbacks.Callback):
    """Keeps the weights of the last epoch, which Keras replaces by their averages at the end of a `fit`."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Remember the weights."""
        self._values = _trained_weights(self.model)

    def restore(self) -> None:
        """Set the remembered weights."""
        _set_trained_weights(self.model, self._values)


def _trained_weights(model: Any) -> list[np.ndarray]:
    """A copy of the trainable weights."""
    return [np.array(ops.convert_to_numpy(variable)) for variable in model.trainable_variables]


def _set_trained_weights(model: Any, values: list[np.ndarray]) -> None:
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)
    model.detector.refresh()
