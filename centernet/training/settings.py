"""Settings of a training run and of its augmentation (plain data, no Keras)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from centernet.errors import ConfigError
from centernet.files.validation import check_types, dataclass_from, to_plain

PROBABILITIES = ("horizontal_flip", "vertical_flip", "transpose", "mosaic", "mixup")
FACTORS = ("crop", "contrast", "saturation")
LARGEST = {"shift": 0.5, "brightness": 1.0, "hue": 0.5}


@dataclass(frozen=True)
class AugmentationSettings:
    """Augmentation of training images; off by default.

    The published models of the highest resolution use `horizontal_flip` 0.5, `crop` 0.6–1.3, `shift` 0.3, `brightness`
    0.2, `contrast` and `saturation` 0.8–1.25, `hue` 0.02. Each image has its own random numbers, uniform within their
    range.

    Attributes:
        horizontal_flip: Probability of mirroring left and right.
        vertical_flip: Probability of mirroring top and bottom.
        transpose: Probability of exchanging rows and columns of the canvas, which must be square. With both flips, this
            gives all eight orientations, for orientation-free images (microscopy, aerial).
        crop: Minimum and maximum side of the window that is cut from an image, relative to the smallest canvas (a
            square, for a square input) that contains the image: at 0.5 objects look twice as large, 1.3 adds a border.
            The window is centered on the image (with `crop` 1 and `shift` 0 the image is at the top left instead). The
            reference draws one of eight evenly spaced values.
        shift: Maximum distance of the window's center from the image's, relative to the image's height and width. (In
            the reference it stays 128 pixels of the original from the border: 0.3 for 640 pixels.)
        brightness: Maximum offset added to or subtracted from all values, relative to 255.
        contrast: Minimum and maximum factor of the difference to the image's mean of each channel.
        saturation: Minimum and maximum factor of the saturation (HSV).
        hue: Maximum rotation of the hue, relative to a full turn.
        mosaic: Probability of composing a canvas of random windows of four images of the batch.
        mixup: Probability of blending a canvas with another one of the batch.
        cut_objects: How to treat a box whose center left the canvas, but a part of which is still on it: `"drop"`:
            remove it (class id -1), `"ignore"`: ignored (neither positive nor negative), `"keep"`: an object, as in
            the reference.
    """

    horizontal_flip: float = 0.0
    vertical_flip: float = 0.0
    transpose: float = 0.0
    crop: tuple[float, float] = (1.0, 1.0)
    shift: float = 0.0
    brightness: float = 0.0
    contrast: tuple[float, float] = (1.0, 1.0)
    saturation: tuple[float, float] = (1.0, 1.0)
    hue: float = 0.0
    mosaic: float = 0.0
    mixup: float = 0.0
    cut_objects: Literal["drop", "ignore", "keep"] = "drop"

    def __post_init__(self) -> None:
        """Check the ranges and make the sequences tuples."""
        check_types(self)
        for name in FACTORS:
            low, high = pair = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, pair)
            if not 0 < low <= high:
                raise ConfigError(f"Expected {name} as two factors above 0, the smaller one first. Received: {pair}")
        for name, largest in (dict.fromkeys(PROBABILITIES, 1.0) | LARGEST).items():
            if not 0 <= getattr(self, name) <= largest:
                raise ConfigError(f"Expected {name} from 0 to {largest:g}. Received: {getattr(self, name)!r}")

    @property
    def moves(self) -> bool:
        """Whether windows are drawn, instead of the whole photo."""
        return self.crop != (1.0, 1.0) or self.shift > 0

    @property
    def mirrors(self) -> bool:
        """Whether photos may be mirrored."""
        return max(self.horizontal_flip, self.vertical_flip, self.transpose) > 0

    @property
    def turns_colors(self) -> bool:
        """Whether hue or saturation may change."""
        return self.hue > 0 or self.saturation != (1.0, 1.0)

    @property
    def scales_colors(self) -> bool:
        """Whether contrast or brightness may change."""
        return self.brightness > 0 or self.contrast != (1.0, 1.0)


@dataclass(frozen=True)
class Phase:
    """A part of a schedule of learning rates, in factors of the `learning_rate` of the training.

    Attributes:
        steps: Number of updates of the weights.
        start: Factor at the first of them.
        end: Factor after the last of them; None for `start`, a constant rate. It stays so if no phase follows.
        form: How it changes from `start` to `end`: `linear`, `cosine` (half a period) or `exponential`.
        every: Number of updates between changes; 1 for a change at each.
        skip: Number of updates of the form that came before the phase, as under a warm-up.
    """

    steps: int
    start: float
    end: float | None = None
    form: Literal["linear", "cosine", "exponential"] = "linear"
    every: int = 1
    skip: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_types(self)
        if min(self.steps, self.every, self.skip + 1) < 1 or min(self.start, self.last) < 0:
            raise ConfigError(
                "Expected a phase with steps and every of at least 1, and skip and factors of at least 0. Received: "
                f"{self.steps}, {self.every}, {self.skip}, {self.start}, {self.end}"
            )
        if self.form == "exponential" and not min(self.start, self.last):
            raise ConfigError(f"Expected factors above 0 of an exponential phase. Received: {self.start}, {self.end}")

    @property
    def last(self) -> float:
        """Factor after the last update."""
        return self.start if self.end is None else self.end


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a training run. The defaults suit fine-tuning on a few hundred to a few thousand images.

    Attributes:
        epochs: Number of passes over the training set.
        steps: Number of batches of the whole training, instead of `epochs`; None for whole epochs.
        batch_size: Images per step.
        optimizer: Keras's `adam`, `adamw`, `sgd` (with momentum 0.9) or `rmsprop`.
        optimizer_options: More arguments of Keras's optimizer, such as `epsilon`.
        learning_rate: Peak learning rate.
        schedule: Learning rate after the warm-up: `cosine` decays to 0 at the last step, `constant` stays. Or a list of
            `Phase`, or mappings of their fields, which is the whole schedule.
        warmup: Fraction of all steps during which the learning rate rises from 0; not with phases.
        weight_decay: Weight decay of kernels (not of biases and normalization), with `adamw` or `sgd`.
        clip_norm: Maximum global norm of the gradient; None for no clipping.
        accumulate: Number of batches whose gradients are averaged for one update.
        ema: Momentum per update of the moving average of the weights, which is evaluated and saved; None for no
            average.
        freeze: Layers that are not trained: `backbone`, `stages:N` (the trunk down to stride 2 to the N), or None.
        batch_statistics: Whether batch normalization uses and learns the statistics of the batch. Without, it keeps
            its loaded statistics, which is better for small batches.
        load_size: Height and width of the canvas that images are read to before augmentation crops the network's
            input from it; None for the size of that input.
        augmentation: `AugmentationSettings`, or a mapping of its fields.
        targets: Fields of the family's `TargetSettings` that differ from the published models'.
        loss_weights: Fields of the family's `LossWeights` that differ from the published models'.
        max_objects: Maximum number of objects per image; None for the maximum in the dataset.
        evaluate_every: Epochs between evaluations; 0 computes the losses only.
        save_every: Steps between saved states within an epoch; 0 saves at the end of each epoch only.
        seed: Seed of the order of images, augmentation and new weights.
        jit_compile: Whether XLA compiles the step; None for what is faster (off on TensorFlow without a GPU).
    """

    epochs: int = 30
    steps: int | None = None
    batch_size: int = 8
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    optimizer_options: Mapping[str, Any] = field(default_factory=dict)
    learning_rate: float = 5e-4
    schedule: Literal["cosine", "constant"] | tuple[Phase, ...] = "cosine"
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
        """Check the values."""
        if isinstance(self.load_size, list):
            object.__setattr__(self, "load_size", tuple(to_plain(self.load_size)))
        if isinstance(self.augmentation, Mapping):
            augmentation = dataclass_from(AugmentationSettings, self.augmentation, "augmentation")
            object.__setattr__(self, "augmentation", augmentation)
        if isinstance(self.schedule, list | tuple):
            phases = (
                phase if isinstance(phase, Phase) else dataclass_from(Phase, phase, "a phase of the schedule")
                for phase in self.schedule
            )
            object.__setattr__(self, "schedule", tuple(phases) or "constant")
        check_types(self)
        steps = 1 if self.steps is None else self.steps
        if min(self.epochs, steps, self.batch_size, self.accumulate) < 1 or self.learning_rate <= 0:
            raise ConfigError(
                "Expected epochs, steps, batch_size and accumulate of at least 1 and a positive learning_rate. "
                f"Received: {self.epochs}, {self.steps}, {self.batch_size}, {self.accumulate}, {self.learning_rate}"
            )
        if not 0 <= self.warmup < 1 or not (self.ema is None or 0 < self.ema < 1):
            raise ConfigError(
                "Expected a warmup of at least 0 and an ema above it, both below 1. Received: "
                f"warmup={self.warmup}, ema={self.ema}"
            )
        if self.weight_decay and self.optimizer not in ("adamw", "sgd"):
            raise ConfigError(
                f"Expected no weight_decay for the optimizer {self.optimizer}; adamw and sgd have it. Received: "
                f"{self.weight_decay}"
            )
        if min(self.evaluate_every, self.save_every, self.weight_decay) < 0:
            raise ConfigError(
                "Expected evaluate_every, save_every and weight_decay of at least 0. Received: "
                f"{self.evaluate_every}, {self.save_every}, {self.weight_decay}"
            )

    def total_steps(self, per_epoch: int) -> int:
        """Number of batches of the whole training, with `per_epoch` of them in an epoch."""
        return self.steps or per_epoch * self.epochs


class TrainingOptions(TypedDict, total=False):
    """The fields of `TrainingSettings` as keyword arguments of `fit`, for editors and type checkers."""

    epochs: int
    steps: int | None
    batch_size: int
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"]
    optimizer_options: Mapping[str, Any]
    learning_rate: float
    schedule: Literal["cosine", "constant"] | Sequence[Phase | Mapping[str, Any]]
    warmup: float
    weight_decay: float
    clip_norm: float | None
    accumulate: int
    ema: float | None
    freeze: str | None
    batch_statistics: bool
    load_size: tuple[int, int] | None
    augmentation: AugmentationSettings | Mapping[str, Any]
    targets: Mapping[str, Any]
    loss_weights: Mapping[str, Any]
    max_objects: int | None
    evaluate_every: int
    save_every: int
    seed: int
    jit_compile: bool | None
