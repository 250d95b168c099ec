"""Training a detector on a dataset with Keras's `fit`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from centernet.data.dataset import Dataset
from centernet.data.loader import Batches
from centernet.errors import ConfigError
from centernet.fields import read_fields
from centernet.training.averages import OwnWeights
from centernet.training.best import KeepBest
from centernet.training.callbacks import Evaluate, SaveState, StopAtNonsense, Throughput
from centernet.training.freezing import freeze
from centernet.training.goals import goals
from centernet.training.learner import Learner
from centernet.training.optimizers import make_optimizer
from centernet.training.replicas import check_replicas, check_scope, joint_statistics, scope_of, strategy_of, writes
from centernet.training.settings import TrainingSettings
from centernet.training.state import Position, find_state, restore_state
from centernet.training.statistics import forgetting

logger = logging.getLogger("centernet")
MODEL = "model"  # the detector of the last step


def fit(
    detector: Any,
    train: Dataset,
    validation_data: Dataset | None = None,
    settings: TrainingSettings | None = None,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: str | int = "auto",
    **changes: Any,
) -> keras.callbacks.History:
    """Train a detector; `Detector.fit` calls this with a dataset.

    Args:
        detector: The detector; it has the trained weights afterwards.
        train: Photos to learn from.
        validation_data: Photos to evaluate on, if any.
        settings: How; the defaults if it is None.
        out: Folder for the state to resume from, for the best detector and for the last one; nothing is written if
            it is None.
        resume: Whether a training in `out` goes on.
        callbacks: Keras's callbacks, besides ours.
        verbose: See `keras.Model.fit`.
        **changes: Fields of the settings that are otherwise, such as `epochs`.

    Returns:
        Keras's history; `val_ap` and the like where there is validation data.

    Raises:
        ConfigError: If the dataset doesn't fit the detector or the settings.
        TrainingError: If the loss becomes no number.
    """
    settings = _changed(settings or TrainingSettings(), changes)
    out = None if out is None else Path(out).expanduser()
    check_dataset(detector, train, settings.batch_size)
    if validation_data is not None:
        check_dataset(detector, validation_data, 1)
    check_scope(detector)
    check_replicas(settings, strategy_of(detector))
    with goals(detector, settings):
        begins_from = out if resume else None
        if writes(detector):
            check_folder(out, resume)
        else:
            out = None
        detector.config = detector.config.with_own_weights()
        history = _train(detector, train, validation_data, settings, out, begins_from, callbacks, verbose)
    if out is not None:
        detector.save(out / MODEL)
    return history


def _train(
    detector: Any,
    train: Dataset,
    validation_data: Dataset | None,
    settings: TrainingSettings,
    out: Path | None,
    begins_from: Path | None,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: str | int,
) -> keras.callbacks.History:
    """All of `fit` after the checks; a training that goes on does so from the state in a folder."""
    frozen = freeze(detector, settings.freeze)
    if frozen:
        logger.info("Frozen: %d layers, up to %s.", len(frozen), frozen[-1])
    batches = _batches(detector, train, settings)
    with scope_of(detector):
        learner = make_learner(detector, settings, len(batches))
    begin = restore_state(learner, begins_from) if begins_from else Position()
    ours: list[keras.callbacks.Callback] = [StopAtNonsense(batches, out, begin)]
    if out is not None:
        ours.append(SaveState(out, every=settings.save_every, begin=begin))
    if validation_data is not None and settings.evaluate_every:
        ours.append(Evaluate(validation_data, settings.evaluate_every, settings.epochs))
        ours += [KeepBest(out)] if out is not None else []
    ours += [Throughput(settings.batch_size), *callbacks]
    with forgetting(detector, len(batches) * settings.epochs), joint_statistics(detector):
        history = _fit_from(learner, batches, begin, settings.epochs, ours, verbose)
    freeze(detector, None)
    detector.refresh()
    return history


def _changed(settings: TrainingSettings, changes: dict[str, Any]) -> TrainingSettings:
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return read_fields(TrainingSettings, values | changes, "the arguments of fit")


def make_learner(detector: Any, settings: TrainingSettings, steps: int) -> Learner:
    """A compiled learner.

    Args:
        detector: The detector.
        settings: How it is trained.
        steps: Batches of an epoch.
    """
    learner = Learner(detector, settings.augmentation, seed=settings.seed, batch_statistics=settings.batch_statistics)
    optimizer = make_optimizer(settings, steps * settings.epochs, together=strategy_of(detector) is not None)
    learner.compile(optimizer, jit_compile=_compiles(settings.jit_compile))
    learner.optimizer.build(learner.trainable_variables)
    return learner


def check_dataset(detector: Any, dataset: Dataset, batch_size: int) -> None:
    """Check that a detector can learn from a dataset, or be evaluated on it.

    Raises:
        ConfigError: If it is empty or has fewer images than a batch, other classes, or none of the keypoints that the
            detector finds.
    """
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
    task = detector.config.keypoints
    if task and (dataset.keypoints is None or dataset.keypoints.names != task.names):
        found = _list(dataset.keypoints.names) if dataset.keypoints else "none"
        raise ConfigError(
            f"Expected the keypoints of {detector.config.name}: {_list(task.names)}. Received: {found} in "
            f"{dataset.name}."
        )


def _batches(detector: Any, dataset: Dataset, settings: TrainingSettings) -> Batches:
    preprocessing = detector.config.preprocessing
    return Batches(
        dataset,
        settings.load_size or preprocessing.size,
        settings.batch_size,
        sampling=preprocessing.sampling,
        seed=settings.seed,
        max_objects=settings.max_objects,
    )


def _fit_from(
    learner: Learner,
    batches: Batches,
    begin: Position,
    epochs: int,
    callbacks: list[Any],
    verbose: str | int,
) -> keras.callbacks.History:
    """Keras's `fit` from a position; an epoch that is begun in the middle is a `fit` of its own."""
    options: dict[str, Any] = {"callbacks": callbacks, "verbose": verbose, "shuffle": False}
    if begin.step == len(batches):
        begin = Position(begin.epoch + 1)
    first = None
    if begin.step:
        rest, own = batches.starting_at(begin.epoch, begin.step), OwnWeights()
        ends = begin.epoch + 1
        with_own = options | {"callbacks": [*callbacks, own]}
        first = learner.fit(rest, steps_per_epoch=len(rest), initial_epoch=begin.epoch, epochs=ends, **with_own)
        if ends == epochs or learner.stop_training:
            return first
        own.put_back()  # Keras puts averaged weights in place at the end of a fit
        begin = Position(ends)
    whole = batches.starting_at(begin.epoch)
    history = learner.fit(whole, steps_per_epoch=len(whole), initial_epoch=begin.epoch, epochs=epochs, **options)
    if first:
        history.epoch = first.epoch + history.epoch
        names = dict.fromkeys([*first.history, *history.history])
        history.history = {name: first.history.get(name, []) + history.history.get(name, []) for name in names}
    return history


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


def _compiles(wanted: bool | None) -> bool | str:
    """Whether XLA compiles the step: on TensorFlow without a GPU it makes these networks five times slower."""
    if wanted is not None:
        return wanted
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return "auto" if tf.config.list_physical_devices("GPU") else False


def _list(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
