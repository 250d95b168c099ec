"""What is checked before a training begins, so that it doesn't fail, or learn nothing, hours later."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from centernet.data.dataset import Dataset
from centernet.errors import ConfigError
from centernet.models.config import ModelConfig
from centernet.training.settings import TrainingSettings
from centernet.training.state import find_state

# Callbacks of Keras that set the learning rate, which a schedule sets already.
RATE_SETTERS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
logger = logging.getLogger("centernet")


def check_data(detector: Any, train: Any, validation: Any, batch_size: int) -> None:
    """Check that a detector can learn from one dataset, and be evaluated on another if there is one.

    Raises:
        ConfigError: If one is no `Dataset`, is empty or has fewer images than a batch, other classes or keypoints than
            the detector, or no object; or if none of the photos to evaluate on is there.
    """
    _check_dataset(detector, train, batch_size, "to learn from")
    if validation is None:
        return
    _check_dataset(detector, validation, 1, "to evaluate on")
    sources = [sample.source for sample in validation]
    if all(isinstance(source, Path) and not source.is_file() for source in sources):
        raise ConfigError(
            f"Expected photos to evaluate on in {validation.name}. Received: {len(sources)} paths of which none is a "
            f"file, the first {sources[0]}. Look at them with `centernet check`."
        )


def _check_dataset(detector: Any, dataset: Any, batch_size: int, purpose: str) -> None:
    if not isinstance(dataset, Dataset):
        raise ConfigError(
            f"Expected a Dataset {purpose}, as centernet.data.load gives it. Received: {type(dataset).__name__}"
        )
    if len(dataset) < batch_size:
        raise ConfigError(
            f"Expected at least {batch_size} images in {dataset.name}, one batch. Received: {len(dataset)}. "
            + ("Lower the batch_size." if len(dataset) else "Look at it with `centernet check`.")
        )
    classes, names = detector.class_names, dataset.class_names
    if classes != names:
        raise ConfigError(
            f"Expected the classes of {detector.config.name}, in its order: {_list(classes)}. Received: "
            f"{_list(names)} of {dataset.name}. For a detector of the dataset's classes: "
            "centernet.load(name, classes=dataset.class_names)"
        )
    _check_keypoints(detector.config, dataset)
    _check_objects(dataset, purpose)


def _check_keypoints(config: ModelConfig, dataset: Dataset) -> None:
    task, found = config.keypoints, dataset.keypoints
    if task and (found is None or (found.class_name, found.names) != (task.class_name, task.names)):
        received = f"{_list(found.names)} of {found.class_name}" if found else "none"
        raise ConfigError(
            f"Expected the keypoints of {config.name}: {_list(task.names)} of {task.class_name}. Received: {received} "
            f"in {dataset.name}."
        )


def _check_objects(dataset: Dataset, purpose: str) -> None:
    every = sum(len(sample.boxes) for sample in dataset)
    classes = len(dataset.class_names)
    left_out = every - sum(int((sample.measurable & sample.known(classes)).sum()) for sample in dataset)
    if left_out:
        logger.warning(
            "%d of %d objects of %s are left out: their box has no area, or the dataset doesn't name their class. "
            "`centernet check` shows them.", left_out, every, dataset.name,
        )  # fmt: skip
    if not any(sample.learnable(classes).any() for sample in dataset):
        raise ConfigError(
            f"Expected objects {purpose} in {dataset.name}. Received: {len(dataset)} images, {every} objects, none "
            "that has a box with an area and a named class, and isn't ignored. Look at it with `centernet check`."
        )


def check_callbacks(callbacks: Any, settings: TrainingSettings) -> list[keras.callbacks.Callback]:
    """Check that callbacks of the user go with the settings.

    Args:
        callbacks: Callbacks, or one.
        settings: Of the training.

    Returns:
        The callbacks.

    Raises:
        ConfigError: If something is no callback, one sets the learning rate although a schedule does, or one keeps a
            state of its own.
    """
    listed = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else list(callbacks)
    for callback in listed:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ConfigError(f"Expected callbacks of Keras. Received: {callback!r}")
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ConfigError(
                "Expected out=FOLDER, and later resume=True, to go on after an interruption: they keep all that "
                "BackupAndRestore does, and the order of photos. Received: BackupAndRestore"
            )
        if isinstance(callback, RATE_SETTERS) and (settings.schedule != "constant" or settings.warmup):
            raise ConfigError(
                f"Expected a learning rate that {type(callback).__name__} can set: schedule='constant', warmup=0. "
                f"Received: schedule={settings.schedule!r}, warmup={settings.warmup}"
            )
    return listed


def check_folder(out: Path | None, resume: bool) -> None:
    """Check that a training has a folder of its own.

    Raises:
        ConfigError: If there is something in it and it is not to be resumed, or it is to be and there is no folder.
    """
    if out is None:
        if resume:
            raise ConfigError("Expected the folder of a training to resume. Received: resume=True without out.")
        logger.info("Nothing is saved while training: give a folder as `out` to be able to resume.")
    elif not resume and out.exists() and any(out.iterdir()):
        state = " It holds a training: resume=True (--resume) goes on with it." if find_state(out) else ""
        raise ConfigError(f"Expected a new folder for the training. {out} exists and is not empty.{state}")


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
