"""Keras's optimizers and schedules from `TrainingSettings`, and the moving averages of weights that they keep."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.errors import ConfigError
from centernet.training.replicas import sum_over_replicas
from centernet.training.settings import Phase, TrainingSettings

MOMENTUM = 0.9
OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}
SET_ELSEWHERE = (  # arguments of Keras's optimizers that other settings give, or that nobody needs
    *("weight_decay", "clipnorm", "clipvalue", "use_ema", "ema_momentum", "ema_overwrite_frequency"),
    *("gradient_accumulation_steps", "loss_scale_factor", "name", "kwargs"),
)
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
    _check_options(settings, kind, options)
    options |= settings.optimizer_options
    if distributed:
        kind = type(kind.__name__, (_DistributedClipping, kind), {})
    optimizer = kind(**options)
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


def _check_options(settings: TrainingSettings, kind: Any, used: Mapping[str, Any]) -> None:
    """Check that optimizer options are arguments of the optimizer that no other setting gives."""
    known = sorted(set(inspect.signature(kind).parameters) - ({*used, *SET_ELSEWHERE} - {"momentum"}))
    if unknown := sorted(set(settings.optimizer_options) - set(known)):
        raise ConfigError(
            f"Expected optimizer_options of {known} for the optimizer {settings.optimizer}. Received: {unknown}"
        )


class PhasedLearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of a list of phases; after the last it stays."""

    def __init__(self, learning_rate: float, phases: Sequence[Phase]) -> None:
        self._learning_rate, self._phases = learning_rate, tuple(phases)

    def __call__(self, step: Any) -> Any:
        """The rate at an update, counted from 0; a scalar, float32."""
        step = ops.cast(step, "float32")
        begin, factor = 0, ops.convert_to_tensor(self._phases[-1].last, "float32")
        parts = []
        for phase in self._phases:
            parts.append((step < begin + phase.steps, _factor(phase, step - begin)))
            begin += phase.steps
        for inside, value in reversed(parts):
            factor = ops.where(inside, value, factor)
        return self._learning_rate * factor

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"learning_rate": self._learning_rate, "phases": [dataclasses.asdict(phase) for phase in self._phases]}


def _factor(phase: Phase, step: Any) -> Any:
    step = (step + phase.skip) // phase.every * phase.every
    part = ops.clip(step / (phase.steps + phase.skip), 0.0, 1.0)
    if phase.form == "exponential":
        return phase.start * ops.power(phase.last / phase.start, part)
    if phase.form == "cosine":
        part = (1 - ops.cos(math.pi * part)) / 2
    return phase.start + (phase.last - phase.start) * part


def _schedule(settings: TrainingSettings, steps: int) -> Any:
    rate = settings.learning_rate
    if not isinstance(settings.schedule, str):
        return PhasedLearningRate(rate, settings.schedule)
    warmup = round(settings.warmup * steps)
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
