"""What a detector is to Keras's `fit` and `evaluate`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from centernet.errors import ConfigError
from centernet.models.config import ModelConfig
from centernet.ops.reduction import Total, itself


class Trainable(keras.Model):
    """The part of `Detector` that learns, and that is evaluated.

    Attributes:
        config: The whole description of the model; that of a trained one tells of no published weights any more.
    """

    config: ModelConfig
    _loss_parts: Any = None

    def training_losses(
        self,
        maps: Mapping[str, Any],
        y: Mapping[str, Any],
        input_size: tuple[int, int],
        total: Total = itself,
    ) -> Any:
        """What a family has to say: the losses of a batch, on the device.

        Args:
            maps: What calling the model in training returned.
            y: Objects, see `compute_loss`.
            input_size: Height and width of the network's input in pixels.
            total: Gives the sum of a number over all devices that share the batch; see `point_losses`.

        Returns:
            Scalars, float32: `loss`, the total, and its parts by name, always the same ones.
        """
        raise TypeError(f"{type(self).__name__} is no detector of a family: it has no losses.")

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss that `fit` minimizes; Keras calls it. `compile` needs an optimizer only.

        Args:
            x: The preprocessed float32 batch `(batch, height, width, 3)`.
            y: The objects: `boxes` float32 `(batch, n, 4)` as `x0 y0 x1 y1` in pixels of the network's input;
                `class_ids` int32 `(batch, n)`, -1 is padding; optionally `ignore` bool `(batch, n)`, objects that
                are neither asked for nor wrong (crowds); `keypoints` float32 `(batch, n, k, 3)` as `x y visibility`
                if the model finds them.
            y_pred: What calling the model on `x` returned.
            sample_weight: Not taken; None.
            training: Whether this is training or evaluation; the loss is the same.

        Returns:
            Scalar, float32. Its parts are tracked under their names.

        Raises:
            ConfigError: If the batch has another form, or a loss or weights were given as well.
        """
        from centernet.training.batch_checks import check_batch
        from centernet.training.replicas import own_part, total

        check_batch(self.config, x, y, sample_weight, self.loss)
        losses = self.training_losses(y_pred, y, tuple(x.shape[1:3]), total)
        self._parts().update(losses, ops.shape(x)[0])
        return losses["loss"] + own_part(sum(ops.sum(loss) for loss in self.losses))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """What the progress bar shows: the loss, its parts, and the metrics given to `compile`."""
        return [*super().metrics, *(self._parts().means.values() if self.compiled else ())]

    def _parts(self) -> Any:
        if self._loss_parts is None:
            from centernet.training.loss_metrics import LossParts

            self._loss_parts = LossParts(self)
        return self._loss_parts

    def fit(self, x: Any = None, y: Any = None, *arguments: Any, **options: Any) -> Any:
        """Train on a dataset, or on arrays of your own.

            detector.fit(train, validation_data=validation, epochs=30, out="runs/mine")

        Args:
            x: A `centernet.data.Dataset`, or preprocessed images; see `compute_loss` for these and for `y`.
            y: Objects, if `x` isn't a dataset.
            *arguments: See `keras.Model.fit`.
            **options: With a dataset see `centernet.training.fit.fit`: `validation_data`, `settings` or single fields
                of `TrainingSettings` such as `epochs`, `out`, `resume`, `callbacks`. Otherwise `keras.Model.fit`.

        Returns:
            Keras's history.

        Raises:
            ConfigError: If the data have another form, or classes or keypoints that are none of the model's.
            TrainingError: If the loss becomes no number.
        """
        from centernet.data.dataset import Dataset
        from centernet.training.batch_checks import check_batch

        if isinstance(x, Dataset):
            from centernet.training.fit import fit

            return fit(self, x, *(() if y is None else (y,)), *arguments, **options)
        _check_form(x)
        if not self.compiled:
            raise ConfigError("Expected a compiled detector to train on arrays: detector.compile('adam') before fit.")
        # Before Keras takes the weights into its hands, from which an exception does not give them back on JAX.
        if y is not None:
            check_batch(self.config, x, y, options.get("sample_weight"), self.loss)
        if isinstance(validation := options.get("validation_data"), tuple):
            check_batch(self.config, *validation)
        self.config = self.config.with_own_weights()
        return super().fit(x, y, *arguments, **options)

    def evaluate(self, x: Any = None, *arguments: Any, **options: Any) -> Any:
        """Count how good the detector is: COCO's average precision and recall on a `Dataset`.

        Args:
            x: A `centernet.data.dataset.Dataset`; anything else goes to `keras.Model.evaluate`, as do `arguments`,
                and gives the loss.
            *arguments: See `keras.Model.evaluate`.
            **options: Of a dataset those of `centernet.evaluation.evaluate`: `batch_size`, `test_time` and others.

        Returns:
            An `Evaluation` of a dataset: `print(it)`, `it.ap`, `it.report("folder")`. Otherwise what Keras returns.

        Raises:
            ConfigError: If the dataset is empty, or has other classes or keypoints than the detector.
            SourceError: If none of its images can be read.
        """
        from centernet.data.dataset import Dataset

        if not isinstance(x, Dataset):
            _check_form(x)
            return super().evaluate(x, *arguments, **options)
        from centernet.evaluation import evaluate

        return evaluate(self, x, *arguments, **options)


def _check_form(x: Any) -> None:
    """Refuse what Keras would take apart: paths, and datasets or samples in a row."""
    from centernet.data.dataset import Dataset
    from centernet.data.sample import Sample

    parts = x if isinstance(x, list | tuple) else [x]
    if any(isinstance(part, str | os.PathLike | Dataset | Sample) for part in parts):
        kinds = ", ".join(dict.fromkeys(type(part).__name__ for part in parts))
        raise ConfigError(
            "Expected a Dataset, as train, validation = centernet.data.load(path) gives two of, or arrays. Received: "
            f"{kinds if x is parts[0] else f'{type(x).__name__} of {kinds}'}"
        )
