"""Checks of batches, datasets, callbacks and folders before a training starts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from centernet.data.dataset import Dataset
from centernet.errors import ConfigError
from centernet.models.config import ModelConfig
from centernet.models.network import Network
from centernet.training.settings import TrainingSettings
from centernet.training.state import find_state

# Keras callbacks that set the learning rate, which a schedule sets already.
RATE_SETTERS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
logger = logging.getLogger("centernet")
FORM = (
    "boxes float32 (batch, n, 4) as x0 y0 x1 y1 in pixels of the network's input, class_ids int32 (batch, n) with -1 "
    "as padding, and optionally ignore bool (batch, n) and keypoints float32 (batch, n, k, 3)"
)
REQUIRED = {"boxes", "class_ids"}
OPTIONAL = {"ignore", "keypoints"}
IMAGES = "Expected x as a preprocessed float batch (batch, height, width, 3) with its size known."


def check_data(detector: Network, train: Any, validation: Any, batch_size: int) -> None:
    """Check that a detector can be trained on one dataset, and evaluated on another unless it is None.

    Raises:
        ConfigError: If one is not a `Dataset`, has fewer images than a batch, no objects, or classes or keypoints that
            differ from the detector's; or if no validation image exists.
    """
    _check_dataset(detector, train, batch_size, "to learn from")
    if validation is None:
        return
    _check_dataset(detector, validation, 1, "to evaluate on")
    sources = [sample.source for sample in validation]
    if all(isinstance(source, Path) and not source.is_file() for source in sources):
        raise ConfigError(
            f"Expected images to evaluate on in {validation.name}. Received: {len(sources)} paths of which none is a "
            f"file, the first {sources[0]}. Check them with `centernet check`."
        )


def _check_dataset(detector: Network, dataset: Any, batch_size: int, purpose: str) -> None:
    if not isinstance(dataset, Dataset):
        raise ConfigError(
            f"Expected a Dataset {purpose}, as centernet.data.load returns it. Received: {type(dataset).__name__}"
        )
    if len(dataset) < batch_size:
        raise ConfigError(
            f"Expected at least {batch_size} images in {dataset.name}, one batch. Received: {len(dataset)}. "
            + ("Lower the batch_size." if len(dataset) else "Check it with `centernet check`.")
        )
    classes, names = detector.class_names, dataset.class_names
    if classes != names:
        raise ConfigError(
            f"Expected the classes of {detector.config.name}, in this order: {_listed(classes)}. Received: "
            f"{_listed(names)} of {dataset.name}. For a detector of the dataset's classes: "
            "centernet.load(name, classes=dataset.class_names)"
        )
    _check_keypoints(detector.config, dataset)
    _check_objects(dataset, purpose)


def _check_keypoints(config: ModelConfig, dataset: Dataset) -> None:
    task, given = config.keypoints, dataset.keypoints
    if task and (given is None or (given.class_name, given.names) != (task.class_name, task.names)):
        received = f"{_listed(given.names)} of {given.class_name}" if given else "none"
        raise ConfigError(
            f"Expected the keypoints of {config.name}: {_listed(task.names)} of {task.class_name}. Received: "
            f"{received} in {dataset.name}."
        )


def _check_objects(dataset: Dataset, purpose: str) -> None:
    total = sum(len(sample.boxes) for sample in dataset)
    classes = len(dataset.class_names)
    left_out = total - sum(int((sample.measurable & sample.known(classes)).sum()) for sample in dataset)
    if left_out:
        logger.warning(
            "%d of %d objects of %s are left out: their box has no area, or their class has no name. "
            "`centernet check` shows them.", left_out, total, dataset.name,
        )  # fmt: skip
    if not any(sample.learnable(classes).any() for sample in dataset):
        raise ConfigError(
            f"Expected objects {purpose} in {dataset.name}. Received: {len(dataset)} images, {total} objects, none "
            "that has a box with an area and a named class, and isn't ignored. Check it with `centernet check`."
        )


def check_callbacks(callbacks: Any, settings: TrainingSettings) -> list[keras.callbacks.Callback]:
    """Check that the user's callbacks suit the settings.

    Args:
        callbacks: A list of callbacks, or one.
        settings: Settings of the training.

    Returns:
        The callbacks as a list.

    Raises:
        ConfigError: If one is not a callback, sets the learning rate beside a schedule, or is `BackupAndRestore`.
    """
    listed = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else list(callbacks)
    for callback in listed:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ConfigError(f"Expected callbacks of Keras. Received: {callback!r}")
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise ConfigError(
                "Expected out=FOLDER, and later resume=True, to continue after an interruption: they restore all that "
                "BackupAndRestore does, and the order of images. Received: BackupAndRestore"
            )
        if isinstance(callback, RATE_SETTERS) and (settings.schedule != "constant" or settings.warmup):
            raise ConfigError(
                f"Expected a learning rate that {type(callback).__name__} can set: schedule='constant', warmup=0. "
                f"Received: schedule={settings.schedule!r}, warmup={settings.warmup}"
            )
    return listed


def check_folder(out: Path | None, resume: bool) -> None:
    """Check that a new training has an empty folder, and a resumed one has a folder.

    Raises:
        ConfigError: If it is otherwise.
    """
    if out is None:
        if resume:
            raise ConfigError("Expected the folder of a training to resume. Received: resume=True without out.")
        logger.info("The training can't be resumed, because nothing is saved. Pass out=FOLDER to save its state.")
    elif not resume and out.exists() and any(out.iterdir()):
        state = " It holds a training: resume=True (--resume) resumes it." if find_state(out) else ""
        raise ConfigError(f"Expected a new folder for the training. {out} exists and is not empty.{state}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def check_batch(config: ModelConfig, x: Any, y: Any, sample_weight: Any = None, loss: Any = None) -> None:
    """Check the shapes and dtypes of a batch, and the class ids if they are a NumPy array.

    Args:
        config: Description of the detector.
        x: Preprocessed images.
        y: Objects; see `Detector.compute_loss`.
        sample_weight: Must be None.
        loss: Must be None.

    Raises:
        ConfigError: If an array is missing or has another form, or a class id is not the detector's.
    """
    if loss is not None or sample_weight is not None:
        raise ConfigError(
            "Expected compile without a loss, and no sample_weight: a detector has losses of its own. Received: "
            f"loss={loss!r}, sample_weight={sample_weight!r}"
        )
    _check_images(x)
    if not isinstance(y, Mapping) or not y.keys() >= REQUIRED or y.keys() - REQUIRED - OPTIONAL:
        received = sorted(map(str, y)) if isinstance(y, Mapping) else type(y).__name__
        raise ConfigError(f"Expected y as a dict: {FORM}. Received: {received}")
    for name, shape in _shapes(config, y).items():
        _check_shape(name, tuple(y[name].shape), shape)
    _check_class_ids(config, y["class_ids"])
    if config.keypoints and "keypoints" not in y:
        raise ConfigError(f"Expected keypoints in y, because {config.identifier} detects them: {FORM}. Received: none")


def _check_images(x: Any) -> None:
    if not hasattr(x, "shape"):
        raise ConfigError(f"{IMAGES} Received: {type(x).__name__}")
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
        raise ConfigError(f"{IMAGES} Received: dtype {x.dtype}. Use `Detector.preprocess` for uint8 images.")
    if len(x.shape) != 4 or x.shape[-1] != 3 or None in x.shape[1:3]:
        raise ConfigError(f"{IMAGES} Received: shape {tuple(x.shape)}")


def _check_class_ids(config: ModelConfig, ids: Any) -> None:
    if "int" not in keras.backend.standardize_dtype(ids.dtype):
        raise ConfigError(f"Expected class_ids of an integer type. Received: {ids.dtype}")
    count = len(config.classes)
    if isinstance(ids, np.ndarray) and ids.size and not -1 <= ids.min() <= ids.max() < count:
        raise ConfigError(
            f"Expected class ids from 0 to {count - 1}, of the {count} classes of {config.identifier}, or -1 for "
            f"padding. Received: {ids.min()} to {ids.max()}. Ids of a dataset often begin at 1 or have gaps: number "
            "the classes from 0."
        )


def _shapes(config: ModelConfig, y: Mapping[str, Any]) -> dict[str, tuple[int | None, ...]]:
    """Expected shape of each entry; None for any number."""
    batch, slots = (*y["class_ids"].shape, None, None)[:2]
    shapes: dict[str, tuple[int | None, ...]] = {"class_ids": (batch, slots), "boxes": (batch, slots, 4)}
    if "ignore" in y:
        shapes["ignore"] = batch, slots
    if "keypoints" in y:
        shapes["keypoints"] = batch, slots, len(config.keypoints.names) if config.keypoints else None, 3
    return shapes


def _check_shape(name: str, received: tuple[int | None, ...], expected: tuple[int | None, ...]) -> None:
    def fits(pairs: Iterator[tuple[int | None, int | None]]) -> bool:
        return all(None in pair or pair[0] == pair[1] for pair in pairs)

    if len(received) != len(expected) or not fits(zip(received, expected, strict=True)):
        raise ConfigError(f"Expected y as a dict: {FORM}. Received: {name} of shape {received}, not {expected}")
