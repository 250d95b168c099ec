"""Recipes: read, changed and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small import small_detector

from centernet.cli.recipe import read_recipe
from centernet.data import synthetic
from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError

TEXT = """
model: {name: mine, backbone: {name: mobilenetv2_fpn}, preprocessing: {size: [64, 64]}}
data: {path: photos, format: voc, train: train, validation: val}
training:
  epochs: 5
  load_size: [48, 64]
  augmentation: {horizontal_flip: 0.5, crop: [0.8, 1.2]}
"""


@pytest.fixture
def recipe(tmp_path):
    def write(text=TEXT):
        (tmp_path / "recipe.yaml").write_text(text)
        return tmp_path / "recipe.yaml"

    return write


def test_its_parts(recipe):
    read = read_recipe(recipe())
    assert (read.training.epochs, read.training.load_size, read.training.batch_size) == (5, (48, 64), 8)
    assert read.training.augmentation.crop == (0.8, 1.2)
    assert read.data.train == "train"


def test_changes(recipe):
    read = read_recipe(
        recipe(), ["epochs=30", "data.path=other", "augmentation.horizontal_flip=0", "learning_rate=1.5e-3"]
    )
    assert (read.training.epochs, read.data.path, read.training.learning_rate) == (30, "other", 1.5e-3)
    assert read.training.augmentation.horizontal_flip == 0
    assert read.training.augmentation.crop == (0.8, 1.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epoch=3", "'epoch'.*Did you mean 'epochs'"),
        ("data.pat=x", "'pat'.*Did you mean 'path'"),
        ("augmentation.horizontal_flp=1", "'horizontal_flp'.*Did you mean 'horizontal_flip'"),
        ("seed=1e-3", "Expected seed to be a whole number. Received: 0.001"),
        ("epochs=many", "Expected epochs to be a whole number"),
        ("epochs", "Expected key=value"),
        ("augmentation={horizontal_flip", "YAML value in 'augmentation={horizontal_flip'"),
        ("seed=2021-13-45", "YAML value in 'seed=2021-13-45'"),
        ("epochs.x=1", "Expected epochs to have keys"),
        ("schedule=linear", "Expected schedule"),
        ("data.validation=null", "both splits of the data or none"),
    ],
)
def test_mistakes_are_told_with_the_nearest_name(recipe, change, message):
    with pytest.raises(ConfigError, match=message):
        read_recipe(recipe(), [change])


def test_the_same_seed_draws_the_same_weights(recipe):
    dataset = synthetic.shapes(1, (64, 64))
    first, same, other = (
        read_recipe(recipe(), [f"seed={seed}"]).build(dataset).get_layer("size_0_hidden").kernel for seed in (1, 1, 2)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "keys and values"),
        ("[1]", "keys and values"),
        ("model: x", "Expected data in"),
        (TEXT + "trainin: {}", "Did you mean 'training'"),
    ],
)
def test_files_that_are_no_recipe(recipe, text, message):
    with pytest.raises(ConfigError, match=message):
        read_recipe(recipe(text))


def test_a_recipe_may_have_another_size_of_input(recipe, tmp_path):
    small_detector(("circle",)).save(tmp_path / "model")
    dataset = synthetic.shapes(1, (48, 64))
    for change in ([], [f"model={tmp_path / 'model'}"]):
        built = read_recipe(recipe(TEXT + "image_size: [96, 128]\n"), change).build(dataset)
        assert built.config.preprocessing.size == (96, 128)
    with pytest.raises(ConfigError, match="image_size to be"):
        read_recipe(recipe(TEXT + "image_size: 96\n"))


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "configs" / "recipes").glob("*.yaml")), ids=str)
def test_recipes_of_ours_are_read_and_open_with_their_command(path):
    assert path.read_text().startswith(f"# centernet train configs/recipes/{path.name}")
    read_recipe(path)


@pytest.mark.parametrize("of_model", [None, KeypointTask("circle", ("top", "bottom"))])
def test_a_model_with_keypoints_learns_those_of_the_dataset_and_others_boxes(recipe, tmp_path, of_model):
    small_detector(("circle",), keypoints=of_model).save(tmp_path / "model")
    figures = synthetic.shapes(1, (48, 64), keypoints=True)
    built = read_recipe(recipe(), [f"model={tmp_path / 'model'}"]).build(figures)
    assert built.class_names == figures.class_names
    assert built.config.keypoints == (figures.keypoints if of_model else None)
