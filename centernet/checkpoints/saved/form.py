"""The form that a detector is saved in, which the ending of the path says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from centernet.errors import ConfigError

KERAS = ".keras"
_WEIGHTS = "For the weights alone: detector.save_weights."
_H5 = "For the weights alone: detector.save_weights, to a path ending in .weights.h5."
_ZIP = "For one file: a path ending in .zip."
_EXPORT = "For other programs (ONNX, TFLite, SavedModel): detector.export, or `centernet export`."
# Endings that ask for something that is not written here → what to do instead; the first that fits counts.
ELSEWHERE: Mapping[str, str] = {
    ".weights.h5": _WEIGHTS,
    ".h5": _H5,
    ".hdf5": _H5,
    ".tar.gz": _ZIP,
    ".tgz": _ZIP,
    ".tar": _ZIP,
    ".onnx": _EXPORT,
    ".tflite": _EXPORT,
    ".pb": _EXPORT,
}


def check_form(target: Path, dtype: str | None = None) -> None:
    """Refuse a path whose ending asks for a form that a detector is not saved in.

    Args:
        target: A folder, or a path ending in `.zip` or `.keras`.
        dtype: The precision that was asked for, or None.

    Raises:
        ConfigError: If the ending is that of something else, or if the form has no precision of its own.
    """
    name = target.name.lower()
    advice = next((advice for ending, advice in ELSEWHERE.items() if name.endswith(ending)), None)
    if advice:
        raise ConfigError(
            f"Expected a folder to save to, or a path ending in .zip or {KERAS}. Received: {str(target)!r}. {advice}"
        )
    if target.suffix != target.suffix.lower() and target.suffix.lower() in (".zip", KERAS):
        raise ConfigError(f"Expected the ending {target.suffix.lower()} in small letters. Received: {str(target)!r}")
    if target.suffix == KERAS and dtype is not None:
        raise ConfigError(f"A {KERAS} file has no dtype of its own. Save to a folder or .zip to choose one.")
