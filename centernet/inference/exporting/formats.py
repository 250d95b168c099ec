"""The forms of file that a detector is exported to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from centernet.checkpoints.saved.form import ELSEWHERE, KERAS
from centernet.errors import ConfigError


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

OTHERS = (".zip", KERAS, *ELSEWHERE)  # endings that no folder of a SavedModel has


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
