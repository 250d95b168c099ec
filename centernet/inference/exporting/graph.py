"""A detector as one graph for other programs: uint8 images in, boxes in their pixels out."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.errors import ConfigError
from centernet.inference.folding import fold_batch_normalization
from centernet.models.network import Network


class Graph(keras.layers.Layer):
    """Preprocessing, network (its batch normalization folded into the convolutions) and decoder of a detector."""

    def __init__(self, detector: Network, canvas: tuple[int, int]) -> None:
        """Take a detector as it is.

        Args:
            detector: The detector; its weights are copied.
            canvas: Height and width of the network's input in pixels.
        """
        super().__init__(name="detector", dtype="float32", autocast=False)
        self.network, self._canvas = fold_batch_normalization(detector), canvas
        # Functions only: the detector's own weights, as an attribute, would be exported as well.
        self._preprocess, self._decode = detector.config.preprocessing, partial(detector.decode, canvas=canvas)

    def call(self, images: Any) -> dict[str, Any]:
        """What `Detector.decode` returns, of uint8 RGB images `(batch, height, width, 3)`."""
        one = ops.convert_to_tensor(ops.shape(images)[1:3], dtype="int32")
        sizes = one + 0 * ops.cast(images[:, 0, 0, :2], "int32")
        batch = self._preprocess(images, sizes, self._canvas)
        return self._decode(self.network(batch, training=False), sizes)


def graph_of(detector: Network, image_size: tuple[int, int] | None = None) -> keras.Model:
    """A detector as a model of uint8 RGB images `(batch, height, width, 3)`.

    Args:
        detector: The detector.
        image_size: Height and width of the images in pixels; None for any.

    Returns:
        The model. Its outputs are those of `Detector.decode`, by name.

    Raises:
        ConfigError: If the images must have a size, because the network's input is as large as they are, or can't
            have this one.
    """
    preprocessing = detector.config.preprocessing
    if preprocessing.fit == "original" and image_size is None:
        raise ConfigError(
            f"Expected the height and width of the images, since {detector.config.name} sees images at their own size: "
            "export(path, image_size=(480, 640)). Received: image_size=None"
        )
    if image_size is not None and not _is_size(image_size):
        raise ConfigError(f"Expected image_size as a height and width in whole pixels. Received: {image_size!r}")
    sizes = np.array([image_size or preprocessing.size])
    images = keras.Input((*(image_size or (None, None)), 3), dtype="uint8", name="images")
    graph = Graph(detector, preprocessing.canvas(sizes))
    model = keras.Model(images, graph(images), name=detector.config.identifier)
    model(np.zeros((1, *sizes[0], 3), np.uint8))  # Keras's exporter of ONNX wants a model that was called
    return model


def _is_size(value: Any) -> bool:
    is_pair = isinstance(value, tuple | list) and len(value) == 2
    return is_pair and all(isinstance(side, int | np.integer) and side >= 1 for side in value)
