"""The self-check of a training: photos that can be learned by heart, and photos that can't."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from small import SIZE, small_detector

from centernet.data import synthetic
from centernet.errors import TrainingError
from centernet.training import overfit as module
from centernet.training.overfit import overfit
from centernet.training.settings import TrainingSettings

CLASSES = ("circle", "square")
SETTINGS = TrainingSettings(learning_rate=5e-3, batch_size=4)


def scenes():
    return synthetic.shapes(6, SIZE, classes=CLASSES, max_objects=2, radius=(0.2, 0.3))


def test_few_scenes_are_learned_by_heart() -> None:
    assert overfit(small_detector(CLASSES, lively=False), scenes(), 4, SETTINGS, verbose=0) > 0.9


def test_what_is_wrong_with_the_photos_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EPOCHS", 1)
    monkeypatch.setattr(module, "ROUNDS", 2)
    good = scenes()
    beyond = [dataclasses.replace(sample, boxes=np.float32(sample.boxes + 500)) for sample in good]
    bad = dataclasses.replace(good, samples=tuple(beyond))
    with pytest.raises(TrainingError, match=r"can't overfit 4 images .*: AP 0.000 after 2 epochs.*outside"):
        overfit(small_detector(CLASSES, lively=False), bad, 4, SETTINGS, verbose=0)
    with pytest.raises(TrainingError, match=r"The check of these images shows no problem"):
        overfit(small_detector(CLASSES, lively=False), good, 4, SETTINGS, verbose=0)


def test_photos_are_taken_in_which_there_is_something_to_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GOOD", -1.0)
    monkeypatch.setattr(module, "EPOCHS", 1)
    first, *others = scenes()
    crowd = dataclasses.replace(first, ignore=np.ones(len(first.boxes), bool))
    data = dataclasses.replace(scenes(), samples=(crowd, *others))
    assert overfit(small_detector(CLASSES, lively=False), data, 1, SETTINGS, verbose=0) >= 0


def test_photos_without_an_object_are_not_learned() -> None:
    empty = synthetic.shapes(4, SIZE, classes=CLASSES)
    samples = [
        dataclasses.replace(sample, boxes=np.zeros((0, 4)), class_ids=np.zeros(0), ignore=None, areas=None)
        for sample in empty
    ]
    with pytest.raises(TrainingError, match=r"Expected images with objects in .*Received: none.*no objects"):
        overfit(small_detector(CLASSES, lively=False), dataclasses.replace(empty, samples=tuple(samples)), 4, SETTINGS)
