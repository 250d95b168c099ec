"""Keras's optimizers and schedules, as `TrainingSettings` describes them."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from centernet.training.replicas import total
from centernet.training.settings import TrainingSettings

MOMENTUM = 0.9


class _ClippedTogether:
    """An optimizer that clips the gradient of a batch whose parts are on several devices; Keras clips each part's."""

    def _clip_gradients(self, gradients: list[Any]) -> list[Any]:
        limit = self.global_clipnorm  # type: ignore[attr-defined] # of the optimizer that it is mixed into
        if limit is None or not gradients:
            return gradients
        whole = [total(ops.convert_to_tensor(gradient)) for gradient in gradients]
        norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(gradient, "float32"))) for gradient in whole))
        factor = limit / ops.maximum(norm, limit)
        return [gradient * ops.cast(factor, gradient.dtype) for gradient in gradients]


KINDS = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW, "sgd": keras.optimizers.SGD}
NOT_DECAYED = ["bias", "gamma", "beta"]


def make_optimizer(settings: TrainingSettings, steps: int, *, together: bool = False) -> keras.optimizers.Optimizer:
    """The optimizer of a training.

    Args:
        settings: How it is trained.
        steps: Batches of the whole training.
        together: Whether several devices share a batch, whose whole gradient is clipped.

    Returns:
        The optimizer, with its schedule of learning rates.
    """
    options: dict[str, Any] = {
        "learning_rate": _schedule(settings, max(steps // settings.accumulate, 1)),
        "global_clipnorm": settings.clip_norm,
    }
    if settings.accumulate > 1:
        options["gradient_accumulation_steps"] = settings.accumulate
    if settings.ema is not None:
        # Keras moves the averages after each batch, also where weights are changed after several.
        options |= {"use_ema": True, "ema_momentum": settings.ema ** (1 / settings.accumulate)}
    if settings.optimizer == "adamw" or settings.weight_decay:
        options["weight_decay"] = settings.weight_decay  # AdamW's default is another one
    if settings.optimizer == "sgd":
        options["momentum"] = MOMENTUM
    kind: Any = KINDS[settings.optimizer]
    if together:
        kind = type(kind.__name__, (_ClippedTogether, kind), {})
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
