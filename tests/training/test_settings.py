"""How a detector is trained: what the settings take and what they refuse."""

from __future__ import annotations

import dataclasses

import pytest

from centernet.errors import ConfigError
from centernet.training.settings import AugmentationSettings, TrainingOptions, TrainingSettings


def test_augmentation_may_be_a_mapping():
    settings = TrainingSettings(augmentation={"horizontal_flip": 0.5, "crop": [0.8, 1.2]})
    assert settings.augmentation == AugmentationSettings(horizontal_flip=0.5, crop=(0.8, 1.2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augmentation": {"horizontal_flp": 0.5}}, "'horizontal_flp' in augmentation.*'horizontal_flip'"),
        ({"augmentation": {"crop": [1.2, 0.8]}}, "crop as two factors"),
        ({"augmentation": 0.5}, "augmentation to be keys and values"),
        ({"epochs": 0}, "epochs"),
        ({"warmup": 1}, "warmup"),
        ({"ema": 1.0}, "ema"),
        ({"save_every": -1}, "save_every"),
        ({"weight_decay": 0.1}, "no weight_decay for the optimizer adam; adamw and sgd have it"),
    ],
)
def test_values_that_cannot_be(options, message):
    with pytest.raises(ConfigError, match=message):
        TrainingSettings(**options)


def test_the_typed_options_of_fit_are_the_fields_of_the_settings():
    assert list(TrainingOptions.__annotations__) == [field.name for field in dataclasses.fields(TrainingSettings)]


def test_epochs_of_fit_replace_the_steps_of_its_settings():
    from centernet.training.fit import _settings

    assert _settings(TrainingSettings(steps=6), {"epochs": 2}).total_steps(4) == 8
    assert _settings(TrainingSettings(steps=6), {"batch_size": 2}).total_steps(4) == 6
