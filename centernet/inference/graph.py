"""A detector as one graph for other runtimes: uint8 images in, boxes in their pixels out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.checkpoints.saved.saving import PRECISIONS
from centernet.errors import ConfigError
from centernet.inference.folding import fold_batch_normalization
from centernet.models.network import Network
from centernet.models.test_time import TestTime

OUTPUTS = ("boxes", "scores", "class_ids", "keypoints", "keypoint_scores")


@dataclass(frozen=True)
class GraphOptions:
    """What an exported graph takes and computes.

    Attributes:
        image_size: Height and width of all images in pixels; None for any.
        batch_size: Images of a batch; None for any.
        passes: Whether the test-time passes of the model's description are part of the graph.
        dtype: Of the stored weights; all computations are in float32.
        heads_only: Whether the graph ends at the head maps, which `centernet.decode` decodes. It has no passes.
    """

    image_size: tuple[int, int] | None = None
    batch_size: int | None = None
    passes: bool = True
    dtype: str = "float32"
    heads_only: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        if self.dtype not in PRECISIONS:
            raise ConfigError(f"Expected a dtype of {PRECISIONS} to store weights in. Received: {self.dtype!r}")
        if self.image_size is not None and not _is_size(self.image_size):
            raise ConfigError(
                f"Expected image_size as a height and width in whole pixels. Received: {self.image_size!r}"
            )
        size = self.batch_size
        if size is not None and not (isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 1):
            raise ConfigError(f"Expected a whole batch_size of at least 1, or None for any. Received: {size!r}")


class Graph(keras.layers.Layer):
    """Preprocessing, network, decoder and passes."""

    def __init__(
        self, detector: Network, image_size: tuple[int, int], test_time: TestTime | None, options: GraphOptions
    ) -> None:
        """Take a detector as it is.

        Args:
            detector: The detector; its weights are copied.
            image_size: Height and width of the images in pixels, which count if the network's input is as large.
            test_time: The passes; None for one.
            options: What the graph takes and computes.
        """
        super().__init__(name="detector", dtype="float32", autocast=False)
        # Folded weights are no longer those that half precision holds; runtimes fold when they load a file.
        fold = options.dtype == "float32"
        self.network = fold_batch_normalization(detector) if fold else keras.Model(detector.input, detector.output)
        self._heads_only = options.heads_only
        # Functions only: the detector's own weights, as an attribute, would be exported as well.
        canvas = detector.config.preprocessing.canvas(np.array([image_size]))
        self._preprocess = partial(detector.config.preprocessing, canvas=canvas)
        self._decode = partial(detector.decode, canvas=canvas)
        self._passes = partial(detector.family.passes_in_graph, detector, test_time=test_time) if test_time else None

    def call(self, images: Any) -> dict[str, Any]:
        """What `Detector.decode` returns, or the last maps, of uint8 RGB images `(batch, height, width, 3)`."""
        sizes = ops.convert_to_tensor([ops.shape(images)[1:3]], dtype="int32")  # of each image: broadcasts
        forward = partial(self.network, training=False)
        if self._passes:
            return self._passes(forward, images, sizes)
        maps = forward(self._preprocess(images, sizes))
        return {name: stacks[-1] for name, stacks in maps.items()} if self._heads_only else self._decode(maps, sizes)


def graph_of(detector: Network, options: GraphOptions = GraphOptions()) -> keras.Model:
    """A detector as a model of uint8 RGB images `(batch, height, width, 3)`.

    Args:
        detector: The detector.
        options: What the graph takes and computes.

    Returns:
        The model. Its outputs are those of `Detector.decode`, or the head maps of the last stack, by name.

    Raises:
        ConfigError: If the images must have a size, because the network's input is as large as they are, or the passes
            can't be part of a graph.
    """
    config = detector.config
    original, size = config.preprocessing.fit == "original", options.image_size
    if original and size is None:
        raise ConfigError(
            f"Expected the height and width of the images, since {config.name} sees images at their own size: "
            "export(path, image_size=(480, 640)). Received: image_size=None"
        )
    test_time = config.test_time if options.passes and not options.heads_only else None
    if test_time and original and test_time.scales != (1.0,):
        raise ConfigError(
            f"Expected passes at scale 1 for {config.name}, whose images are resized outside the graph. Received: "
            f"scales={test_time.scales}. Export one pass: passes=False (--no-passes)."
        )
    shape = (*(size or (None, None)), 3)
    images = keras.Input(shape, batch_size=options.batch_size, dtype="uint8", name="images")
    graph = Graph(detector, size or config.preprocessing.size, test_time, options)
    return keras.Model(images, graph(images), name=config.identifier)


def _is_size(value: Any) -> bool:
    is_pair = isinstance(value, tuple | list) and len(value) == 2
    return is_pair and all(isinstance(side, int | np.integer) and side >= 1 for side in value)
