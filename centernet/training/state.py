"""The state of a training on disk, from which it resumes as if it had never stopped."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from centernet.data.dataset import Dataset
from centernet.errors import CheckpointError, ConfigError, WriteError
from centernet.files.validation import dataclass_from, to_plain
from centernet.models.network import Network
from centernet.training.settings import TrainingSettings

FOLDER = "state"
PREVIOUS = "state.previous"
POSITION = "position.json"
SETTINGS = "training.json"
VALUES = "values.npz"
# Settings that may change when a run is resumed. (With the number of epochs, the schedule changes.)
CHANGEABLE = ("epochs", "steps", "evaluate_every", "save_every", "jit_compile")


@dataclass(frozen=True)
class Position:
    """Progress of a training.

    Attributes:
        epoch: Number of complete epochs.
        step: Number of completed batches of the next epoch.
    """

    epoch: int = 0
    step: int = 0


def fixed_settings(detector: Network, dataset: Dataset, settings: TrainingSettings) -> dict[str, Any]:
    """Settings that must not change when a run is resumed: name → value, as plain data."""
    fixed = {name: value for name, value in asdict(settings).items() if name not in CHANGEABLE}
    digest = hashlib.sha256()
    for sample in dataset:
        digest.update(repr(sample.image_id).encode() + sample.boxes.tobytes() + sample.class_ids.tobytes())
    data = {
        "images": len(dataset),
        "objects": sum(len(sample.boxes) for sample in dataset),
        "annotations": digest.hexdigest()[:12],
        "image_size": detector.config.preprocessing.size,
        "classes": detector.class_names,
    }
    plain: dict[str, Any] = to_plain(fixed | data)
    return plain


def save_state(model: Any, folder: Path, position: Position, fixed: Mapping[str, Any] | None = None) -> None:
    """Save the weights, the optimizer with its averages, and the state of the random numbers.

    The new state is written beside the old one and renamed, so that there is always a complete one.

    Args:
        model: The `TrainingModel`.
        folder: Folder of the training.
        position: Progress of the training.
        fixed: See `fixed_settings`.

    Raises:
        WriteError: If it can't be written; the previous state is unchanged.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".state."))
        try:
            with (temporary / VALUES).open("wb") as file:
                np.savez(file, **_values(model))
                file.flush()
                os.fsync(file.fileno())
            (temporary / SETTINGS).write_text(json.dumps(dict(fixed or {})), encoding="utf-8")
            (temporary / POSITION).write_text(json.dumps(asdict(position)), encoding="utf-8")
            _replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise WriteError(f"The state of training can't be saved in {folder}: {error}.") from error


def restore_state(model: Any, folder: Path, fixed: Mapping[str, Any] | None = None) -> Position:
    """Set what `save_state` saved.

    Args:
        model: The `TrainingModel`.
        folder: Folder of the training.
        fixed: Settings of the resumed run; None to accept any. See `fixed_settings`.

    Returns:
        Progress of the saved training.

    Raises:
        CheckpointError: If there is no state, or it is damaged or belongs to another training.
        ConfigError: If the training was started with other settings.
    """
    state = find_state(folder)
    if state is None:
        raise CheckpointError(f"Expected the state of a training in {folder}. Received: none. Start without resuming.")
    if not (state / SETTINGS).is_file():
        raise CheckpointError(
            f"The state of training in {state} is of an earlier version and can't be resumed. Start a new training "
            "from its model, in another folder."
        )
    try:
        position = dataclass_from(Position, json.loads((state / POSITION).read_text("utf-8")), str(state / POSITION))
        saved = json.loads((state / SETTINGS).read_text("utf-8"))
        with np.load(state / VALUES, allow_pickle=False) as file:
            values = {int(number): file[number] for number in file.files}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"The state of training in {state} is damaged: {error}") from error
    if fixed is not None:
        _check_settings(saved, fixed, folder)
    variables = _variables(model)
    expected = {number: tuple(variable.shape) for number, variable in variables.items()}
    if {number: value.shape for number, value in values.items()} != expected:
        raise CheckpointError(
            f"The state of training in {state} belongs to another model, optimizer or freezing than this training. "
            "Resume with the recipe that it was started with, or start a new training in another folder."
        )
    for number, variable in variables.items():
        variable.assign(values[number])
    model.detector.refresh()
    return position


def find_state(folder: Path) -> Path | None:
    """The newest complete state in the folder of a training, or None."""
    return next((folder / name for name in (FOLDER, PREVIOUS) if (folder / name / POSITION).is_file()), None)


def _check_settings(saved: Mapping[str, Any], received: Mapping[str, Any], folder: Path) -> None:
    saved = to_plain(asdict(TrainingSettings())) | dict(
        saved
    )  # an earlier version did what defaults of new settings do
    changed = [name for name in received if saved.get(name) != received[name]]
    if changed:
        before, now = (", ".join(f"{name}={of.get(name)!r}" for name in changed) for of in (saved, received))
        raise ConfigError(
            f"Expected to resume the training in {folder} as it was begun: {before}. Received: {now}. Give the same "
            "settings (also with --set) and images, or start a new training in another folder."
        )


def _replace(new: Path, folder: Path) -> None:
    """Put a state in its place; if the process is killed meanwhile, the previous one stays."""
    shutil.rmtree(folder / PREVIOUS, ignore_errors=True)
    if (folder / FOLDER).exists():
        os.replace(folder / FOLDER, folder / PREVIOUS)
    os.replace(new, folder / FOLDER)
    shutil.rmtree(folder / PREVIOUS, ignore_errors=True)


def _variables(model: Any) -> dict[int, Any]:
    """Variables by number: the paths of an optimizer's depend on how many optimizers were made before."""
    return dict(enumerate([*model.variables, *model.optimizer.variables]))


def _values(model: Any) -> dict[str, Any]:
    values = {number: np.asarray(ops.convert_to_numpy(value)) for number, value in _variables(model).items()}
    # NumPy can't write bfloat16; float32 holds the same numbers.
    return {str(number): v.astype(np.float32) if v.dtype.kind == "V" else v for number, v in values.items()}
