"""The two detectors: a network with everything that is done with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack, overload

import keras
import numpy as np
from keras import ops

from centernet.checkpoints.locate import locate_weights_file
from centernet.checkpoints.saved import saving, weights_file
from centernet.checkpoints.saved.saving import KERAS, check_form
from centernet.data.dataset import Dataset
from centernet.data.keypoints import KeypointTask
from centernet.data.sample import Sample
from centernet.errors import ConfigError
from centernet.evaluation import evaluate
from centernet.evaluation.precision import Comparison, quantize_and_compare
from centernet.images.sources import read_single_image
from centernet.inference.compiled import Inference
from centernet.inference.detecting import detect
from centernet.inference.exporting import check_target, export
from centernet.inference.graph import GraphOptions
from centernet.models.config import FAMILIES, ModelConfig
from centernet.models.family import Signature
from centernet.models.heads import HeadSettings
from centernet.models.input_normalization import default_preprocessing
from centernet.models.network import Network
from centernet.models.settings import (
    PointDecoderSettings,
    PointHeadSettings,
    TripletDecoderSettings,
    TripletHeadSettings,
)
from centernet.models.test_time import TestTime
from centernet.ops.constants import Arrays
from centernet.ops.preprocessing import Preprocessing
from centernet.training.checks import check_batch
from centernet.training.fit import fit
from centernet.training.replicas import replica_share, sum_over_replicas
from centernet.training.settings import TrainingOptions, TrainingSettings
from centernet.training.training_model import LossParts


class Detector(Network):
    """Images in, `Detections` out: the base of `PointDetector` and `TripletDetector`.

    Called on a preprocessed float32 batch, it is the network and returns head maps, as any Keras model. Images (paths,
    uint8 arrays …) go through `detect`; to call or to `predict` on them is an error.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self._inference: Inference | None = None
        self._loss_parts: LossParts | None = None

    def detect(
        self,
        source: Any,
        *,
        min_score: float = 0.3,
        max_detections: int | None = None,
        batch_size: int = 1,
        test_time: TestTime | None = None,
        exact: bool = False,
        track: bool = False,
    ) -> Any:
        """Detect objects in images.

        Args:
            source: A path, URL, PIL image, uint8 RGB array `(height, width, 3)` or bytes: one image. A list
                of these. A folder, glob pattern, video, camera number or address of a live stream (`rtsp://`, `rtmp://`,
                `udp://` …): a stream.
            min_score: Minimum score; 0 keeps everything the decoder gives.
            max_detections: Maximum number of detections per image, at most (and by default) the decoder's. In tiles the
                decoder's limit is that of each tile; the image has up to 10,000 by default.
            batch_size: Images of a list or stream, or tiles of an image, that pass the network together.
            test_time: Several passes over each image (mirrored, at several scales, in tiles), merged by soft-NMS. By
                default the passes of the model's description; one pass for the published Objects as Points.
            exact: Also reproduce artifacts of the software that exported the published models
                (see `centernet.models.settings`), for comparison with such an export.
            track: Follow objects through a video, camera, live stream or iterator of frames: `Detections.track_ids`
                (extra `track`).

        Returns:
            `Detections` for one image, a list of them for a list, an iterator for a stream. An image of a list or
            stream that can't be read gives empty `Detections` with the reason in `error`; it is logged, and the rest
            is processed.

        Raises:
            SourceError: If the one image, or the stream, can't be read.
            ConfigError: If an option is out of range, or images to track don't follow each other.
            MissingExtraError: If an optional package is needed: for videos, for tracking.
        """
        return detect(
            self,
            source,
            min_score=min_score,
            max_detections=max_detections,
            batch_size=batch_size,
            test_time=test_time,
            exact=exact,
            track=track,
        )

    def infer(self, images: Sequence[np.ndarray], *, exact: bool = False) -> Arrays:
        """Run the compiled detector on images: the step of `detect` between reading and results.

        The graph is compiled at the first call, and again after training or loading has changed the weights. (For
        speed, only a few small variables are compared: after setting single layers by hand, call `refresh`.)

        Args:
            images: uint8 RGB arrays `(height, width, 3)` of any sizes.
            exact: See `detect`.

        Returns:
            As `decode`, as NumPy arrays.
        """
        return self._compiler()(images, exact)

    def compiled_form(self, form: Any, step: Callable[..., Any], signature: Signature) -> Callable[..., Any]:
        """See `Network.compiled_form`."""
        return self._compiler().compiled(form, step, signature)

    def _compiler(self) -> Inference:
        if self._inference is None:
            self._inference = Inference(self)
        return self._inference

    def refresh(self) -> None:
        """Make the next `detect` use the present weights and description, after changes by hand."""
        if self._inference is not None:
            self._inference.reset()

    def heatmap(self, image: Any) -> np.ndarray:
        """Probability that a cell is the center of an object of any class.

        Args:
            image: One image, as in `detect`: a path, URL, PIL image, uint8 RGB array `(height, width, 3)` or bytes.

        Returns:
            float32 `(rows, columns)`, 0–1, cropped to the image (without the padding of the canvas).

        Raises:
            SourceError: If it can't be read, or is not one image.
        """
        batch, sizes = self.preprocess(read_single_image(image).image)
        logits = self(batch, training=False)[self.family.center_heatmap][-1]
        cells = ops.convert_to_numpy(ops.max(ops.sigmoid(ops.cast(logits, "float32")), axis=-1))[0]
        canvas = tuple(batch.shape[1:3])
        placement = self.config.preprocessing.place(ops.convert_to_tensor(sizes), canvas)
        size, offset = (ops.convert_to_numpy(value)[0] for value in placement)
        stride = -(-canvas[0] // cells.shape[0])
        top, left = offset // stride
        bottom, right = -(-(offset + size) // stride)
        return cells[top:bottom, left:right]

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Head maps of a preprocessed batch; see `keras.Model`.

        Raises:
            ConfigError: If the input is an image file or has whole numbers, as images before preprocessing have.
        """
        _check_preprocessed(arguments[0] if arguments else options.get("inputs"))
        return super().__call__(*arguments, **options)

    def predict(self, x: Any, *arguments: Any, **options: Any) -> Any:
        """Head maps of preprocessed batches as NumPy arrays; see `keras.Model.predict`, and `detect` for images.

        Raises:
            ConfigError: See `__call__`.
        """
        _check_preprocessed(x)
        return super().predict(x, *arguments, **options)

    def predict_on_batch(self, x: Any) -> Any:
        """Head maps of one preprocessed batch; see `predict`."""
        _check_preprocessed(x)
        return super().predict_on_batch(x)

    def quantize(self, *arguments: Any, **options: Any) -> None:
        """Refuse Keras's quantization, which has no form of convolutions and would change nothing.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            f"Expected a network with Dense or Embedding layers to quantize. Received: {self.name}, whose layers are "
            "convolutions, which Keras leaves in float32. Export it (detector.export) and quantize the file with the "
            "tools of its runtime."
        )

    @overload
    def fit(
        self,
        x: Dataset,
        validation_data: Dataset | None = None,
        settings: TrainingSettings | None = None,
        *,
        out: Path | str | None = None,
        resume: bool = False,
        callbacks: Sequence[keras.callbacks.Callback] | keras.callbacks.Callback = (),
        verbose: str | int = "auto",
        **changes: Unpack[TrainingOptions],
    ) -> keras.callbacks.History: ...
    @overload
    def fit(self, x: Any = None, y: Any = None, *arguments: Any, **options: Any) -> keras.callbacks.History: ...
    def fit(self, x: Any = None, *arguments: Any, **options: Any) -> keras.callbacks.History:
        """Train on a dataset, or on preprocessed arrays.

            detector.fit(train, validation_data=validation, epochs=30, out="runs/mine")

        Args:
            x: A `centernet.data.Dataset`, or preprocessed images; see `compute_loss` for these and their objects `y`.
            *arguments: With a dataset, `validation_data` and `settings`; otherwise those of `keras.Model.fit`.
            **options: With a dataset, `out`, `resume`, `callbacks`, `verbose` and the fields of `TrainingSettings`; see
                `centernet.training.fit.fit`. Otherwise those of `keras.Model.fit`.

        Returns:
            Keras's history.

        Raises:
            ConfigError: If the data have another form, or classes or keypoints that differ from the model's.
            TrainingError: If the loss is NaN or infinite.
        """
        if isinstance(x, Dataset):
            return fit(self, x, *arguments, **options)
        _check_arrays(x)
        if not self.compiled:
            raise ConfigError("Expected a compiled detector to train on arrays: detector.compile('adam') before fit.")
        # Before Keras takes over the weights: on JAX, an exception inside fit doesn't give them back.
        y = arguments[0] if arguments else options.get("y")
        if y is not None:
            check_batch(self.config, x, y, options.get("sample_weight"), self.loss)
        if isinstance(validation := options.get("validation_data"), tuple):
            check_batch(self.config, *validation)
        self.config = self.config.with_own_weights()
        return super().fit(x, *arguments, **options)

    def evaluate(self, x: Any = None, *arguments: Any, **options: Any) -> Any:
        """COCO's average precision and recall on a `Dataset`.

        Args:
            x: A `centernet.data.Dataset`. Anything else goes to `keras.Model.evaluate` with `arguments` and gives the
                loss.
            *arguments: See `keras.Model.evaluate`.
            **options: With a dataset, those of `centernet.evaluation.evaluate`: `batch_size`, `test_time` and others.

        Returns:
            An `Evaluation` for a dataset: `print(it)`, `it.ap`, `it.report("folder")`. Otherwise as Keras.

        Raises:
            ConfigError: If the dataset is empty, or its classes or keypoints differ from the detector's.
            SourceError: If none of its images can be read.
        """
        if isinstance(x, Dataset):
            return evaluate(self, x, *arguments, **options)
        _check_arrays(x)
        return super().evaluate(x, *arguments, **options)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss that `fit` minimizes; called by Keras. `compile` needs only an optimizer.

        Args:
            x: The preprocessed float32 batch `(batch, height, width, 3)`.
            y: The objects: `boxes` float32 `(batch, n, 4)` as `x0 y0 x1 y1` in pixels of the network's input;
                `class_ids` int32 `(batch, n)`, -1 is padding; optionally `ignore` bool `(batch, n)`, objects that
                are neither positive nor negative (crowds); `keypoints` float32 `(batch, n, k, 3)` as `x y visibility`
                if the model has keypoints.
            y_pred: Output of the model on `x`.
            sample_weight: Not supported; None.
            training: Ignored; training and evaluation have the same loss.

        Returns:
            Scalar, float32. Its parts are tracked under their names.

        Raises:
            ConfigError: If the batch has another form, or a loss or weights were given as well.
        """
        check_batch(self.config, x, y, sample_weight, self.loss)
        losses = self.training_losses(y_pred, y, tuple(x.shape[1:3]), sum_over_replicas)
        self._parts().update(losses, ops.shape(x)[0])
        return losses["loss"] + replica_share(sum(ops.sum(loss) for loss in self.losses))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Metrics of the progress bar: the loss, its parts, and those given to `compile`."""
        return [*super().metrics, *(self._parts().means.values() if self.compiled else ())]

    def _parts(self) -> LossParts:
        if self._loss_parts is None:
            self._loss_parts = LossParts(self)
        return self._loss_parts

    def load_weights(self, filepath: str | Path, **options: Any) -> None:
        """Set the weights from a `.weights.h5` file of Keras or of a saved detector.

        Args:
            filepath: The file, or the folder, `.zip` or `.keras` of a saved detector.
            **options: See `keras.Model.load_weights`; without any, everything must fit.

        Raises:
            CheckpointError: If the file is missing, damaged or belongs to another network.
        """
        if options:
            super().load_weights(filepath, **options)
            self.refresh()
        else:
            weights_file.load_weights(self, locate_weights_file(str(filepath)))

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all weights; see `keras.Model.set_weights`."""
        super().set_weights(weights)
        self.refresh()

    def save(self, filepath: str | Path, overwrite: bool = True, **options: Any) -> None:
        """Save to a folder that `centernet.load` reads: `config.json` and `model.weights.h5`.

        Args:
            filepath: The folder; or a path ending in `.zip` for one file, or in `.keras` for Keras's form (which
                `keras.saving.load_model` reads after `import centernet.detector`).
            overwrite: Whether an existing saved model may be replaced.
            **options: `dtype="float16"` stores weights in half precision.

        Raises:
            ConfigError: If the path holds something that is not a saved model, the dtype is unknown, or the path
                ends like another format, such as `.onnx` (see `export`) or `.weights.h5` (see `save_weights`).
            WriteError: If it can't be written; existing files are unchanged.
        """
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
        batch_size: int | None = None,
        passes: bool = True,
        dtype: str = "float32",
        heads_only: bool = False,
        precision: str = "float32",
        calibration: Dataset | None = None,
        validation_data: Dataset | None = None,
        max_loss: float | None = 0.01,
    ) -> Comparison | None:
        """Write a file for other runtimes: uint8 images in, boxes out, as `detect` gives them.

        The input, `images`, is uint8 RGB `(batch, height, width, 3)` of any size. The outputs are those of `decode`, by
        name, best first; rows with score 0 are empty. The description of the model (among others the names of classes
        and keypoints) is in the file itself (in a SavedModel: `config.json`), and beside it as `NAME.onnx.json`.
        `centernet.load` reads the file.

        Args:
            filepath: Ending in `.onnx` for ONNX, `.tflite` for LiteRT or `.xml` for OpenVINO; otherwise the folder of a
                SavedModel.
            format: `"onnx"`, `"litert"`, `"openvino"` or `"saved_model"`; by default from the path's ending.
            image_size: Height and width in pixels of all images, for a fixed size. Required if the network's input is
                as large as the images (`fit="original"`).
            batch_size: Images of every batch, for a fixed number.
            passes: Whether the file also computes the test-time passes of the model's description (the mirrored
                image, other scales, soft-NMS), so that it finds what `detect` finds. Without them it is faster, and
                gives the boxes of the decoder. Tiles are never part of the file: a model that has them by default is
                exported with its passes over one tile, and the detector that `centernet.load` makes of the file cuts
                tiles as here. Other programs have to; a warning says so.
            dtype: `"float16"` stores weights in half precision (ONNX and OpenVINO); computations are in float32.
            heads_only: Whether the file ends at the float32 head maps `(batch, height / 4, width / 4, channels)`, for
                accelerators that can't run a decoder; `centernet.decode` decodes them in NumPy. It has no passes.
            precision: `"int8"` computes the network in 8-bit integers (ONNX); preprocessing, the last convolutions and
                the decoder stay in float32. Needs `calibration`.
            calibration: Photos that give the ranges of activations, like those of use; 32 of them are taken.
            validation_data: Annotated photos on which the quantized file and the float32 one are compared; by default
                those of `calibration`.
            max_loss: Largest loss of average precision; a file that loses more isn't written. None for any.

        Returns:
            With `precision="int8"` the comparison: AP, milliseconds and megabytes of both; otherwise None.

        Raises:
            ConfigError: If the format is unknown, the path holds something else, a size is missing, the passes need
                images at scales that are made outside the graph, or the backend is not TensorFlow.
            MissingExtraError: If the writer of the format is not installed: `pip install centernet[export]`.
            WriteError: If it can't be written; existing files are unchanged.
        """
        path, options = Path(filepath), GraphOptions(image_size, batch_size, passes, dtype, heads_only)
        if precision == "float32" and calibration is None and validation_data is None:
            export(self, path, format, options)
            return None
        if precision != "int8" or check_target(path, format).name != "ONNX" or dtype != "float32":
            raise ConfigError(
                "Expected precision='float32' without calibration, or 'int8' for a path ending in .onnx and "
                f"dtype='float32'. Received: precision={precision!r}, {filepath}, dtype={dtype!r}"
            )
        if not isinstance(calibration, Dataset) or not isinstance(validation_data, Dataset | None):
            raise ConfigError(
                "Expected calibration=, and perhaps validation_data=, as datasets for precision='int8': "
                "train, validation = centernet.data.load(folder). Received: "
                f"{type(calibration).__name__} and {type(validation_data).__name__}"
            )
        found: list[Comparison] = []

        def finish(written: Path) -> None:
            validation = calibration if validation_data is None else validation_data
            found.append(quantize_and_compare(written, calibration, validation, max_loss))

        export(self, path, format, options, precision, finish)
        return found[0]

    def get_config(self) -> dict[str, Any]:
        """The description as plain data."""
        # Keras prints this when it can't load a `.keras` file because this library isn't imported.
        return {"load_with": "import centernet; centernet.load(path)", "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Detector:
        """Build the detector that `get_config` described."""
        return cls(ModelConfig.from_dict(config["config"]))


@keras.saving.register_keras_serializable(package="centernet")
class PointDetector(Detector):
    """An object is its center, with a size, an offset and optionally keypoints (Zhou 2019).

    Called on a preprocessed float32 batch `(batch, height, width, 3)` it returns the head maps of every stack: a dict
    from head name (see `centernet.models.points.heads`) to a list over stacks of `(batch, height / 4, width / 4,
    channels)`; `size` and `offset` are in output cells, y before x.

    Args:
        backbone: Name of a backbone, a mapping of `name` and its arguments, or the `ModelConfig` of the
            whole model (then nothing else is given).
        classes: Names of the classes, or their number.
        image_size: Height and width of the network's input; None for the preprocessing's.
        heads: Shape of the heads.
        preprocessing: Resizing and normalization of images; by default what the backbone's trunk expects, at 512×512.
        decoder: Counts, thresholds and rules of decoding.
        keypoints: The keypoints of one class, for keypoint heads.
        name: Name of the model.

    Attributes:
        target_settings: Training targets (`TargetSettings`); may be set.
        loss_weights: Weights of the parts of the loss; may be set.
    """

    def __init__(
        self,
        backbone: str | Mapping[str, Any] | ModelConfig = "resnet50_v1_fpn",
        classes: int | Sequence[str] = 80,
        *,
        image_size: tuple[int, int] | None = None,
        heads: PointHeadSettings | None = None,
        preprocessing: Preprocessing | None = None,
        decoder: PointDecoderSettings | None = None,
        keypoints: KeypointTask | None = None,
        name: str = "point_detector",
    ) -> None:
        settings = heads, decoder, preprocessing, image_size
        super().__init__(_description("points", backbone, classes, *settings, keypoints, name))


@keras.saving.register_keras_serializable(package="centernet")
class TripletDetector(Detector):
    """An object is a triplet: two corners, and a center of the same class in its central region (Duan 2019).

    Called on a preprocessed float32 batch `(batch, height, width, 3)` it returns the head maps of every stack: a dict
    from head name (see `centernet.models.triplets.heads`) to a list over stacks of `(batch, height / 4, width / 4,
    channels)`; offsets are in output cells, x before y.

    Args and attributes are those of `PointDetector`, without keypoints; `heads` also shapes the pooling modules.
    """

    def __init__(
        self,
        backbone: str | Mapping[str, Any] | ModelConfig = "hourglass52",
        classes: int | Sequence[str] = 80,
        *,
        image_size: tuple[int, int] | None = None,
        heads: TripletHeadSettings | None = None,
        preprocessing: Preprocessing | None = None,
        decoder: TripletDecoderSettings | None = None,
        name: str = "triplet_detector",
    ) -> None:
        settings = heads, decoder, preprocessing, image_size
        super().__init__(_description("triplets", backbone, classes, *settings, None, name))


DETECTORS: Mapping[str, type[Detector]] = {"points": PointDetector, "triplets": TripletDetector}


def _description(
    family: str,
    backbone: str | Mapping[str, Any] | ModelConfig,
    classes: int | Sequence[str],
    heads: HeadSettings | None,
    decoder: Any,
    preprocessing: Preprocessing | None,
    image_size: tuple[int, int] | None,
    keypoints: KeypointTask | None,
    name: str,
) -> ModelConfig:
    """The description of a detector from the arguments of its constructor."""
    if isinstance(backbone, ModelConfig):
        if backbone.family != family:
            raise ConfigError(
                f"Expected the description of a detector of family {family!r}. Received: {backbone.name!r} of family "
                f"{backbone.family!r}. Use {DETECTORS[backbone.family].__name__}."
            )
        return backbone
    options = {"name": backbone} if isinstance(backbone, str) else dict(backbone)
    return ModelConfig(
        name=name,
        family=family,
        backbone=options,
        preprocessing=default_preprocessing(str(options.get("name")), preprocessing, image_size),
        classes=classes,  # type: ignore[arg-type] # ModelConfig makes it a tuple of names
        heads=heads or FAMILIES[family].heads(),
        decoder=decoder or FAMILIES[family].decoder(),
        task="boxes+keypoints" if keypoints else "boxes",
        keypoints=keypoints,
    )


def _check_preprocessed(x: Any) -> None:
    """Refuse images that are not preprocessed: paths, images, and arrays of whole numbers."""
    for part in x if isinstance(x, list | tuple) and len(x) else [x]:
        is_file = isinstance(part, str | bytes | os.PathLike)
        dtype = getattr(part, "dtype", None)
        is_whole = dtype is not None and keras.backend.standardize_dtype(dtype).startswith(("uint", "int", "bool"))
        if is_file or is_whole or hasattr(part, "convert"):  # the last is what PIL's images have
            what = f"an array of {dtype}" if is_whole else type(part).__name__
            raise ConfigError(
                f"Expected a preprocessed float32 batch (batch, height, width, 3). Received: {what}. To detect objects "
                "in images: detector.detect(images). To make the network's input: detector.preprocess(images)."
            )


def _check_arrays(x: Any) -> None:
    """Refuse paths and lists of datasets or samples, which Keras would try to unpack."""
    parts = x if isinstance(x, list | tuple) else [x]
    if any(isinstance(part, str | os.PathLike | Dataset | Sample) for part in parts):
        kinds = ", ".join(dict.fromkeys(type(part).__name__ for part in parts))
        raise ConfigError(
            "Expected a Dataset (centernet.data.load(path) returns train and validation), or arrays. Received: "
            f"{kinds if x is parts[0] else f'{type(x).__name__} of {kinds}'}"
        )
