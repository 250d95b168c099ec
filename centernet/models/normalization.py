"""Batch normalization whose statistics are as exact as the published networks' in training."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

Moments = tuple[Any, Any]


@keras.saving.register_keras_serializable("centernet")
class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization of images, in training with two differences to Keras's; in inference there is none.

    - Statistics are summed line by line. TensorFlow sums all cells of a map one after the other on a CPU; the rounding
      of 30,000 additions grows a hundredfold on its way through an hourglass.
    - The moving variance takes the unbiased variance of a batch, as PyTorch and TensorFlow's fused kernel do, with
      which all published networks were trained.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalize `(batch, height, width, channels)`; other inputs, and masks, are left to Keras."""
        plain = (
            self.synchronized or self.renorm or mask is not None or len(inputs.shape) != 4 or self.axis not in (-1, 3)
        )
        if plain or not (training and self.trainable):
            return super().call(inputs, training=training, mask=mask)
        x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
        mean, variance = moments(x)
        self._move(mean, variance, math.prod(ops.shape(x)[:-1]))
        shift, scale = (ops.cast(value, x.dtype) if value is not None else None for value in (self.beta, self.gamma))
        y = ops.batch_normalization(x, mean, variance, -1, shift, scale, self.epsilon)
        return ops.cast(y, self.compute_dtype)

    def _move(self, mean: Any, variance: Any, count: Any) -> None:
        """Move the statistics of inference towards those of a batch of so many cells."""
        count = ops.cast(count, variance.dtype)
        unbiased = variance * (count / ops.maximum(count - 1, 1))
        for average, value in ((self.moving_mean, mean), (self.moving_variance, unbiased)):
            average.assign(average * self.momentum + ops.cast(value, average.dtype) * (1 - self.momentum))


def moments(x: Any) -> Moments:
    """Mean and (biased) variance of each channel of `(batch, height, width, channels)`, summed line by line."""
    mean = _mean(x)
    return ops.reshape(mean, (-1,)), ops.reshape(_mean(ops.square(x - ops.stop_gradient(mean))), (-1,))


def _mean(x: Any) -> Any:
    for axis in (2, 1, 0):
        x = ops.mean(x, axis=axis, keepdims=True)
    return x
