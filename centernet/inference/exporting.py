"""Exports a detector as one graph for other runtimes: uint8 images in, boxes in their pixels out."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from centernet.checkpoints.saved.saving import CONFIG, ELSEWHERE, KERAS, put_in_place, read_config, write_config
from centernet.errors import CenterNetError, ConfigError, MissingExtraError, WriteError
from centernet.inference.folding import fold_batch_normalization
from centernet.models.network import Network

# What a SavedModel that was exported here consists of.
SAVED_MODEL = {"saved_model.pb", "fingerprint.pb", "variables", "assets", CONFIG}
OTHERS = (".zip", KERAS, *ELSEWHERE)  # endings that no folder of a SavedModel has


def export(
    detector: Network, path: Path, format: str | None = None, *, image_size: tuple[int, int] | None = None
) -> None:
    """Write a detector to a file; see `Detector.export`."""
    form = check_target(path, format)
    path = path.expanduser().absolute()
    model = graph_of(detector, image_size)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".exporting.") as temporary:
            written = Path(temporary) / f"model{form.suffix}"
            model.export(str(written), format=form.name, verbose=False)
            described = written.with_suffix(".json") if form.suffix else written / CONFIG
            write_config(detector, described)
            beside = {description_of(path): described} if form.suffix else {}
            put_in_place({**beside, path: written}, Path(temporary) / "replaced")
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error}. What was there before is unchanged.") from error


def description_of(path: Path) -> Path:
    """The file beside an exported one that describes the model."""
    return path.with_name(f"{path.name}.json")


def check_target(path: Path, format: str | None = None) -> Format:
    """Check that a detector can be exported to a path.

    Args:
        path: The path.
        format: See `Detector.export`.

    Returns:
        The form of file.

    Raises:
        ConfigError: If the format is unknown, something else is in the way, or the backend is not TensorFlow.
        MissingExtraError: If what writes the format is not installed.
    """
    form = format_of(path, format)
    path = path.expanduser().absolute()
    if path.resolve() == Path.cwd():
        raise ConfigError("Expected a path to export to other than the current folder.")
    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            "Expected the TensorFlow backend, on which Keras exports: load the saved detector with "
            f"KERAS_BACKEND=tensorflow. Received: {keras.backend.backend()}"
        )
    missing = [name for name in form.needs if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"{', '.join(missing)} is needed: pip install centernet[export]")
    known = {path: path.is_file(), description_of(path): _is_description(description_of(path))}
    for place, replaceable in (known if form.suffix else {path: _is_exported(path)}).items():
        if place.exists() and not replaceable:
            raise ConfigError(f"{place} exists and was not exported: it is left alone. Export to another path.")
    return form


def _is_exported(folder: Path) -> bool:
    names = {part.name for part in folder.iterdir()} if folder.is_dir() else {""}
    return not names or (names <= SAVED_MODEL and _is_description(folder / CONFIG))


def _is_description(file: Path) -> bool:
    try:
        read_config(file.parent, file.name)
    except CenterNetError:
        return False
    return True


@dataclass(frozen=True)
class Format:
    """A form of file.

    Attributes:
        name: What Keras calls it.
        suffix: Of a file; empty for a folder.
        needs: Modules that write it.
    """

    name: str
    suffix: str = ""
    needs: tuple[str, ...] = ()


FORMATS: Mapping[str, Format] = {
    "saved_model": Format("tf_saved_model"),
    "onnx": Format("onnx", ".onnx", ("onnx", "tf2onnx")),
    "litert": Format("litert", ".tflite", ("ai_edge_litert",)),
}


def format_of(path: Path, name: str | None) -> Format:
    """The form of a file, by its name or else by the path's ending.

    Raises:
        ConfigError: If there is no such form, or the path ends like another.
    """
    by_suffix = {form.suffix: key for key, form in FORMATS.items()}
    suffix = path.suffix.lower() if path.suffix.lower() in by_suffix else ""
    if not suffix and path.name.lower().endswith(OTHERS):
        raise ConfigError(
            f"Expected a path to export to that ends in .onnx or .tflite, or a folder's. Received: {str(path)!r}. To "
            "load the detector here again: detector.save."
        )
    key = by_suffix[suffix] if name is None else name
    if key not in FORMATS:
        raise ConfigError(f"Expected a format of {', '.join(FORMATS)}. Received: {name!r}")
    if FORMATS[key].suffix != suffix:
        expected = FORMATS[key].suffix or "no ending, as a folder has"
        raise ConfigError(f"Expected a path for {key} with {expected}. Received: {path}")
    return FORMATS[key]


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
