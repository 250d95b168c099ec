"""Training on a dataset: as its user calls it, interrupted, resumed, and with data that don't fit."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from small import SIZE, TINY, same, small_detector, state

from centernet import PointDetector
from centernet.data import synthetic
from centernet.errors import ConfigError, TrainingError
from centernet.loading.load_keras import describe, load
from centernet.models.backbones import BACKBONES
from centernet.models.config import Archive, Published
from centernet.models.settings import PointHeadSettings
from centernet.training.callbacks import best_of
from centernet.training.optimizers import averaged_weights
from centernet.training.settings import AugmentationSettings, TrainingSettings
from centernet.training.state import find_state
from centernet.training.training_model import make_training_model

CLASSES = ("circle", "square")
OPTIONS = {"batch_size": 4, "learning_rate": 2e-3, "evaluate_every": 0, "verbose": 0}
CHANGED = AugmentationSettings(horizontal_flip=0.5, crop=(0.8, 1.2), brightness=0.1)
EPOCHS = 3


class Killed(keras.callbacks.Callback):
    """Stops at a step, as a power cut would, or with an exception if that is enough."""

    def __init__(self, step: int, *, really: bool = False) -> None:
        super().__init__()
        self.left, self.really = step, really

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            if self.really:
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt


def dataset(count=16):
    return synthetic.shapes(count, SIZE, classes=CLASSES, max_objects=2)


def detector():
    return small_detector(CLASSES, lively=False, backbone=TINY)


def test_a_number_of_steps_ends_within_an_epoch_and_resumes(tmp_path):
    counted = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: counted.append(batch))
    once, twice = detector(), detector()
    twice.set_weights(once.get_weights())
    once.fit(dataset(), **OPTIONS, steps=6, callbacks=count)
    assert counted == [0, 1, 2, 3, 0, 1]
    killed = Killed(5)
    with pytest.raises(KeyboardInterrupt):
        twice.fit(dataset(), **OPTIONS, steps=6, out=tmp_path, save_every=1, callbacks=killed)
    twice.fit(dataset(), **OPTIONS, steps=6, out=tmp_path, save_every=1, resume=True, callbacks=count)
    assert counted[6:] == [0]
    assert same(state(once), state(twice))


def train(out, *callbacks, **options):
    found = detector()
    options = OPTIONS | {"epochs": EPOCHS, "augmentation": CHANGED, "ema": 0.9, "save_every": 1} | options
    found.fit(dataset(), out=out, callbacks=callbacks, **options)
    return found


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return state(train(tmp_path_factory.mktemp("run") / "out"))


@pytest.fixture
def half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


def test_half_precision_leaves_objects_and_losses_in_full(half_precision):
    options = OPTIONS | {"batch_size": 16, "epochs": 1}
    half = detector().fit(dataset(), **options).history["loss"][0]
    keras.config.set_dtype_policy("float32")
    whole = detector().fit(dataset(), **options).history["loss"][0]
    assert half == pytest.approx(whole, rel=5e-3)
    assert half != whole


def test_targets_and_weights_of_losses_are_set_by_name():
    found = detector()
    settings = OPTIONS | {"epochs": 1, "targets": {"object_radius": 1}, "loss_weights": {"size": 0.0}}
    history = found.fit(dataset(), **settings).history
    assert found.target_settings.object_radius == 0  # as before
    assert found.loss_weights.size > 0
    assert history["size"] == [0.0]
    assert history["offset"][0] > 0
    with pytest.raises(ConfigError, match=r"'object_radis' in targets of the training\. Did you mean 'object_radius'"):
        found.fit(dataset(), **OPTIONS, epochs=1, targets={"object_radis": 1})
    for wrong, message in (("heavy", "size to be a number"), (-1, "size of at least 0")):
        with pytest.raises(ConfigError, match=message):
            found.fit(dataset(), **OPTIONS, epochs=1, loss_weights={"size": wrong})


def test_what_regularizes_a_backbone_is_part_of_the_loss(monkeypatch):
    def regularized():
        x = inputs = keras.Input((None, None, 3))
        for _ in range(2):
            x = keras.layers.Conv2D(8, 3, strides=2, padding="same", kernel_regularizer=keras.regularizers.L2(1.0))(x)
        return keras.Model(inputs, x)

    monkeypatch.setitem(BACKBONES, "regularized", regularized)
    keras.utils.set_random_seed(0)
    found = PointDetector("regularized", CLASSES, image_size=SIZE, heads=PointHeadSettings(8))
    decay = sum(float(keras.ops.convert_to_numpy(keras.ops.sum(loss))) for loss in found.losses)
    history = found.fit(dataset(), **OPTIONS | {"batch_size": 16, "epochs": 1}).history
    parts = sum(history[name][0] for name in ("heatmap", "size", "offset"))
    assert decay > 0.1
    assert history["loss"][0] == pytest.approx(parts + decay, rel=1e-4)


def test_averaged_weights_are_evaluated_in_half_precision_too():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        found = detector()
        training_model = make_training_model(found, TrainingSettings(ema=0.5), 10)
        assert hasattr(training_model.optimizer, "inner_optimizer")
        own = state(found)
        averages = training_model.optimizer.inner_optimizer._model_variables_moving_average
        averages[0].assign(averages[0] + 1)
        with averaged_weights(training_model):
            assert not same(own, state(found))
        assert same(own, state(found))
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_training_in_bfloat16_goes_on(tmp_path):
    keras.config.set_dtype_policy("bfloat16")
    try:
        found = detector()
        found.fit(dataset(4), epochs=1, out=tmp_path / "out", **OPTIONS)
        again = detector()
        again.fit(dataset(4), epochs=1, out=tmp_path / "out", resume=True, **OPTIONS)
        assert {v.dtype for v in again.trainable_variables} == {"bfloat16"}
        assert same(state(again), state(found))
    finally:
        keras.config.set_dtype_policy("float32")


def test_what_its_user_froze_is_not_trained():
    found = detector()
    found.backbone.trainable = False
    before = [np.array(value) for value in found.backbone.trainable_weights + found.backbone.weights]
    heads = [np.array(value) for value in found.trainable_variables]
    found.fit(dataset(4), epochs=1, **OPTIONS | {"batch_statistics": False})
    assert same(before, [np.array(value) for value in found.backbone.trainable_weights + found.backbone.weights])
    assert not same(heads, [np.array(value) for value in found.trainable_variables])
    assert not found.backbone.trainable


def test_boxes_are_learned_from_photos_with_keypoints_mirrored_too():
    figures = synthetic.shapes(8, SIZE, classes=CLASSES, keypoints=True)
    assert figures.keypoints
    found = small_detector(figures.class_names, lively=False, backbone=TINY)
    losses = found.fit(figures, epochs=1, augmentation={"horizontal_flip": 0.5}, **OPTIONS).history["loss"]
    assert np.isfinite(losses).all()


def test_callbacks_that_save_the_model_save_the_detector(tmp_path):
    found = detector()
    whole = keras.callbacks.ModelCheckpoint(str(tmp_path / "whole.keras"))
    weights = keras.callbacks.ModelCheckpoint(str(tmp_path / "only.weights.h5"), save_weights_only=True)
    found.fit(dataset(4), epochs=1, callbacks=[whole, weights], **OPTIONS)
    assert same(state(load(tmp_path / "whole.keras")), state(found))
    other = detector()
    other.load_weights(tmp_path / "only.weights.h5")
    assert same(state(other), state(found))


def test_the_loss_falls_and_has_its_parts_by_name():
    history = detector().fit(dataset(), epochs=6, **OPTIONS).history
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    assert {"heatmap", "size", "offset"} < history.keys()
    for parts in zip(*(history[name] for name in ("loss", "heatmap", "size", "offset")), strict=True):
        assert parts[0] == pytest.approx(sum(parts[1:]), rel=1e-4)


def test_the_folder_holds_the_state_the_last_detector_and_the_best(tmp_path):
    found = detector()
    history = found.fit(
        dataset(), validation_data=dataset(4), epochs=2, out=str(tmp_path / "out"), **OPTIONS | {"evaluate_every": 1}
    )
    assert "val_ap" in history.history
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names >= {"state", "model", "best", "best.json"}
    assert same(state(load(tmp_path / "out" / "model")), state(found))


def test_a_trained_detector_does_not_pass_for_the_published_one(tmp_path):
    found = detector()
    published = dataclasses.replace(found.config, archive=Archive(url="https://x"), published=Published(box_ap=41.9))
    found.config = published
    with pytest.raises(ConfigError, match="at least 4 images"):
        found.fit(dataset(2), epochs=1, **OPTIONS)
    assert found.config == published
    found.fit(dataset(4), epochs=1, out=tmp_path / "out", **OPTIONS)
    saved = describe(tmp_path / "out" / "model")
    assert (saved.archive, saved.published) == (Archive(), Published())
    assert saved == dataclasses.replace(published, archive=Archive(), published=Published())


def resumed_in_the_second_epoch(out, *callbacks, **more):
    """The history of a training that was interrupted after two of the four steps of its second epoch."""
    with pytest.raises(KeyboardInterrupt):
        train(out, Killed(6))
    options = OPTIONS | {"epochs": EPOCHS, "augmentation": CHANGED, "ema": 0.9, "save_every": 1} | more
    return detector().fit(dataset(), out=out, callbacks=callbacks, resume=True, **options)


def test_the_history_of_a_resumed_training_has_the_epoch_that_was_begun(tmp_path):
    history = resumed_in_the_second_epoch(tmp_path / "out")
    assert history.epoch == [1, 2]
    assert len(history.history["loss"]) == 2


def test_a_resumed_training_is_evaluated_when_it_was_to_be(tmp_path):
    evaluated = {"validation_data": dataset(4), "evaluate_every": 3}
    history = resumed_in_the_second_epoch(tmp_path / "out", **evaluated).history
    assert len(history["loss"]) == 2
    assert len(history["val_ap"]) == 1


@pytest.mark.parametrize("epochs", [2, 1])
def test_an_evaluation_that_was_interrupted_is_made_up_for(tmp_path, monkeypatch, epochs):
    options = OPTIONS | {"evaluate_every": 1, "validation_data": dataset(4), "out": tmp_path / "out", "ema": 0.9}
    whole = detector()
    history = whole.fit(dataset(), epochs=epochs, **options | {"out": tmp_path / "whole"})

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("centernet.evaluation.callback.evaluate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            detector().fit(dataset(), epochs=epochs, **options)
    assert not (tmp_path / "out" / "best").exists()
    position = json.loads((tmp_path / "out" / "state" / "position.json").read_text())
    assert position == {"epoch": 0, "step": 4}  # nothing that was learned is learned again
    found = detector()
    resumed = found.fit(dataset(), epochs=epochs, resume=True, **options)
    assert resumed.epoch == history.epoch
    assert resumed.history["val_ap"] == history.history["val_ap"]
    assert same(state(found), state(whole))
    assert best_of(tmp_path / "out") == best_of(tmp_path / "whole")
    assert same(state(load(tmp_path / "out" / "best")), state(load(tmp_path / "whole" / "best")))


def test_a_training_goes_on_as_it_was_begun_or_says_what_is_different(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "out", Killed(6))
    options = OPTIONS | {"epochs": 5, "augmentation": CHANGED, "ema": 0.9, "out": tmp_path / "out", "resume": True}
    swapped = [dataclasses.replace(sample, class_ids=1 - sample.class_ids) for sample in dataset()]
    with pytest.raises(ConfigError, match="as it was begun: annotations="):
        detector().fit(dataclasses.replace(dataset(), samples=tuple(swapped)), **options)
    changes = {"batch_size": 2, "targets": {"object_radius": 1}, "augmentation": {"mosaic": 0.5}, "seed": 7}
    for name, value in changes.items():
        with pytest.raises(ConfigError, match=f"as it was begun: {name}=.*Received: {name}=.*in another folder"):
            detector().fit(dataset(), **options | {name: value})
    with pytest.raises(ConfigError, match=r"begun: images=16, .*Received: images=12, "):
        detector().fit(dataset(12), **options)
    assert detector().fit(dataset(), **options | {"epochs": 1}).epoch == []
    assert detector().fit(dataset(), **options | {"save_every": 3}).epoch == [1, 2, 3, 4]


def test_a_resumed_training_is_stopped_in_the_epoch_that_was_begun(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    history = resumed_in_the_second_epoch(tmp_path / "out", Stop())
    assert history.epoch == [1]
    assert len(history.history["loss"]) == 1


@pytest.mark.parametrize("step", [1, 4, 6, 8])
def test_resumed_anywhere_it_ends_with_the_same_weights(tmp_path, uninterrupted, step):
    """Steps 4 and 8 are the ends of epochs."""
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "out", Killed(step))
    assert find_state(tmp_path / "out")
    resumed = state(train(tmp_path / "out", resume=True))
    assert all(map(np.array_equal, resumed, uninterrupted))


@pytest.mark.heavy
def test_a_killed_process_ends_with_the_same_weights(tmp_path, uninterrupted):
    call = f"from test_fit import *; train(Path({str(tmp_path / 'out')!r}), Killed({{}}, really=True), resume={{}})"
    for step, resume in ((3, False), (4, True)):
        command = [sys.executable, "-c", call.format(step, resume)]
        tests = Path(__file__).parents[1]
        environment = {**os.environ, "PYTHONPATH": f"{tests}:{tests / 'training'}"}
        assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == -signal.SIGKILL
    resumed = state(train(tmp_path / "out", resume=True))
    assert all(np.allclose(*pair, atol=1e-6) for pair in zip(resumed, uninterrupted, strict=True))


class Poison(keras.callbacks.Callback):
    """Makes a weight no number after the second step."""

    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            bias = self.model.detector.get_layer("size_0").bias
            bias.assign(np.full(bias.shape, np.nan))


def test_a_loss_that_is_no_number_stops_it_and_loses_nothing(tmp_path):
    found, out = detector(), tmp_path / "out"
    with pytest.raises(TrainingError, match=r"nan at step 3 of epoch 1.*The weights are those after step 0 of epoch 1"):
        found.fit(dataset(), epochs=2, out=out, callbacks=[Poison()], **OPTIONS)
    assert all(map(np.array_equal, state(found), state(detector())))
    with np.load(out / "batch_of_the_failure.npz") as batch:
        assert batch["images"].shape == (4, *SIZE, 3)


def test_unreadable_images_are_named_and_skipped(caplog):
    data = dataset(8)
    broken = dataclasses.replace(data.samples[2], source=b"no image", image_id="broken")
    data = dataclasses.replace(data, samples=(*data.samples[:2], broken, *data.samples[3:]))
    with caplog.at_level(logging.WARNING, "centernet"):
        detector().fit(data, epochs=2, **OPTIONS)
    assert sum("broken" in record.getMessage() for record in caplog.records) == 1
