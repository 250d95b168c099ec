"""A detector while it is trained: what Keras's `fit` is called on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from centernet.training.augmentation import Augmentation, AugmentationSettings
from centernet.training.loss_metrics import LossParts
from centernet.training.replicas import is_among_processes, own_part, own_seed, total


class Learner(keras.Model):
    """Changes a batch of photos with their objects, runs the network on it, and scores what it says.

    All of it happens on the device, with `keras.ops`; photos come as `Batches` gives them.

    Attributes:
        detector: The detector; its weights are those of the learner.
        seeds: State of everything that is drawn.
    """

    def __init__(
        self, detector: Any, augmentation: AugmentationSettings, *, seed: int = 0, batch_statistics: bool = True
    ) -> None:
        """Make a learner.

        Args:
            detector: The detector.
            augmentation: How images are changed in training.
            seed: Of all that is drawn.
            batch_statistics: See `TrainingSettings`.
        """
        # Boxes in half precision would be pixels off, so nothing of a batch is cast on its way to the detector.
        super().__init__(name="learner", dtype=detector.dtype_policy, autocast=False)
        config = detector.config
        options: dict[str, Any] = {
            "output_size": config.preprocessing.size,
            "flip": config.keypoints.flip if config.keypoints else (),
            "sampling": config.preprocessing.sampling,
        }
        self.detector = detector
        self.seeds = keras.random.SeedGenerator(seed)
        self._changed = Augmentation(augmentation, **options)
        self._fitted = Augmentation(AugmentationSettings(), **options)
        self._batch_statistics = batch_statistics
        self._parts = LossParts(detector)

    def call(self, batch: Mapping[str, Any], training: bool = False) -> tuple[Any, Any]:
        """Head maps of a batch, and the objects that are really there.

        Args:
            batch: See `centernet.data.batches.loader.Batches`.
            training: Whether images are changed, and batch normalization goes by the batch.

        Returns:
            Head name → list over stacks; and the objects, as `Detector.compute_loss` takes them.
        """
        batch = (self._changed if training else self._fitted)(batch, own_seed(self.seeds))
        x = self.detector.config.preprocessing.normalize(batch["images"])
        objects = {name: values for name, values in batch.items() if name not in ("images", "sizes")}
        return self.detector(x, training=training and self._batch_statistics), objects | {"image_sizes": batch["sizes"]}

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss of a batch; Keras calls it. All that is needed is in `y_pred`, which `call` gave."""
        maps, objects = y_pred
        size = self.detector.config.preprocessing.size
        losses = self.detector.training_losses(maps, objects, size, total)
        self._parts.update(losses, ops.shape(objects["boxes"])[0])
        return losses["loss"] + own_part(sum(ops.sum(loss) for loss in self.losses))

    def get_metrics_result(self) -> dict[str, Any]:
        """Loss and parts by name; of several processes as vectors, since Keras takes their mean along an axis."""
        results = super().get_metrics_result()
        if not is_among_processes():
            return results
        return {name: ops.reshape(value, (1,)) for name, value in results.items()}

    def save(self, filepath: Any, overwrite: bool = True, **options: Any) -> None:
        """Save the detector; Keras's `ModelCheckpoint` calls it."""
        self.detector.save(filepath, overwrite=overwrite, **options)

    def save_weights(self, filepath: Any, overwrite: bool = True, **options: Any) -> None:
        """Save the detector's weights; Keras's `ModelCheckpoint` calls it."""
        self.detector.save_weights(filepath, overwrite=overwrite, **options)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing: the detector is built. Under `tf.distribute`, Keras would take the mean of booleans."""

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What the progress bar shows: the loss and its parts."""
        return [*super().metrics, *self._parts.means.values()]
