"""Everything that a training needs to go on as if it had never stopped, on disk."""

from __future__ import annotations

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

from centernet.errors import CheckpointError, WriteError
from centernet.files.validation import dataclass_from
from centernet.training.resuming import check_terms

FOLDER = "state"
PREVIOUS = "state.previous"
POSITION = "position.json"
TERMS = "training.json"
VALUES = "values.npz"


@dataclass(frozen=True)
class Position:
    """Where a training is.

    Attributes:
        epoch: Whole epochs that are done.
        step: Batches of the next epoch that are done.
    """

    epoch: int = 0
    step: int = 0


def save_state(learner: Any, folder: Path, position: Position, terms: Mapping[str, Any] | None = None) -> None:
    """Save the weights, the optimizer, its averages, and the state of everything that is drawn.

    The new state is written beside the old one and takes its place at once, whenever the process is killed.

    Args:
        learner: What is trained.
        folder: Of the training.
        position: Where it is.
        terms: What it was started with, see `centernet.training.resuming`.

    Raises:
        WriteError: If it can't be written; the state that was there is unchanged.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder, prefix=".state."))
        try:
            with (temporary / VALUES).open("wb") as file:
                np.savez(file, **_values(learner))
                file.flush()
                os.fsync(file.fileno())
            (temporary / TERMS).write_text(json.dumps(dict(terms or {})), encoding="utf-8")
            (temporary / POSITION).write_text(json.dumps(asdict(position)), encoding="utf-8")
            _replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise WriteError(f"The state of training can't be saved in {folder}: {error}.") from error


def restore_state(learner: Any, folder: Path, terms: Mapping[str, Any] | None = None) -> Position:
    """Set what `save_state` saved.

    Args:
        learner: What is trained.
        folder: Of the training.
        terms: What it is to go on with; None for whatever it was started with.

    Returns:
        Where the training was.

    Raises:
        CheckpointError: If there is no such state, or it belongs to another training.
        ConfigError: If the training was started with other terms.
    """
    found = find_state(folder)
    if found is None:
        raise CheckpointError(f"Expected the state of a training in {folder}. Found: none. Start without resuming.")
    if not (found / TERMS).is_file():
        raise CheckpointError(
            f"The state of training in {found} is of an earlier version and can't be resumed. Begin another training, "
            "from its model, in another folder."
        )
    try:
        position = dataclass_from(Position, json.loads((found / POSITION).read_text("utf-8")), str(found / POSITION))
        begun = json.loads((found / TERMS).read_text("utf-8"))
        with np.load(found / VALUES, allow_pickle=False) as file:
            values = {int(number): file[number] for number in file.files}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"The state of training in {found} is damaged: {error}") from error
    if terms is not None:
        check_terms(begun, terms, folder)
    variables = _variables(learner)
    expected = {number: tuple(variable.shape) for number, variable in variables.items()}
    if {number: value.shape for number, value in values.items()} != expected:
        raise CheckpointError(
            f"The state of training in {found} belongs to another model, optimizer or freezing than this training. "
            "Resume with the recipe that it was started with, or start anew in another folder."
        )
    for number, variable in variables.items():
        variable.assign(values[number])
    learner.detector.refresh()
    return position


def find_state(folder: Path) -> Path | None:
    """The newest whole state in a folder of a training."""
    return next((folder / name for name in (FOLDER, PREVIOUS) if (folder / name / POSITION).is_file()), None)


def _replace(new: Path, folder: Path) -> None:
    """Put a state in its place; a process that is killed in between leaves the previous one."""
    shutil.rmtree(folder / PREVIOUS, ignore_errors=True)
    if (folder / FOLDER).exists():
        os.replace(folder / FOLDER, folder / PREVIOUS)
    os.replace(new, folder / FOLDER)
    shutil.rmtree(folder / PREVIOUS, ignore_errors=True)


def _variables(learner: Any) -> dict[int, Any]:
    """Number → variable: paths of an optimizer's depend on how many optimizers there were before."""
    return dict(enumerate([*learner.variables, *learner.optimizer.variables]))


def _values(learner: Any) -> dict[str, Any]:
    values = {number: np.asarray(ops.convert_to_numpy(value)) for number, value in _variables(learner).items()}
    # NumPy can't write bfloat16; float32 holds the same numbers.
    return {str(number): v.astype(np.float32) if v.dtype.kind == "V" else v for number, v in values.items()}
