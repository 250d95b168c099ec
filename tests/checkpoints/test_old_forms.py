"""Files written by an earlier version of the library (commit 343eaf4) load and compute the same."""

from __future__ import annotations

import lzma
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import centernet
from centernet.checkpoints.locate import locate_published
from centernet.checkpoints.saved.weights_file import load_weights
from centernet.cli.recipe import read_recipe
from centernet.models import presets
from centernet.training.settings import TrainingSettings
from centernet.training.state import Position, restore_state
from centernet.training.training_model import make_training_model

FOLDER = Path(__file__).parent / "old_forms"
sys.path.insert(0, str(FOLDER))

import old_forms  # noqa: E402


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CENTERNET_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(params=["points", "triplets"])
def family(request):
    return request.param


def unpacked(family: str, name: str, folder: Path) -> Path:
    """A file of an old form; a folder is what the zip holds."""
    stored = "model.zip" if name == "model" else name
    path = folder / stored
    path.write_bytes(lzma.decompress((FOLDER / family / f"{stored}.xz").read_bytes()))
    if name == "model":
        with zipfile.ZipFile(path) as file:
            file.extractall(folder / "model")
    return folder / name


@pytest.fixture
def training(tmp_path):
    """The folder of a training after its first epoch."""
    folder = tmp_path / "run"
    shutil.copytree(FOLDER / "training" / "state", folder / "state")
    values = folder / "state" / "values.npz.xz"
    values.with_suffix("").write_bytes(lzma.decompress(values.read_bytes()))
    values.unlink()
    return folder


def check_outputs(detector, family) -> None:
    maps, found = old_forms.head_maps(detector), old_forms.detections(detector)
    with np.load(FOLDER / family / "heads.npz") as expected:
        assert maps.keys() == set(expected.files)
        for name in maps:
            scale = np.abs(expected[name]).max()
            np.testing.assert_allclose(maps[name], expected[name], rtol=1e-5, atol=1e-5 * scale)
    with np.load(FOLDER / family / "detections.npz") as expected:
        assert found.keys() == set(expected.files)
        for name in found:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", ["model", "model.zip", "model.keras"])
def test_a_saved_detector_computes_the_same(family, name, tmp_path):
    detector = centernet.load(unpacked(family, name, tmp_path))
    assert detector.config == getattr(old_forms, family)().config
    check_outputs(detector, family)


def test_weights_alone_load_into_a_detector_of_the_same_description(family, tmp_path):
    detector = getattr(old_forms, family)()
    detector.set_weights([np.zeros_like(value) for value in detector.get_weights()])
    load_weights(detector, unpacked(family, "model.weights.h5", tmp_path))
    check_outputs(detector, family)


def test_the_yaml_of_a_model_describes_the_same_network(family, tmp_path):
    detector = centernet.load(FOLDER / family / "model.yaml", weights=unpacked(family, "model.weights.h5", tmp_path))
    assert detector.config == getattr(old_forms, family)().config
    check_outputs(detector, family)


@pytest.mark.parametrize("name", old_forms.CONVERTED)
def test_converted_weights_in_the_cache_are_used(name, tmp_path, monkeypatch):
    monkeypatch.setenv("CENTERNET_HOME", str(tmp_path))
    monkeypatch.setenv("CENTERNET_OFFLINE", "1")
    folder = tmp_path / "converted" / name
    shutil.copytree(FOLDER / "converted" / name, folder)
    (folder / "model.weights.h5").write_bytes(b"only its presence counts here")
    located = locate_published(presets.find_model(name))
    assert (located.form, located.path) == ("weights", folder / "model.weights.h5")


def test_a_training_is_restored_with_its_optimizer_and_position(training):
    with np.load(training / "state" / "values.npz") as file:
        stored = [file[str(number)] for number in range(len(file.files))]
    detector = old_forms.points(keypoints=None, seed=9)
    fields = {name: value for name, value in old_forms.TRAINING.items() if name != "verbose"}
    training_model = make_training_model(detector, TrainingSettings(epochs=1, **fields), 2)
    assert restore_state(training_model, training) == Position(1)
    assert int(training_model.optimizer.iterations) == 2
    restored = [np.asarray(variable) for variable in [*training_model.variables, *training_model.optimizer.variables]]
    assert all(np.array_equal(a, b) for a, b in zip(restored, stored, strict=True))


def test_a_training_goes_on_as_the_earlier_version_would(training):
    detector = old_forms.points(keypoints=None, seed=9)
    detector.fit(old_forms.photos(), out=training, epochs=2, resume=True, **old_forms.TRAINING)
    with np.load(FOLDER / "training" / "weights_after_2_epochs.npz") as file:
        for value, name in zip(detector.get_weights(), file.files, strict=True):
            np.testing.assert_allclose(value, file[name], rtol=1e-4, atol=1e-4)


def test_a_recipe_is_read_with_all_its_sections():
    recipe = read_recipe(FOLDER / "recipe.yaml")
    training = recipe.training
    assert (training.epochs, training.batch_size, training.optimizer, training.freeze) == (5, 4, "sgd", "backbone")
    assert (training.load_size, training.warmup, training.seed) == ((480, 640), 0.05, 7)
    assert training.targets["object_radius"] == 1
    assert training.loss_weights["size"] == 0.2
    assert (training.augmentation.crop, training.augmentation.shift) == ((0.75, 1.35), 0.2)
    assert (recipe.data.train, tuple(recipe.data.classes), recipe.image_size) == ("train", ("a", "b"), (128, 192))
    people = {"classes": ["person"], "keypoints": "coco17"}
    config = presets.complete({**recipe.model, **people}, "the recipe")
    assert (config.preprocessing.size, config.test_time.flip, config.decoder.max_detections) == ((256, 320), True, 50)
