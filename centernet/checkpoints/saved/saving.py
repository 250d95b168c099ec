"""The saved form of a detector: a folder, or one zip of it, with `config.json` and `model.weights.h5`."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from centernet.checkpoints.saved import weights_file
from centernet.errors import CheckpointError, ConfigError, WriteError
from centernet.files.environment import package_version
from centernet.models.config import ModelConfig

METADATA = "centernet.json"  # the description inside an exported file
LABELS = "labels.txt"
CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
FORMAT = 1
PRECISIONS = ("float32", "float16")
KERAS = ".keras"
_WEIGHTS = "For the weights alone: detector.save_weights."
_H5 = "For the weights alone: detector.save_weights, to a path ending in .weights.h5."
_ZIP = "For one file: a path ending in .zip."
_EXPORT = "For other programs (ONNX, LiteRT, OpenVINO, SavedModel): detector.export, or `centernet export`."
# Endings of other formats → what to do instead; the first match counts.
ELSEWHERE: Mapping[str, str] = {
    ".weights.h5": _WEIGHTS,
    ".h5": _H5,
    ".hdf5": _H5,
    ".tar.gz": _ZIP,
    ".tgz": _ZIP,
    ".tar": _ZIP,
    ".onnx": _EXPORT,
    ".tflite": _EXPORT,
    ".xml": _EXPORT,
    ".pb": _EXPORT,
}


def save(
    detector: Any, target: Path, *, overwrite: bool = True, dtype: Literal["float16", "float32"] = "float32"
) -> None:
    """Save a detector; see `Detector.save`.

    Files are written beside the target and then renamed: an existing saved model is replaced completely or not at all.
    """
    if dtype not in PRECISIONS:
        raise ConfigError(f"Expected a dtype of {PRECISIONS} to save in. Received: {dtype!r}")
    target = target.expanduser().absolute()
    _check_target(target, overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_room(detector, target.parent)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".saving.") as temporary:
            folder = Path(temporary) / "model"
            _write(detector, folder, dtype)
            if target.suffix == ".zip":
                os.replace(_packed(folder), target)
            else:
                put_in_place({target: folder}, Path(temporary) / "replaced")
    except WriteError:
        raise
    except (OSError, RuntimeError) as error:  # HDF5 raises the latter when the disk fills up while closing
        raise WriteError(f"{target} can't be written: {error}. What was there before is unchanged.") from error


def _write(detector: Any, folder: Path, dtype: str) -> None:
    folder.mkdir()
    weights_file.write_weights(detector, folder / WEIGHTS, dtype)
    write_config(detector, folder / CONFIG)


def write_config(detector: Any, path: Path, exported: Mapping[str, Any] | None = None) -> None:
    """Write the description of a detector, with the versions of the library and of Keras.

    Args:
        detector: The detector.
        path: The file.
        exported: What an exported file computes.
    """
    versions = {"centernet": package_version(), "keras": importlib.metadata.version("keras")}
    description = {"format": FORMAT, "versions": versions, "model": detector.config.to_dict()}
    description |= {"exported": exported} if exported is not None else {}
    path.write_text(json.dumps(description, indent=1), encoding="utf-8")


def metadata(description: str) -> dict[str, str]:
    """What a file says about itself: the whole description, and its parts for other programs."""
    whole = json.loads(description)
    model = whole["model"]
    outputs = {
        "boxes": "x0 y0 x1 y1 in pixels of the image",
        "scores": "0 to 1, descending; rows with score 0 are empty",
    }
    if whole.get("exported", {}).get("heads_only"):
        outputs = {"maps": "float32 (batch, height / 4, width / 4, channels), heatmaps as logits: centernet.decode"}
    keypoints = model.get("keypoints") or {}
    return {
        METADATA: description,
        "names": json.dumps(model["classes"]),
        "keypoint_names": json.dumps(keypoints.get("names", [])),
        "images": "uint8 RGB (batch, height, width, 3), all of one size, not resized or normalized",
        **outputs,
    }


def description_of(path: Path) -> Path:
    """The file beside an exported one that describes the model."""
    return path.with_name(f"{path.name}.json")


def _packed(folder: Path) -> Path:
    packed = folder.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w") as file:
        for part in (CONFIG, WEIGHTS):
            file.write(folder / part, part)
    return packed


def put_in_place(new: Mapping[Path, Path], aside: Path) -> None:
    """Move files and folders to their targets; existing ones are moved aside, and restored if a move fails.

    Args:
        new: Target → current place.
        aside: A folder to create for existing files.
    """
    aside.mkdir()
    moved: list[tuple[Path, Path, Path]] = []
    try:
        for number, (target, source) in enumerate(new.items()):
            moved.append((target, source, aside / str(number)))
            if target.exists():
                os.replace(target, moved[-1][2])
            os.replace(source, target)
    except OSError:
        for target, source, before in reversed(moved):
            if not source.exists():
                os.replace(target, source)
            if before.exists():
                os.replace(before, target)
        raise


def is_saved(folder: Path) -> bool:
    """Whether a folder is a detector saved by `save`."""
    return (folder / CONFIG).is_file() and (folder / WEIGHTS).is_file()


def read_config(folder: Path, name: str = CONFIG) -> ModelConfig:
    """Read the description in a saved folder, or beside an exported file.

    Raises:
        CheckpointError: If it is no description, or has a newer format.
    """
    path = folder / name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"Expected the description of a saved detector in {path}. {error!r}") from error
    return parse_config(text, str(path))


def parse_config(text: str, path: str) -> ModelConfig:
    """A description from the text that `write_config` wrote; `path` is where it was read, for messages.

    Raises:
        CheckpointError: If it is no description, or has a newer format.
    """
    try:
        description: Mapping[str, Any] = json.loads(text)
        if "class_name" in description:  # unpacked from Keras's own form
            return ModelConfig.from_dict(description["config"]["config"], where=path)
        version, model = int(description["format"]), description["model"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"Expected the description of a saved detector in {path}. {error!r}") from error
    if version > FORMAT:
        raise CheckpointError(
            f"{path} has format {version}; this version of centernet reads up to {FORMAT}. Update centernet."
        )
    return ModelConfig.from_dict(model, where=path)


def _check_room(detector: Any, folder: Path) -> None:
    """Fail early on a full disk, whose HDF5 error is unreadable."""
    needed = sum(math.prod(variable.shape) * 4 for variable in detector.variables)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise WriteError(
            f"The weights need {needed:,} bytes, but {folder} has {free:,} left. Free some space, or save elsewhere."
        )


def _check_target(target: Path, overwrite: bool) -> None:
    if not target.exists():
        return
    packed = target.suffix == ".zip"
    names = _names_in_zip(target) if packed else _names_in_folder(target)
    if not packed and names == []:
        return
    if names != [CONFIG, WEIGHTS]:
        what = f"holds {', '.join(names[:5])}" if names else "is no saved detector"
        raise ConfigError(f"{target} exists and {what}: it is left alone. Save to another path.")
    if not overwrite:
        raise ConfigError(f"{target} exists already. Pass overwrite=True to replace it.")


def _names_in_folder(path: Path) -> list[str] | None:
    return sorted(part.name for part in path.iterdir()) if path.is_dir() else None


def _names_in_zip(path: Path) -> list[str] | None:
    try:
        with zipfile.ZipFile(path) as file:
            return sorted(file.namelist())
    except (OSError, zipfile.BadZipFile):
        return None


def check_form(target: Path, dtype: str | None = None) -> None:
    """Refuse a path whose ending is that of another format.

    Args:
        target: A folder, or a path ending in `.zip` or `.keras`.
        dtype: The requested precision, or None.

    Raises:
        ConfigError: If it is, or if the format has no choice of precision.
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
