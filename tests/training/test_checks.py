"""Data, folders and callbacks with which no training begins."""

from __future__ import annotations

import dataclasses
import logging

import keras
import numpy as np
import pytest
from small import SIZE, TINY, same, small_detector, state

from centernet.data import synthetic
from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError

CLASSES = ("circle", "square")
OPTIONS = {"batch_size": 4, "epochs": 1, "evaluate_every": 1, "verbose": 0}
PLATEAU = keras.callbacks.ReduceLROnPlateau(monitor="loss", min_delta=1e9, patience=1)


def dataset(count=8, **changes):
    return dataclasses.replace(synthetic.shapes(count, SIZE, classes=CLASSES, max_objects=2), **changes)


def changed(**values):
    """A dataset whose samples have other values."""
    data = dataset()
    return dataclasses.replace(data, samples=tuple(dataclasses.replace(sample, **values) for sample in data))


def nothing():
    return changed(boxes=np.zeros((0, 4)), class_ids=np.zeros(0), ignore=None, areas=None)


def of_no_class():
    data = dataset()
    unknown = [dataclasses.replace(sample, class_ids=np.full(len(sample.boxes), -1)) for sample in data]
    return dataclasses.replace(data, samples=tuple(unknown))


def with_keypoints(names=("a", "b"), class_name="circle"):
    return dataset(keypoints=KeypointTask(class_name, names))


def refuses(message, train=None, found=None, **options):
    found = found or small_detector(CLASSES, lively=False, backbone=TINY)
    before = state(found)
    with pytest.raises(ConfigError, match=message):
        found.fit(dataset() if train is None else train, **OPTIONS | options)
    assert same(state(found), before)


class TestData:
    def test_an_empty_one(self):
        refuses("at least 4 images in .*Received: 0", dataset()[:0])

    def test_one_smaller_than_a_batch(self):
        refuses("Received: 2. Lower the batch_size", dataset()[:2])

    def test_other_classes(self):
        other = synthetic.shapes(8, SIZE, classes=("circle", "star"))
        refuses(r"circle, square\. Received: circle, star.*centernet\.load\(name, classes", other)

    @pytest.mark.parametrize("data", [nothing, of_no_class])
    def test_one_in_which_there_is_nothing_to_learn(self, data):
        refuses("Expected objects to learn from in .*Received: 8 images", data())

    @pytest.mark.parametrize("data", [nothing, of_no_class])
    def test_one_in_which_there_is_nothing_to_find(self, data):
        refuses("Expected objects to evaluate on in .*Received: 8 images", validation_data=data())

    def test_one_that_is_all_ignored(self):
        data = dataset()
        crowds = [dataclasses.replace(sample, ignore=np.ones(len(sample.boxes), bool)) for sample in data]
        refuses("and isn't ignored", dataclasses.replace(data, samples=tuple(crowds)))

    def test_photos_to_evaluate_on_that_are_not_there(self, tmp_path):
        refuses(r"Received: 8 paths of which none is a file, the first .*gone\.jpg", None,
                validation_data=changed(source=tmp_path / "gone.jpg"))  # fmt: skip

    @pytest.mark.parametrize(
        ("data", "received"),
        [
            (dataset, "none"),
            (lambda: with_keypoints(("a", "c")), "a, c of circle"),
            (lambda: with_keypoints(class_name="square"), "a, b of square"),
        ],
    )
    def test_other_keypoints(self, data, received):
        found = small_detector(CLASSES, lively=False, keypoints=KeypointTask("circle", ("a", "b")))
        refuses(rf"keypoints of small: a, b of circle\. Received: {received}", data(), found)

    def test_mirrored_keypoints_of_which_none_is_left_or_right(self):
        found = small_detector(CLASSES, lively=False, keypoints=KeypointTask("circle", ("a", "b")))
        with pytest.raises(ConfigError, match=r"^Expected the flip of 2 keypoints"):
            found.fit(with_keypoints(), **OPTIONS, augmentation={"horizontal_flip": 0.5})

    def test_some_objects_that_are_left_out_are_counted(self, caplog):
        data = dataset()
        first = data.samples[0]
        flat = first.boxes.copy()
        flat[0, 2] = flat[0, 0]
        data = dataclasses.replace(data, samples=(dataclasses.replace(first, boxes=flat), *data.samples[1:]))
        with caplog.at_level(logging.WARNING, "centernet"):
            small_detector(CLASSES, lively=False, backbone=TINY).fit(data, **OPTIONS)
        count = sum(len(sample.boxes) for sample in data)
        assert f"1 of {count} objects" in caplog.text

    @pytest.mark.parametrize(
        ("x", "received"),
        [
            ("photos", "str"),
            ((dataset(), dataset()), "tuple of Dataset"),
            (list(dataset()), "list of Sample"),
        ],
    )
    def test_what_is_none(self, x, received):
        found = small_detector(CLASSES, backbone=TINY)
        for call in (found.fit, found.evaluate):
            with pytest.raises(ConfigError, match=rf"Expected a Dataset.*Received: {received}$"):
                call(x)

    def test_what_is_none_to_evaluate_on(self):
        refuses("Expected a Dataset to evaluate on.*Received: tuple", validation_data=(1, 2))

    def test_arrays_without_an_optimizer(self):
        with pytest.raises(ConfigError, match="compile"):
            small_detector(CLASSES, backbone=TINY).fit(np.zeros((1, *SIZE, 3), np.float32), {})


class TestFolder:
    def test_one_with_something_in_it(self, tmp_path):
        (tmp_path / "thesis.tex").write_text("")
        refuses("exists and is not empty", out=tmp_path)

    def test_none_to_resume_from(self):
        refuses("folder of a training to resume", resume=True)


class TestCallbacks:
    def test_one_alone_is_taken(self):
        seen = []
        one = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
        small_detector(CLASSES, lively=False, backbone=TINY).fit(dataset(), callbacks=one, **OPTIONS)
        assert seen == [0]

    def test_something_else(self):
        refuses("Expected callbacks of Keras. Received: 'early'", callbacks=["early"])

    def test_one_that_keeps_a_state_of_its_own(self, tmp_path):
        refuses("out=FOLDER, and later resume=True", callbacks=keras.callbacks.BackupAndRestore(str(tmp_path / "own")))

    @pytest.mark.parametrize("settings", [{}, {"schedule": "constant"}, {"warmup": 0}])
    def test_one_that_sets_the_rate_beside_a_schedule(self, settings):
        refuses("that ReduceLROnPlateau can set: schedule='constant', warmup=0", callbacks=[PLATEAU], **settings)

    def test_one_that_sets_the_rate_alone(self):
        settings = OPTIONS | {"schedule": "constant", "warmup": 0, "epochs": 3, "learning_rate": 1e-3}
        history = (
            small_detector(CLASSES, lively=False, backbone=TINY).fit(dataset(), callbacks=[PLATEAU], **settings).history
        )
        assert history["learning_rate"][-1] < 1e-3


def test_an_unknown_setting_with_the_nearest():
    refuses("'learning_rat'.*Did you mean 'learning_rate'", learning_rat=1)
