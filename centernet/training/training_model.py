"""The Keras model that `fit` trains: augmentation, the detector, its losses and their metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from centernet.models.network import Network
from centernet.training.augmentation.augmentation import Augmentation
from centernet.training.optimizers import make_optimizer
from centernet.training.replicas import (
    is_multi_process,
    replica_seed,
    replica_share,
    strategy_of,
    sum_over_replicas,
)
from centernet.training.settings import AugmentationSettings, TrainingSettings


class LossParts:
    """Metrics of the parts of a detector's loss.

    It is not a Keras object, so that its variables are not saved with the detector's weights.

    Attributes:
        means: Name of a part → its mean over the images of an epoch (`keras.metrics.Mean`).
    """

    def __init__(self, detector: Network) -> None:
        self.means = {name: keras.metrics.Mean(name=name) for name in loss_parts(detector)}

    def update(self, losses: Mapping[str, Any], count: Any) -> None:
        """Add the losses of a batch of `count` images."""
        for name, mean in self.means.items():
            mean.update_state(sum_over_replicas(losses[name]), sample_weight=count)


def loss_parts(detector: Network) -> list[str]:
    """Names of the losses of `training_losses` other than the total, sorted; nothing is computed."""
    config = detector.config
    maps = detector.compute_output_spec(keras.KerasTensor((1, *config.preprocessing.size, 3)))
    y = {"boxes": keras.KerasTensor((1, 1, 4)), "class_ids": keras.KerasTensor((1, 1), dtype="int32")}
    if config.keypoints:
        y["keypoints"] = keras.KerasTensor((1, 1, len(config.keypoints.names), 3))
    return sorted(_LossSpec(detector).compute_output_spec(maps, y).keys() - {"loss"})


class _LossSpec(keras.Operation):
    """The losses of a detector as an operation, whose output names are known without computing it."""

    def __init__(self, detector: Network) -> None:
        super().__init__()
        self._detector = detector

    def call(self, maps: Any, y: Any) -> Any:
        return self._detector.training_losses(maps, y, self._detector.config.preprocessing.size)


class TrainingModel(keras.Model):
    """Augments a batch, runs the detector and computes its losses, all on the device.

    Attributes:
        detector: The detector; it shares its weights with this model.
        seeds: State of the random numbers.
    """

    def __init__(
        self, detector: Network, augmentation: AugmentationSettings, *, seed: int = 0, batch_statistics: bool = True
    ) -> None:
        """Make a model; it is not compiled yet.

        Args:
            detector: The detector.
            augmentation: Augmentation of training images.
            seed: Seed of the random numbers.
            batch_statistics: See `TrainingSettings`.
        """
        # No autocast: boxes in half precision would be off by pixels.
        super().__init__(name="training_model", dtype=detector.dtype_policy, autocast=False)
        config = detector.config
        options: dict[str, Any] = {
            "output_size": config.preprocessing.size,
            "flip": config.keypoints.flip if config.keypoints else (),
            "sampling": config.preprocessing.sampling,
        }
        self.detector = detector
        self.seeds = keras.random.SeedGenerator(seed)
        self._augment = Augmentation(augmentation, **options)
        self._resize = Augmentation(AugmentationSettings(), **options)
        self._batch_statistics = batch_statistics
        self._parts = LossParts(detector)

    def __repr__(self) -> str:
        return f"TrainingModel({self.detector!r})"

    def call(self, batch: Mapping[str, Any], training: bool = False) -> tuple[Any, Any]:
        """Head maps of a batch, and its objects in pixels of the network's input.

        Args:
            batch: See `centernet.data.batches.loader.Batches`.
            training: Whether images are augmented and batch normalization uses the batch.

        Returns:
            Head name → list over stacks; and the objects, as `Detector.compute_loss` takes them.
        """
        batch = (self._augment if training else self._resize)(batch, replica_seed(self.seeds))
        x = self.detector.config.preprocessing.normalize(batch["images"])
        objects = {name: values for name, values in batch.items() if name not in ("images", "sizes")}
        return self.detector(x, training=training and self._batch_statistics), objects | {"image_sizes": batch["sizes"]}

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss of a batch from `y_pred`, the output of `call`; called by Keras."""
        maps, objects = y_pred
        losses = self.detector.training_losses(
            maps, objects, self.detector.config.preprocessing.size, sum_over_replicas
        )
        self._parts.update(losses, ops.shape(objects["boxes"])[0])
        return losses["loss"] + replica_share(sum(ops.sum(loss) for loss in self.losses))

    def get_metrics_result(self) -> dict[str, Any]:
        """Loss and parts by name; as vectors with several processes, since Keras averages over an axis."""
        results = super().get_metrics_result()
        if not is_multi_process():
            return results
        return {name: ops.reshape(value, (1,)) for name, value in results.items()}

    def save(self, filepath: Any, overwrite: bool = True, **options: Any) -> None:
        """Save the detector; called by Keras's `ModelCheckpoint`."""
        self.detector.save(filepath, overwrite=overwrite, **options)

    def save_weights(self, filepath: Any, overwrite: bool = True, **options: Any) -> None:
        """Save the detector's weights; called by Keras's `ModelCheckpoint`."""
        self.detector.save_weights(filepath, overwrite=overwrite, **options)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Do nothing: the detector is built. Under `tf.distribute`, Keras would average booleans."""

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics of the progress bar: the loss and its parts."""
        return [*super().metrics, *self._parts.means.values()]


def make_training_model(detector: Network, settings: TrainingSettings, steps: int) -> TrainingModel:
    """A compiled training model.

    Args:
        detector: The detector.
        settings: Settings of the training.
        steps: Batches per epoch.
    """
    options: dict[str, Any] = {"seed": settings.seed, "batch_statistics": settings.batch_statistics}
    model = TrainingModel(detector, settings.augmentation, **options)
    optimizer = make_optimizer(settings, settings.total_steps(steps), distributed=strategy_of(detector) is not None)
    model.compile(optimizer, jit_compile=_jit_compile(settings.jit_compile))
    model.optimizer.build(model.trainable_variables)
    return model


def _jit_compile(setting: bool | None) -> bool | str:
    """Whether XLA compiles the step: on TensorFlow without a GPU, it makes these networks five times slower."""
    if setting is not None:
        return setting
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return "auto" if tf.config.list_physical_devices("GPU") else False
