"""Training a detector on a dataset with Keras's `fit`."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from centernet.data.batches.loader import Batches
from centernet.data.dataset import Dataset
from centernet.files.validation import dataclass_from
from centernet.training.batch_statistics import forgetting
from centernet.training.best import KeepBest
from centernet.training.callbacks import Evaluate, SaveState, StopAtNonsense, Throughput
from centernet.training.checks import check_callbacks, check_data, check_folder
from centernet.training.freezing import frozen
from centernet.training.optimizers import make_optimizer
from centernet.training.overrides import goals
from centernet.training.replicas import check_replicas, check_scope, joint_statistics, scope_of, strategy_of, writes
from centernet.training.resuming import terms_of
from centernet.training.settings import TrainingSettings
from centernet.training.state import Position, restore_state
from centernet.training.training_model import Learner
from centernet.training.weight_averages import OwnWeights

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
    callbacks: Sequence[keras.callbacks.Callback] | keras.callbacks.Callback = (),
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
        callbacks: Keras's callbacks, besides ours, or one; those that save the model save the detector.
        verbose: See `keras.Model.fit`.
        **changes: Fields of the settings that are otherwise, such as `epochs`.

    Returns:
        Keras's history; `val_ap` and the like where there is validation data.

    Raises:
        ConfigError: If the datasets don't fit the detector or the settings, or a training is to go on otherwise than
            it was begun.
        TrainingError: If the loss becomes no number.
    """
    settings = _changed(settings or TrainingSettings(), changes)
    out = None if out is None else Path(out).expanduser()
    check_data(detector, train, validation_data, settings.batch_size)
    callbacks = check_callbacks(callbacks, settings)
    check_scope(detector)
    check_replicas(settings, strategy_of(detector))
    with goals(detector, settings):
        begins_from = out if resume else None
        if writes(detector):
            check_folder(out, resume)
        else:
            out = None
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
    batches = _batches(detector, train, settings)
    terms = terms_of(detector, train, settings)
    with (
        frozen(detector, settings.freeze) as layers,
        forgetting(detector, len(batches) * settings.epochs),
        joint_statistics(detector),
    ):
        if layers:
            logger.info("Frozen: %d layers, up to %s.", len(layers), layers[-1])
        with scope_of(detector):
            learner = make_learner(detector, settings, len(batches))
        begin = restore_state(learner, begins_from, terms) if begins_from else Position()
        detector.config = detector.config.with_own_weights()
        saves = SaveState(out, terms, every=settings.save_every, begin=begin) if out is not None else None
        at_end: list[keras.callbacks.Callback] = []  # of each epoch, in this order
        if validation_data is not None and settings.evaluate_every:
            save = saves.save if saves else None
            at_end.append(Evaluate(validation_data, settings.evaluate_every, settings.epochs, save))
            at_end += [KeepBest(out)] if out is not None else []
        at_end += [saves] if saves else []
        others = [StopAtNonsense(batches, out, begin), Throughput(settings.batch_size), *callbacks]
        try:
            return _fit_from(learner, batches, begin, settings.epochs, at_end, others, verbose)
        finally:
            detector.refresh()


def _changed(settings: TrainingSettings, changes: dict[str, Any]) -> TrainingSettings:
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return dataclass_from(TrainingSettings, values | changes, "the arguments of fit")


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


def _batches(detector: Any, dataset: Dataset, settings: TrainingSettings) -> Batches:
    preprocessing = detector.config.preprocessing
    if not detector.config.keypoints:
        dataset = dataclasses.replace(dataset, keypoints=None)
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
    at_end: list[keras.callbacks.Callback],
    others: list[keras.callbacks.Callback],
    verbose: str | int,
) -> keras.callbacks.History:
    """Keras's `fit` from a position; an epoch that is begun in the middle is a `fit` of its own."""
    options: dict[str, Any] = {"callbacks": [*others[:1], *at_end, *others[1:]], "verbose": verbose, "shuffle": False}
    first = None
    if begin.epoch >= epochs:
        begin = Position(begin.epoch)  # it is done: nothing is trained, whatever it was in the middle of
    if begin.step == len(batches):
        first = _end_epoch(learner, begin.epoch, epochs, at_end)
        begin = Position(begin.epoch + 1)
    elif begin.step:
        rest, own = batches.starting_at(begin.epoch, begin.step), OwnWeights()
        ends = begin.epoch + 1
        with_own = options | {"callbacks": [*options["callbacks"], own]}
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


def _end_epoch(
    learner: Learner, epoch: int, epochs: int, callbacks: list[keras.callbacks.Callback]
) -> keras.callbacks.History | None:
    """Do what was to be done after the last batch of an epoch, when the training was interrupted.

    Returns:
        What it told, if anything.
    """
    history = keras.callbacks.History()
    history.on_train_begin()
    every = keras.callbacks.CallbackList([*callbacks, history], model=learner, epochs=epochs)
    every.on_epoch_end(epoch, {})
    return history if history.history else None


def _compiles(wanted: bool | None) -> bool | str:
    """Whether XLA compiles the step: on TensorFlow without a GPU it makes these networks five times slower."""
    if wanted is not None:
        return wanted
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return "auto" if tf.config.list_physical_devices("GPU") else False
