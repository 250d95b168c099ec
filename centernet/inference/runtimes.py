"""Runtimes that compute exported files without Keras."""

from __future__ import annotations

import importlib
import importlib.util
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from centernet.checkpoints.saved.saving import CONFIG, METADATA, description_of
from centernet.errors import CheckpointError, ConfigError, MissingExtraError
from centernet.ops.constants import Arrays

MOST_DESCRIPTION = 2**24  # bytes of a description


class Session(NamedTuple):
    """An opened file.

    Attributes:
        run: uint8 RGB `(batch, height, width, 3)` → its outputs by name.
        shape: Shape of its input; None where it varies.
        description: Its description in JSON, or None if there is none inside.
    """

    run: Callable[[np.ndarray], Arrays]
    shape: tuple[int | None, ...]
    description: str | None


def open_onnxruntime(path: Path) -> Session:
    """Open an ONNX file in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]

    def run(batch: np.ndarray) -> Arrays:
        return dict(zip(names, session.run(names, {images.name: batch}), strict=True))

    shape = tuple(side if isinstance(side, int) else None for side in images.shape)
    return Session(run, shape, session.get_modelmeta().custom_metadata_map.get(METADATA))


def open_openvino(path: Path) -> Session:
    """Open an ONNX file or OpenVINO's own in OpenVINO, which computes in float32 here.

    Where a processor has bfloat16, OpenVINO rounds to it by default, coordinates as well.
    """
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    place = ["framework", METADATA] if path.suffix.lower() == ".onnx" else [METADATA, METADATA]
    description = model.get_rt_info(place).value if model.has_rt_info(place) else None
    shape = tuple(side.get_length() if side.is_static else None for side in model.input().partial_shape)
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"})

    def run(batch: np.ndarray) -> Arrays:
        return {output.get_any_name(): np.array(values) for output, values in compiled(batch).items()}

    return Session(run, shape, description)


def open_litert(path: Path) -> Session:
    """Open a LiteRT file."""
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(str(path))
    signature = interpreter.get_signature_runner()
    ((name, details),) = signature.get_input_details().items()
    description = None
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if METADATA in archive.namelist() and archive.getinfo(METADATA).file_size <= MOST_DESCRIPTION:
                description = archive.read(METADATA).decode("utf-8")
    shape = tuple(int(side) if side > 0 else None for side in details["shape_signature"])
    return Session(lambda batch: dict(signature(**{name: batch})), shape, description)


def open_saved_model(path: Path) -> Session:
    """Open the folder of a SavedModel in TensorFlow."""
    import tensorflow as tf

    signature = tf.saved_model.load(path).signatures["serving_default"]
    (images,) = signature.structured_input_signature[1].values()

    def run(batch: np.ndarray) -> Arrays:
        return {name: values.numpy() for name, values in signature(tf.constant(batch)).items()}

    return Session(run, tuple(images.shape), (path / CONFIG).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Runtime:
    """A runtime.

    Attributes:
        module: The module that it is.
        suffixes: Endings of the files that it reads, the preferred one first; an empty one is a folder.
        open: Opens a file.
        extra: The extra that installs it; empty for TensorFlow, which needs none.
    """

    module: str
    suffixes: tuple[str, ...]
    open: Callable[[Path], Session]
    extra: str

    @property
    def is_installed(self) -> bool:
        """Whether its module is there."""
        return importlib.util.find_spec(self.module) is not None


RUNTIMES: Mapping[str, Runtime] = {
    "onnx": Runtime("onnxruntime", (".onnx",), open_onnxruntime, "onnx"),
    "openvino": Runtime("openvino", (".onnx", ".xml"), open_openvino, "openvino"),
    "litert": Runtime("ai_edge_litert", (".tflite",), open_litert, "litert"),
    "tensorflow": Runtime("tensorflow", ("",), open_saved_model, ""),
}
SUFFIXES = frozenset(suffix for runtime in RUNTIMES.values() for suffix in runtime.suffixes if suffix)


def is_exported(path: Path) -> bool:
    """Whether a path is that of an exported file, by its ending, or the folder of an exported SavedModel."""
    if path.suffix.lower() in SUFFIXES:
        return True
    return (path / "saved_model.pb").is_file() and (path / CONFIG).is_file()


def open_exported(path: Path, runtime: str | None = None) -> tuple[Session, str]:
    """Open an exported file.

    Args:
        path: The file, or the folder of a SavedModel.
        runtime: A name of `RUNTIMES`; None for the first that is installed and reads the file.

    Returns:
        The session, and the name of its runtime.

    Raises:
        ConfigError: If the runtime is unknown, or doesn't read such files.
        MissingExtraError: If it is not installed.
        CheckpointError: If the file is missing, damaged, or too new for the runtime.
    """
    suffix = path.suffix.lower() if path.suffix.lower() in SUFFIXES else ""
    fitting = {name: one for name, one in RUNTIMES.items() if suffix in one.suffixes}
    if runtime is not None and runtime not in fitting:
        raise ConfigError(f"Expected a runtime that reads {path}: {', '.join(fitting)}. Received: runtime={runtime!r}")
    installed = [name for name, one in fitting.items() if one.is_installed and runtime in (None, name)]
    if not installed:
        extras = [one.extra for name, one in fitting.items() if runtime in (None, name)]
        package = f"centernet[{extras[0]}]" if extras[0] else "tensorflow"
        raise MissingExtraError(f"A runtime that reads {path} is needed: pip install {package}")
    if not path.exists():
        raise CheckpointError(f"Expected an exported detector at {path}: there is no such file.")
    try:
        session = RUNTIMES[installed[0]].open(path)
    except Exception as error:  # each runtime has its own, and some are plain RuntimeErrors
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(
            f"{path} can't be read by {installed[0]} ({RUNTIMES[installed[0]].module}): the file is damaged, or it was "
            f"written for a newer version of the runtime. Export it again. {type(error).__name__}: {reason}"
        ) from error
    return session, installed[0]


def description_in(session: Session, path: Path) -> Mapping[str, Any]:
    """The description of the model in an exported file, or else beside it.

    Raises:
        CheckpointError: If there is none.
    """
    text = session.description
    beside = description_of(path)
    try:
        if text is None and beside.is_file() and beside.stat().st_size <= MOST_DESCRIPTION:
            text = beside.read_text(encoding="utf-8")
        description = json.loads(text) if text is not None else None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"Expected the description of a detector in {path}. {error!r}") from error
    if not isinstance(description, dict):
        raise CheckpointError(
            f"{path} has no description of a detector: it was not exported by centernet, or lost its metadata and "
            f"{beside.name} beside it. Export it again with detector.export."
        )
    return description
