"""Forms of exported files, and how each is written."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import keras

from centernet.checkpoints.saved.saving import ELSEWHERE, KERAS, LABELS, METADATA, metadata
from centernet.errors import ConfigError
from centernet.inference.onnx_file import write_onnx

OTHERS = (".zip", KERAS, *ELSEWHERE)  # endings that no folder of a SavedModel has

# Writes a model to a path, with its description in JSON and its weights in a dtype.
Writer = Callable[[keras.Model, Path, str, str], None]


def write_saved_model(model: keras.Model, path: Path, description: str, dtype: str) -> None:
    """Write a SavedModel."""
    model.export(str(path), format="tf_saved_model", verbose=False)


def write_litert(model: keras.Model, path: Path, description: str, dtype: str) -> None:
    """Write a LiteRT file, with description and labels in an archive at its end, as TensorFlow Lite Metadata has it."""
    model.export(str(path), format="litert", verbose=False)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(METADATA, description)
        archive.writestr(LABELS, "\n".join(json.loads(description)["model"]["classes"]))


def write_openvino(model: keras.Model, path: Path, description: str, dtype: str) -> None:
    """Write OpenVINO's form, through ONNX, with the description in its runtime information."""
    import openvino

    between = path.with_suffix(".onnx")
    write_onnx(model, between, description, dtype)
    converted = openvino.convert_model(between)
    for key, value in metadata(description).items():
        converted.set_rt_info(value, [METADATA, key])
    openvino.save_model(converted, path, compress_to_fp16=dtype == "float16")
    between.unlink()


@dataclass(frozen=True)
class Format:
    """A form of file.

    Attributes:
        name: What it is called in messages.
        write: Writes it.
        suffix: Of a file; empty for a folder.
        needs: Modules that write it.
        extra: The extra that installs them.
        beside: Endings of further files that belong to it.
        halves: Whether it can store weights in half precision.
    """

    name: str
    write: Writer
    suffix: str = ""
    needs: tuple[str, ...] = ()
    extra: str = "export"
    beside: tuple[str, ...] = ()
    halves: bool = False


FORMATS: Mapping[str, Format] = {
    "saved_model": Format("SavedModel", write_saved_model),
    "onnx": Format("ONNX", write_onnx, ".onnx", ("onnx", "tf2onnx"), halves=True),
    "litert": Format("LiteRT", write_litert, ".tflite", ("ai_edge_litert",)),
    "openvino": Format(
        "OpenVINO", write_openvino, ".xml", ("onnx", "tf2onnx", "openvino"), beside=(".bin",), halves=True
    ),
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
            "Expected a path to export to that ends in .onnx, .tflite or .xml, or a folder's. Received: "
            f"{str(path)!r}. To load the detector here again: detector.save."
        )
    key = by_suffix[suffix] if name is None else name
    if key not in FORMATS:
        raise ConfigError(f"Expected a format of {', '.join(FORMATS)}. Received: {name!r}")
    if FORMATS[key].suffix != suffix:
        expected = FORMATS[key].suffix or "no ending, as a folder has"
        raise ConfigError(f"Expected a path for {key} with {expected}. Received: {path}")
    return FORMATS[key]
