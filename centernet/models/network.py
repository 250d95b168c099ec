"""The network of a detector: backbone and heads, with its preprocessing, decoder and losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.errors import ConfigError
from centernet.models.backbones import build_backbone
from centernet.models.config import ModelConfig
from centernet.models.family import Family, Signature
from centernet.models.points.detector import Points
from centernet.models.test_time import TestTime
from centernet.models.triplets.detector import Triplets
from centernet.ops.constants import Arrays
from centernet.ops.losses import DeviceSum, one_device
from centernet.ops.preprocessing import check_images, collate

FAMILIES: Mapping[str, Family] = {"points": Points(), "triplets": Triplets()}


class Network(keras.Model):
    """Base of `Detector`, and the type of a detector in the rooms below it.

    Attributes:
        config: The description of the model. A trained model's has no published weights or figures.
        family: Heads, decoder and losses.
        backbone: The network below the heads, a `keras.Model`.
        target_settings: Training targets; may be set.
        loss_weights: Weights of the parts of the loss; may be set.
        report: Tensors used and left over when weights were loaded (a `LoadReport`), or None.
    """

    config: ModelConfig

    def __init__(self, config: ModelConfig) -> None:
        options = dict(config.backbone)
        backbone = build_backbone(options.pop("name"), **options)
        family = FAMILIES[config.family]
        family.check_canvas(config, backbone.input_multiple)
        inputs = keras.Input((None, None, 3), name="images")
        super().__init__(inputs=inputs, outputs=family.heads(backbone(inputs), config), name=config.identifier)
        self.config, self.family, self.backbone = config, family, backbone
        self.target_settings, self.loss_weights = family.target_settings(), family.loss_weights()
        self.report: Any = None

    def __repr__(self) -> str:
        """Name, family, backbone, classes and input size."""
        config = self.config
        shown = ", ".join(config.classes[:3]) + (", …" if len(config.classes) > 3 else "")
        keypoints = f", keypoints={len(config.keypoints.names)}" if config.keypoints else ""
        height, width = config.preprocessing.size
        return (
            f"<{type(self).__name__} {config.name!r}: {config.backbone['name']}, {len(config.classes)} classes "
            f"({shown}){keypoints}, {height}×{width}>"
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class; `class_ids` index it."""
        return self.config.classes

    def preprocess(self, images: np.ndarray | Sequence[np.ndarray]) -> tuple[Any, np.ndarray]:
        """The network's input from images of any sizes.

        Args:
            images: One uint8 RGB array `(height, width, 3)`, a batch of them, or a list of any sizes.

        Returns:
            float32 `(batch, *config.preprocessing.size, 3)`, and the height and width of each original
            image in pixels, int32 `(batch, 2)`, which `decode` needs.

        Raises:
            SourceError: If an image is not such an array.
        """
        if isinstance(images, np.ndarray) and images.ndim == 3:
            images = [images]
        batch, sizes = collate(list(images))
        preprocessing = self.config.preprocessing
        tensors = ops.convert_to_tensor(batch), ops.convert_to_tensor(sizes)
        return preprocessing(*tensors, preprocessing.canvas(sizes)), sizes

    def decode(
        self, maps: Mapping[str, Any], image_sizes: Any, *, canvas: tuple[int, int] | None = None, exact: bool = False
    ) -> dict[str, Any]:
        """Detections from head maps, in pixels of the original images.

        Args:
            maps: Output of the model.
            image_sizes: Height and width of the original images in pixels, int32 `(batch, 2)`.
            canvas: Height and width of the network's input; None: as `preprocess` makes it.
            exact: See `Detector.detect`.

        Returns:
            `boxes` float32 `(batch, k, 4)` as `x0 y0 x1 y1` in pixels, `scores` `(batch, k)` descending,
            `class_ids` int32 `(batch, k)` and, if the model has keypoints, `keypoints` `(batch, k, n, 2)` as
            `x y` in pixels and `keypoint_scores` `(batch, k, n)`; `k` is `config.decoder.max_detections`.
        """
        preprocessing = self.config.preprocessing
        canvas = canvas or preprocessing.canvas(ops.convert_to_numpy(image_sizes))
        sizes = ops.convert_to_tensor(image_sizes, dtype="int32")
        last = {name: ops.convert_to_tensor(stacks[-1]) for name, stacks in maps.items()}
        return self.family.decode(self.config, last, sizes, preprocessing.place(sizes, canvas), canvas, exact)

    def training_losses(
        self,
        maps: Mapping[str, Any],
        y: Mapping[str, Any],
        input_size: tuple[int, int],
        device_sum: DeviceSum = one_device,
    ) -> dict[str, Any]:
        """Losses of a batch, computed on the device.

        Args:
            maps: Output of the model in training.
            y: Objects; see `Detector.compute_loss`.
            input_size: Height and width of the network's input in pixels.
            device_sum: Sums a number over all devices that share the batch.

        Returns:
            Scalars, float32: `loss`, the total, and its parts by name, always the same ones.
        """
        _, rows, columns, classes = maps[self.family.center_heatmap][0].shape
        sizes = {"input_size": input_size, "output_size": (rows, columns), "num_classes": classes}
        targets = self.family.targets(self.config, y, self.target_settings, **sizes)
        return self.family.losses(maps, targets, self.loss_weights, device_sum)

    def infer(self, images: Sequence[np.ndarray], *, exact: bool = False) -> Arrays:
        """Arrays of `decode` for images of any sizes, from the compiled model; `Detector` implements it."""
        raise NotImplementedError

    def infer_passes(self, images: Sequence[np.ndarray], test_time: TestTime, *, exact: bool = False) -> list[Arrays]:
        """Detections of images from several passes.

        Args:
            images: uint8 RGB arrays `(height, width, 3)` of any sizes.
            test_time: The passes; tiles are left to `detect`.
            exact: See `Detector.detect`.

        Returns:
            As `infer` for each image, without the batch axis, best first.
        """
        check_images(images)
        # At their own sizes, images share the input of the network at every scale only if they have one size.
        original = self.config.preprocessing.fit == "original"
        groups: dict[Any, list[int]] = {}
        for number, image in enumerate(images):
            groups.setdefault(image.shape if original else None, []).append(number)
        found: dict[int, Arrays] = {}
        for group in groups.values():
            rows = self.family.detect_passes(self, [images[number] for number in group], test_time, exact=exact)
            found |= zip(group, rows, strict=True)
        return [found[number] for number in range(len(images))]

    def compiled_form(self, form: Any, step: Callable[..., Any], signature: Signature) -> Callable[..., Any]:
        """A compiled function that uses the network with its present weights; `Detector` implements it.

        Args:
            form: Hashable key of the function.
            step: `step(forward, *arguments)`, where `forward` is the network as a function of a batch, its batch
                normalization folded into the convolutions.
            signature: Dtype and shape of each argument; None for a dimension that varies.

        Returns:
            A function of the arguments (NumPy arrays or tensors).
        """
        raise NotImplementedError

    def refresh(self) -> None:
        """Discard compiled functions, so that the next detection uses the present weights and description."""

    def _run_through_graph(self, inputs: Any, operation_fn: Any = lambda op: op, call_fn: Any = None) -> Any:
        """Refuse `keras.models.clone_model`, which rebuilds the graph as a plain model without `detect`."""
        if "_clone_functional_model" in getattr(operation_fn, "__qualname__", ""):
            raise ConfigError(
                "Expected a copy through the description: type(detector).from_config(detector.get_config()), then "
                "set_weights. Received: keras.models.clone_model(detector), which would drop detect."
            )
        return super()._run_through_graph(inputs, operation_fn=operation_fn, call_fn=call_fn)
