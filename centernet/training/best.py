"""The detector that was best on the validation set: kept, and found again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras

from centernet.errors import CheckpointError
from centernet.training.weight_averages import averaged_weights

BEST = "best"  # the folder
WATCHED = "val_ap"


class Best(NamedTuple):
    """When it was best, counted from 1, and how good."""

    epoch: int
    ap: float


def best_of(folder: Path) -> Best | None:
    """The best of a training in a folder, or None if nothing was evaluated.

    Raises:
        CheckpointError: If the note of it is damaged.
    """
    note = _note(folder)
    if not note.exists():
        return None
    try:
        told = json.loads(note.read_text("utf-8"))
        return Best(int(told["epoch"]), float(told[WATCHED]))
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"Expected when a training was best in {note}. It is damaged; remove it.") from error


class KeepBest(keras.callbacks.Callback):
    """Saves the detector whenever it is better on the validation set than ever before."""

    def __init__(self, folder: Path) -> None:
        """Save it in a training's folder."""
        super().__init__()
        self._folder = folder

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Compare, and save."""
        ap, before = (logs or {}).get(WATCHED), best_of(self._folder)
        if ap is None or (before and not ap > before.ap):
            return
        with averaged_weights(self.model):
            self.model.detector.save(self._folder / BEST)
        note = _note(self._folder)
        written = note.with_name(f".{note.name}")
        written.write_text(json.dumps({"epoch": epoch + 1, WATCHED: float(ap)}), encoding="utf-8")
        written.replace(note)


def _note(folder: Path) -> Path:
    return folder / f"{BEST}.json"
