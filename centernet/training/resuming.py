"""What a training was started with, and has to go on with when it is resumed."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from centernet.data.dataset import Dataset
from centernet.errors import ConfigError
from centernet.files.validation import to_plain
from centernet.training.settings import TrainingSettings

# Settings that may be others: they change when something is done, or how long it goes on (as does the schedule then).
FREE = ("epochs", "evaluate_every", "save_every", "jit_compile")


def terms_of(detector: Any, dataset: Dataset, settings: TrainingSettings) -> dict[str, Any]:
    """What must be the same for a training to go on: name → value, as plain data."""
    settled = {name: value for name, value in dataclasses.asdict(settings).items() if name not in FREE}
    digest = hashlib.sha256()
    for sample in dataset:
        digest.update(repr(sample.image_id).encode() + sample.boxes.tobytes() + sample.class_ids.tobytes())
    data = {
        "images": len(dataset),
        "objects": sum(len(sample.boxes) for sample in dataset),
        "annotations": digest.hexdigest()[:12],
    }
    return to_plain(
        settled | data | {"image_size": detector.config.preprocessing.size, "classes": detector.class_names}
    )


def check_terms(begun: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Check that a training goes on as it was begun.

    Args:
        begun: `terms_of` the training.
        now: Those that it is to go on with.
        folder: Where its state is.

    Raises:
        ConfigError: If something is different; the message names it.
    """
    changed = [name for name in now if begun.get(name) != now[name]]
    if changed:
        raise ConfigError(
            f"Expected to resume the training in {folder} as it was begun: {_said(begun, changed)}. Received: "
            f"{_said(now, changed)}. Give the same settings (also with --set) and photos, or begin another training in "
            "another folder."
        )


def _said(terms: Mapping[str, Any], names: list[str]) -> str:
    return ", ".join(f"{name}={terms.get(name)!r}" for name in names)
