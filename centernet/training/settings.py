"""How a detector is trained (plain data, no Keras)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from centernet.errors import ConfigError
from centernet.files.validation import check_types, dataclass_from, to_plain
from centernet.training.augmentation.settings import AugmentationSettings


@dataclass(frozen=True)
class TrainingSettings:
    """How a detector is trained; the defaults suit fine-tuning on a few hundred to a few thousand photos.

    Attributes:
        epochs: Times that every image is seen.
        batch_size: Images of a step.
        optimizer: Keras's `adam`, `adamw` or `sgd` (with momentum 0.9).
        learning_rate: The highest of the schedule.
        schedule: After the warm-up, `cosine` falls to 0 at the last step, `constant` stays.
        warmup: Part of all steps in which the learning rate rises from 0.
        weight_decay: Of kernels, not of biases and normalization; `adamw` and `sgd` have it.
        clip_norm: Largest norm of the whole gradient; None for any.
        accumulate: Batches whose gradients are averaged for one change of the weights.
        ema: Momentum, at each change of the weights, of their moving average, which is evaluated and kept; None for
            the weights themselves.
        freeze: What keeps its weights: `backbone`, `stages:N` (the trunk down to a map of stride 2 to the N), or None.
        batch_statistics: Whether batch normalization goes by the statistics of a batch, and learns them; without, it
            keeps those it was loaded with, which is better for few images of a step.
        load_size: Height and width of the canvas that photos are read to, before augmentation cuts the network's
            input out of it; None for that of the network's input.
        augmentation: How images are changed: `AugmentationSettings`, or a mapping of its fields.
        targets: Fields of the family's `TargetSettings` that are otherwise than the published models'.
        loss_weights: Fields of the family's `LossWeights` that are otherwise.
        max_objects: Objects that an image may have; None for the most that one of the dataset has.
        evaluate_every: Epochs between evaluations; 0 for none but the losses.
        save_every: Steps between saved states within an epoch; 0 for the end of each epoch only.
        seed: Of order, augmentation and new weights.
        jit_compile: Whether XLA compiles the step; None for what is faster: not on TensorFlow without a GPU.
    """

    epochs: int = 30
    batch_size: int = 8
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 5e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.05
    weight_decay: float = 0.0
    clip_norm: float | None = 10.0
    accumulate: int = 1
    ema: float | None = None
    freeze: str | None = None
    batch_statistics: bool = True
    load_size: tuple[int, int] | None = None
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    targets: Mapping[str, Any] = field(default_factory=dict)
    loss_weights: Mapping[str, Any] = field(default_factory=dict)
    max_objects: int | None = None
    evaluate_every: int = 1
    save_every: int = 0
    seed: int = 0
    jit_compile: bool | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        if isinstance(self.load_size, list):
            object.__setattr__(self, "load_size", tuple(to_plain(self.load_size)))
        if isinstance(self.augmentation, Mapping):
            augmentation = dataclass_from(AugmentationSettings, self.augmentation, "augmentation")
            object.__setattr__(self, "augmentation", augmentation)
        check_types(self)
        if min(self.epochs, self.batch_size, self.accumulate) < 1 or self.learning_rate <= 0:
            raise ConfigError(
                "Expected epochs, batch_size and accumulate of at least 1 and a positive learning_rate. Received: "
                f"{self.epochs}, {self.batch_size}, {self.accumulate}, {self.learning_rate}"
            )
        if not 0 <= self.warmup < 1 or not (self.ema is None or 0 < self.ema < 1):
            raise ConfigError(
                "Expected a warmup of at least 0 and an ema above it, both below 1. Received: "
                f"warmup={self.warmup}, ema={self.ema}"
            )
        if self.weight_decay and self.optimizer == "adam":
            raise ConfigError(
                f"Expected no weight_decay for the optimizer adam; adamw has it. Received: {self.weight_decay}"
            )
        if min(self.evaluate_every, self.save_every, self.weight_decay) < 0:
            raise ConfigError(
                "Expected evaluate_every, save_every and weight_decay of at least 0. Received: "
                f"{self.evaluate_every}, {self.save_every}, {self.weight_decay}"
            )
