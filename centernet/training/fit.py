"""Training a detector on a dataset with Keras's `fit`."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Unpack

import keras

from centernet.checkpoints.saved.saving import save
from centernet.data.batches.loader import Batches
from centernet.data.dataset import Dataset
from centernet.errors import ConfigError
from centernet.models.network import Network
from centernet.training.augmentation.augmentation import check_flip
from centernet.training.callbacks import Evaluate, KeepBest, SaveState, StopAtInvalidLoss, StopAtStep, Throughput
from centernet.training.checks import check_callbacks, check_data, check_folder
from centernet.training.optimizers import RememberWeights
from centernet.training.replicas import check_replicas, check_scope, scope_of, strategy_of, writes_files
from centernet.training.settings import TrainingOptions, TrainingSettings
from centernet.training.state import Position, fixed_settings, restore_state
from centernet.training.temporary_changes import changed_normalization, frozen, overridden
from centernet.training.training_model import TrainingModel, make_training_model

logger = logging.getLogger("centernet")
MODEL = "model"  # folder of the detector after the last step


def fit(
    detector: Network,
    train: Dataset,
    validation_data: Dataset | None = None,
    settings: TrainingSettings | None = None,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] | keras.callbacks.Callback = (),
    verbose: str | int = "auto",
    **changes: Unpack[TrainingOptions],
) -> keras.callbacks.History:
    """Train a detector; `Detector.fit` calls this for a dataset.

    Args:
        detector: The detector; it is trained in place.
        train: Images to train on.
        validation_data: Images to evaluate on, or None.
        settings: Settings of the training; the defaults if it is None.
        out: Folder for the state of the training, the best and the last detector; None writes nothing.
        resume: Whether to resume the training in `out`.
        callbacks: Additional Keras callbacks, or one; those that save the model save the detector.
        verbose: See `keras.Model.fit`.
        **changes: Fields of `TrainingSettings` that differ from `settings`, such as `epochs`.

    Returns:
        Keras's history; with `val_ap` and other figures if there is validation data.

    Raises:
        ConfigError: If an argument is unknown or invalid, a dataset does not suit the detector or the settings, or a
            resumed training has other settings.
        TrainingError: If the loss is NaN or infinite.
    """
    settings = _settings(settings or TrainingSettings(), changes)
    out = None if out is None else Path(out).expanduser()
    check_data(detector, train, validation_data, settings.batch_size)
    if task := detector.config.keypoints:
        check_flip(settings.augmentation, task.flip, len(task.names))
    callbacks = check_callbacks(callbacks, settings)
    check_scope(detector)
    check_replicas(settings, strategy_of(detector))
    with overridden(detector, settings):
        resumed = out if resume else None
        if writes_files(detector):
            check_folder(out, resume)
        else:
            out = None
        history = _train(detector, train, validation_data, settings, out, resumed, callbacks, verbose)
    if out is not None:
        save(detector, out / MODEL)
    return history


def check_arguments(names: Iterable[str]) -> None:
    """Check the names of keyword arguments of `fit`.

    Raises:
        ConfigError: If one is unknown; the message suggests the nearest.
    """
    own = [name for name in inspect.signature(fit).parameters if name not in ("detector", "train", "changes")]
    valid = [*own, *(field.name for field in dataclasses.fields(TrainingSettings))]
    for name in names:
        if name not in valid:
            near = difflib.get_close_matches(name, valid, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"Unknown argument {name!r} of fit.{hint} Valid arguments: {', '.join(valid)}.")


def _settings(settings: TrainingSettings, changes: TrainingOptions) -> TrainingSettings:
    check_arguments(changes)
    options: dict[str, Any] = {"steps": None} if "epochs" in changes else {}  # epochs instead of steps
    options |= changes
    try:
        return dataclasses.replace(settings, **options)
    except ConfigError as error:
        raise ConfigError(f"{error} (In the arguments of fit.)") from error


def _train(
    detector: Network,
    train: Dataset,
    validation_data: Dataset | None,
    settings: TrainingSettings,
    out: Path | None,
    resumed: Path | None,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: str | int,
) -> keras.callbacks.History:
    """`fit` after the checks, from the state in the folder `resumed` if it is given."""
    batches = _batches(detector, train, settings)
    fixed = fixed_settings(detector, train, settings)
    if settings.steps is not None:
        settings = dataclasses.replace(settings, epochs=math.ceil(settings.steps / len(batches)))
    distributed = strategy_of(detector) is not None
    with (
        frozen(detector, settings.freeze) as layers,
        changed_normalization(detector, settings.total_steps(len(batches)), synchronized=distributed),
    ):
        if layers:
            logger.info("Frozen: %d layers, up to %s.", len(layers), layers[-1])
        with scope_of(detector):
            model = make_training_model(detector, settings, len(batches))
        start = restore_state(model, resumed, fixed) if resumed else Position()
        detector.config = detector.config.with_own_weights()
        state = SaveState(out, fixed, every=settings.save_every, start=start) if out is not None else None
        at_epoch_end: list[keras.callbacks.Callback] = []  # in this order
        if validation_data is not None and settings.evaluate_every:
            before = state.save if state else None
            at_epoch_end.append(Evaluate(validation_data, settings.evaluate_every, settings.epochs, before))
            at_epoch_end += [KeepBest(out)] if out is not None else []
        at_epoch_end += [state] if state else []
        first, rest = StopAtInvalidLoss(batches, out, start), [Throughput(settings.batch_size), *callbacks]
        rest += [StopAtStep(settings.steps, len(batches), start)] if settings.steps is not None else []
        options = {"callbacks": [first, *at_epoch_end, *rest], "verbose": verbose, "shuffle": False}
        try:
            return _fit_from(model, batches, start, settings.epochs, at_epoch_end, options)
        finally:
            detector.refresh()


def _batches(detector: Network, dataset: Dataset, settings: TrainingSettings) -> Batches:
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
    model: TrainingModel,
    batches: Batches,
    start: Position,
    epochs: int,
    at_epoch_end: list[keras.callbacks.Callback],
    options: dict[str, Any],
) -> keras.callbacks.History:
    """Keras's `fit` from a position; the rest of an interrupted epoch is a `fit` of its own."""
    first = None
    if start.epoch >= epochs:
        start = Position(start.epoch)  # all epochs are done, even if a longer training was interrupted in one
    if start.step == len(batches):
        first = _end_epoch(model, start.epoch, epochs, at_epoch_end)
        start = Position(start.epoch + 1)
    elif start.step:
        rest, weights, end = batches.starting_at(start.epoch, start.step), RememberWeights(), start.epoch + 1
        remembering = options | {"callbacks": [*options["callbacks"], weights]}
        first = model.fit(rest, steps_per_epoch=len(rest), initial_epoch=start.epoch, epochs=end, **remembering)
        if end == epochs or model.stop_training:
            return first
        weights.restore()  # Keras sets the averaged weights at the end of a fit
        start = Position(end)
    whole = batches.starting_at(start.epoch)
    history = model.fit(whole, steps_per_epoch=len(whole), initial_epoch=start.epoch, epochs=epochs, **options)
    if first:
        history.epoch = first.epoch + history.epoch
        names = dict.fromkeys([*first.history, *history.history])
        history.history = {name: first.history.get(name, []) + history.history.get(name, []) for name in names}
    return history


def _end_epoch(
    model: TrainingModel, epoch: int, epochs: int, callbacks: list[keras.callbacks.Callback]
) -> keras.callbacks.History | None:
    """Run the end-of-epoch callbacks of an epoch interrupted after its last batch; returns their logs, if any."""
    history = keras.callbacks.History()
    history.on_train_begin()
    keras.callbacks.CallbackList([*callbacks, history], model=model, epochs=epochs).on_epoch_end(epoch, {})
    return history if history.history else None
