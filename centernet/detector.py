"""What both detectors are: a network with its preprocessing, its decoder and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.inference import compiled as inference
from centernet.models.config import ModelConfig
from centernet.models.test_time import TestTime
from centernet.ops.preprocessing import Placement, collate
from centernet.training.trainable import Trainable


class Detector(Trainable):
    """Base of `PointDetector`: images in, `Detections` out.

    Attributes:
        config: The whole description of the model.
        backbone: The network below the heads, a `keras.Model` of its own.
        report: What was taken from which file when weights were loaded (a `LoadReport`), or None.
        center_heatmap: Name of the head map that says where centers are.
    """

    center_heatmap = "heatmap"

    def __init__(self, config: ModelConfig, backbone: keras.Model, inputs: Any, outputs: Any) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=config.identifier)
        self.config = config
        self.backbone = backbone
        self.report: Any = None
        self._inference: inference.Inference | None = None

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
            SourceError: If an image is no such array.
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
            maps: What calling the model returned.
            image_sizes: Height and width of the original images in pixels, int32 `(batch, 2)`.
            canvas: Height and width of the network's input; what `preprocess` makes if it is None.
            exact: See `detect`.

        Returns:
            `boxes` float32 `(batch, k, 4)` as `x0 y0 x1 y1` in pixels, `scores` `(batch, k)` descending,
            `class_ids` int32 `(batch, k)` and, if the model finds them, `keypoints` `(batch, k, n, 2)` as
            `x y` in pixels and `keypoint_scores` `(batch, k, n)`; `k` is `config.decoder.max_detections`.
        """
        preprocessing = self.config.preprocessing
        canvas = canvas or preprocessing.canvas(ops.convert_to_numpy(image_sizes))
        sizes = ops.convert_to_tensor(image_sizes, dtype="int32")
        last = {name: stacks[-1] for name, stacks in maps.items()}
        return self.decode_maps(last, sizes, preprocessing.place(sizes, canvas), canvas, exact)

    def decode_maps(
        self, maps: Mapping[str, Any], image_sizes: Any, placement: Placement, canvas: tuple[int, int], exact: bool
    ) -> dict[str, Any]:
        """What a family has to say: as `decode`, from the maps of the last stack.

        Args:
            maps: Head name → map `(batch, height, width, channels)`.
            image_sizes: Height and width of the original images in pixels, int32 `(batch, 2)`.
            placement: Where they lie on the network's input.
            canvas: Height and width of the network's input.
            exact: See `detect`.
        """
        raise TypeError(f"{type(self).__name__} is no detector of a family: it has no decoder.")

    def detect(
        self,
        source: Any,
        *,
        min_score: float = 0.3,
        max_detections: int | None = None,
        batch_size: int = 1,
        test_time: TestTime | None = None,
        exact: bool = False,
    ) -> Any:
        """Find objects in images.

        Args:
            source: A path, URL, PIL image, uint8 RGB array `(height, width, 3)` or bytes: one image. A list
                of these. A folder, glob pattern, video or camera number: a stream.
            min_score: Objects that score less are left out; 0 keeps everything the decoder gives.
            max_detections: At most this many objects an image; at most (and by default) the decoder's.
            batch_size: Images that go through the network together (of a list or stream), in one pass.
            test_time: Several passes over each image (mirrored, at several scales), joined by soft-NMS; by
                default what the model's description says, which is one pass for Objects as Points.
            exact: Also reproduce accidents of the software that exported the published models
                (see `centernet.models.points.rules`), to compare with such an export.

        Returns:
            `Detections` for one image, a list of them for a list, an iterator of them for a stream. An image
            of a list or stream that can't be read gives empty `Detections` whose `error` says why; it is
            logged, and the others are not lost.

        Raises:
            SourceError: If the one image, or the stream, can't be read.
        """
        from centernet.inference.detecting import detect

        return detect(
            self,
            source,
            min_score=min_score,
            max_detections=max_detections,
            batch_size=batch_size,
            test_time=test_time,
            exact=exact,
        )

    def infer(self, images: Sequence[np.ndarray], *, exact: bool = False) -> dict[str, np.ndarray]:
        """Run the compiled detector on images; what `detect` does between reading and results.

        The graph is compiled at the first call, and again after training or loading has changed the weights.
        (To be quick, only a few small variables are compared: after setting single layers by hand, call
        `refresh`.)

        Args:
            images: uint8 RGB arrays `(height, width, 3)` of any sizes.
            exact: See `detect`.

        Returns:
            As `decode`, as NumPy arrays.
        """
        return self._compiler()(images, exact)

    def infer_passes(self, image: np.ndarray, test_time: TestTime, *, exact: bool = False) -> dict[str, np.ndarray]:
        """Run the compiled detector on one image several times, and join what it finds.

        Args:
            image: uint8 RGB `(height, width, 3)`.
            test_time: The passes.
            exact: See `detect`.

        Returns:
            As `infer`, for the one image: without the first axis, best first.
        """
        raise TypeError(f"{type(self).__name__} is no detector of a family: it has no passes.")

    def compiled_form(self, form: Any, step: Callable[..., Any], signature: inference.Signature) -> Callable[..., Any]:
        """A function that uses the network, compiled with the present weights when it is first asked for.

        Args:
            form: What tells it from others; hashable.
            step: `step(forward, *arguments)`, where `forward` is the network as a function of a batch, its batch
                normalization folded into the convolutions.
            signature: Dtype and shape of each argument; None for a dimension that varies.

        Returns:
            A function of the arguments (NumPy arrays or tensors).
        """
        return self._compiler().compiled(form, step, signature)

    def _compiler(self) -> inference.Inference:
        if self._inference is None:
            self._inference = inference.Inference(self)
        return self._inference

    def load_weights(self, filepath: str | Path, **options: Any) -> None:
        """Set the weights from a `.weights.h5` file, of Keras's form or of a saved detector.

        Args:
            filepath: The file; or the folder, `.zip` or `.keras` of a saved detector.
            **options: See `keras.Model.load_weights`; without any, everything must fit.

        Raises:
            CheckpointError: If the file is missing, damaged or belongs to another network.
        """
        if options:
            super().load_weights(filepath, **options)
            self.refresh()
        else:
            from centernet.checkpoints.locate import locate_weights_file
            from centernet.checkpoints.saved import weights_file

            weights_file.load_weights(self, locate_weights_file(str(filepath)))

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all weights; see `keras.Model.set_weights`."""
        super().set_weights(weights)
        self.refresh()

    def refresh(self) -> None:
        """Make the next `detect` use the present weights and description, whatever was changed by hand."""
        if self._inference is not None:
            self._inference.reset()

    def heatmap(self, image: Any) -> np.ndarray:
        """Probability that a cell is the center of an object of any class.

        Args:
            image: One image, as `detect` takes it: a path, URL, PIL image, uint8 RGB array `(height, width, 3)`
                or bytes.

        Returns:
            float32 `(rows, columns)`, 0–1, cropped to the image (without the padding of the canvas).

        Raises:
            SourceError: If it can't be read, or is not one image.
        """
        from centernet.images.sources import read_single_image

        batch, sizes = self.preprocess(read_single_image(image).image)
        logits = self(batch, training=False)[self.center_heatmap][-1]
        cells = ops.convert_to_numpy(ops.max(ops.sigmoid(ops.cast(logits, "float32")), axis=-1))[0]
        canvas = tuple(batch.shape[1:3])
        placement = self.config.preprocessing.place(ops.convert_to_tensor(sizes), canvas)
        size, offset = (ops.convert_to_numpy(value)[0] for value in placement)
        stride = -(-canvas[0] // cells.shape[0])
        top, left = offset // stride
        bottom, right = -(-(offset + size) // stride)
        return cells[top:bottom, left:right]

    def save(self, filepath: str | Path, overwrite: bool = True, **options: Any) -> None:
        """Save to a folder that `centernet.load` reads: `config.json` and `model.weights.h5`.

        Args:
            filepath: The folder; or a path ending in `.zip` for one file, or in `.keras` for Keras's form.
            overwrite: Whether an existing saved model may be replaced.
            **options: `dtype="float16"` stores weights in half precision.

        Raises:
            ConfigError: If something that is no saved model is in the way, the dtype is unknown, or the path
                ends like a file of another form, such as `.onnx` (see `export`) or `.weights.h5` (see `save_weights`).
            DownloadError: If it can't be written; what was there before is unchanged.
        """
        from centernet.checkpoints.saved import saving
        from centernet.checkpoints.saved.form import KERAS, check_form

        check_form(Path(filepath), options.get("dtype"))
        if str(filepath).endswith(KERAS):
            super().save(filepath, overwrite=overwrite, **options)
        else:
            saving.save(self, Path(filepath), overwrite=overwrite, **options)

    def export(
        self,
        filepath: str | Path,
        format: str | None = None,
        *,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        """Write a file that other programs run: uint8 images in, boxes out, as `detect` finds them in one pass.

        Its input, `images`, is uint8 RGB `(batch, height, width, 3)`, of any size; its outputs are those of `decode`,
        by name, best first: rows with score 0 are none. The description of the model (names of classes and keypoints,
        among others) is in `config.json` in a SavedModel, and beside a file as `NAME.onnx.json` or `NAME.tflite.json`.

        Args:
            filepath: Ending in `.onnx` for ONNX or `.tflite` for LiteRT; otherwise the folder of a SavedModel.
            format: `"onnx"`, `"litert"` or `"saved_model"`; by default what the path ends with.
            image_size: Height and width of all images in pixels, if they have one. It must be given where the
                network's input is as large as the images (`fit="original"`).

        Raises:
            ConfigError: If the format is unknown, something else is in the way, a size is missing, or the backend is
                not TensorFlow.
            MissingExtraError: If what writes the format is not installed: `pip install centernet[export]`.
            DownloadError: If it can't be written; what was there before is unchanged.
        """
        from centernet.inference.exporting.export import export

        export(self, Path(filepath), format, image_size=image_size)

    def get_config(self) -> dict[str, Any]:
        """The description as plain data."""
        return {"config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Detector:
        """Build the detector that `get_config` described."""
        return cls(ModelConfig.from_dict(config["config"]))  # type: ignore[call-arg] # as subclasses take it
