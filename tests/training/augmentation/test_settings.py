"""Settings as a recipe gives them: understood or refused, with what is wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml

from centernet.errors import ConfigError
from centernet.files.validation import dataclass_from, to_plain
from centernet.training.settings import AugmentationSettings

RECIPE = "{horizontal_flip: 0.5, crop: [0.6, 1.3], shift: 0.3, contrast: [0.8, 1], mosaic: 1, cut_objects: keep}"


def test_settings_of_a_recipe_are_read() -> None:
    read = dataclass_from(AugmentationSettings, yaml.safe_load(RECIPE), "augmentation")
    expected = AugmentationSettings(
        0.5, crop=(0.6, 1.3), shift=0.3, contrast=(0.8, 1.0), mosaic=1.0, cut_objects="keep"
    )
    assert read == expected
    assert dataclass_from(AugmentationSettings, to_plain(read.__dict__), "augmentation") == read


def test_nothing_is_changed_by_default() -> None:
    settings = AugmentationSettings()
    assert not any((settings.moves, settings.mirrors, settings.turns_colors, settings.scales_colors))
    assert settings.mosaic == settings.mixup == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"horizontal_flips": 0.5}, "Did you mean 'horizontal_flip'"),
        ({"mixup": 1.5}, "mixup from 0 to 1.*1.5"),
        ({"shift": 0.6}, "shift from 0 to 0.5"),
        ({"hue": -0.1}, "hue from 0 to 0.5"),
        ({"crop": [1.3, 0.6]}, "crop as two factors above 0, the smaller one first"),
        ({"contrast": [0, 1]}, "contrast as two factors above 0"),
        ({"crop": 0.6}, "crop to be a list of 2, each a number"),
        ({"cut_objects": "hide"}, "one of 'drop', 'ignore', 'keep'"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclass_from(AugmentationSettings, values, "augmentation of a recipe")


def test_settings_are_read_without_keras() -> None:
    code = "import sys, centernet.training.settings; assert 'keras' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
