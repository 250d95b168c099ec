"""`centernet.load`, from every form that it takes to a detector with the right weights and a report."""

from __future__ import annotations

import hashlib
import logging
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml
from checkpoint_writer import SUFFIX, pack, tensors_of, write_saved_model, write_training, write_zoo_folder
from server import Server
from small import picture, same, small_detector, state

import centernet
from centernet.checkpoints.zoo import tf_checkpoint
from centernet.data.keypoints import KeypointTask
from centernet.errors import CenterNetError, CheckpointError, ConfigError, DownloadError
from centernet.loading.load_keras import describe
from centernet.models import presets

CLASSES = ("cat", "dog")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("home") / "cache"
    monkeypatch.setenv("CENTERNET_HOME", str(folder))
    for name in ("CENTERNET_OFFLINE", "TFHUB_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(scope="module")
def detector():
    return small_detector(CLASSES)


@pytest.fixture(scope="module")
def made(detector, tmp_path_factory):
    """The same weights in every form, written once."""
    folder = tmp_path_factory.mktemp("made")
    detector.save(folder / "saved")
    detector.save(folder / "saved.zip")
    detector.save(folder / "saved.keras")
    detector.save_weights(folder / "only.weights.h5")
    write_training(detector, folder / "small" / "checkpoint" / "ckpt-0")
    write_saved_model(detector, folder / "small" / "saved_model")
    pack(folder / "small", folder / "small.tar.gz")
    described(detector.config, folder / "small.yaml")
    return folder


def described(config, path, **archive):
    """A YAML of a model, with an archive."""
    data = {**config.to_dict(), "archive": archive}
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.fixture
def published(made, detector, own_cache, tmp_path, monkeypatch):
    """A model that is published under the name `small`, whose archive is already in the cache."""
    url = "https://example.invalid/models/small.tar.gz"
    described(detector.config, tmp_path / "small.yaml", url=url, checkpoint="checkpoint/ckpt-0")
    for table in ("labels", "keypoints"):
        shutil.copytree(presets.configs_dir() / table, tmp_path / table)
    monkeypatch.setattr(presets, "configs_dir", lambda: tmp_path)
    presets.list_models.cache_clear()
    (own_cache / "archives").mkdir(parents=True)
    shutil.copy(made / "small.tar.gz", own_cache / "archives")
    yield tmp_path / "small.yaml"
    monkeypatch.undo()
    presets.list_models.cache_clear()


@pytest.fixture
def server(made):
    server = Server((made / "small.tar.gz").read_bytes())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def no_reader(monkeypatch):
    """Makes opening a TensorFlow checkpoint an error that nothing catches."""

    def refuse(*args):
        raise AssertionError("a TensorFlow checkpoint was opened")

    def close():
        monkeypatch.setattr(tf_checkpoint.TensorFlowCheckpoint, "__init__", refuse)

    return close


class TestSources:
    @pytest.mark.parametrize("source", ["saved", "saved.zip", "saved.keras"])
    def test_what_was_saved(self, made, detector, source):
        for form in (made / source, str(made / source)):
            loaded = centernet.load(form)
            assert same(state(loaded), state(detector))
            assert loaded.config == detector.config
            assert loaded.report.form == "weights of this library"
            assert len(loaded.report.taken) == len(detector.variables)

    @pytest.mark.parametrize(
        "source",
        [
            "small",
            "small.tar.gz",
            "small/checkpoint",
            "small/checkpoint/ckpt-0",
            "small/checkpoint/ckpt-0.index",
            "small/saved_model",
            "small/saved_model/variables",
        ],
    )
    def test_checkpoints_without_a_description(self, made, detector, source):
        loaded = centernet.load(made / source)
        assert same(state(loaded), state(detector))
        assert loaded.class_names == ("class_0", "class_1")
        assert loaded.report.form.startswith("TensorFlow")

    def test_a_checkpoint_with_a_pipeline_config_beside_it(self, tmp_path):
        source = small_detector(["a"], backbone="mobilenetv2_fpn", lively=False)
        loaded = centernet.load(write_zoo_folder(source, tmp_path / "mine"))
        assert (loaded.config.preprocessing.size, loaded.config.decoder.max_detections) == ((64, 64), 77)
        assert same(state(loaded), state(source))

    def test_an_address(self, server, detector):
        loaded = centernet.load(server.url("/models/small.tar.gz"))
        assert same(state(loaded), state(detector))
        again = centernet.load(server.url("/models/small.tar.gz"))
        assert same(state(again), state(detector))
        assert len(server.requests) == 1

    def test_a_name(self, published, detector):
        loaded = centernet.load("small")
        assert same(state(loaded), state(detector))
        assert loaded.config.classes == CLASSES
        found, expected = (one.detect(picture(), min_score=0) for one in (loaded, detector))
        assert np.allclose(found.boxes, expected.boxes, atol=1e-3)
        assert found.names == expected.names

    def test_a_yaml_with_an_archive(self, server, detector, tmp_path):
        path = described(detector.config, tmp_path / "mine.yaml", url=server.url("/small.tar.gz"))
        assert same(state(centernet.load(path)), state(detector))

    def test_the_shipped_model(self):
        loaded = centernet.load("bccd")
        assert loaded.class_names == ("RBC", "WBC", "Platelets")
        assert loaded.report.new == {}

    def test_a_yaml_of_model_garden_with_its_checkpoint_is_refused_if_that_is_another(self, made):
        params = Path(__file__).parent / "goldens" / "model_garden" / "params.yaml"
        with pytest.raises(CheckpointError, match=r"hourglass104.*It looks like hourglass \(stacks=1"):
            centernet.load(params, weights=made / "small")

    @pytest.mark.parametrize("source", ["centernet_hg104_512x512", "no/such/path", "", "model.yaml", "x.zip"])
    def test_what_is_not_there_is_a_config_error(self, source):
        with pytest.raises(ConfigError):
            centernet.load(source)

    def test_nothing_is_written_for_what_lies_on_disk(self, made, own_cache):
        centernet.load(made / "saved")
        centernet.load(made / "small")
        assert not own_cache.exists()


class TestWeights:
    def test_none_gives_random_ones_that_start_at_the_prior(self, made, detector):
        for source in ("saved", "small.yaml", "small"):
            loaded = centernet.load(made / source, weights=None)
            assert loaded.report is None
            assert not same(state(loaded), state(detector))
            assert np.allclose(loaded.get_layer("heatmap_0").get_weights()[1], -2.19)
            assert np.ptp(loaded.backbone.get_layer("stem_conv").get_weights()[0]) > 0

    def test_none_of_a_name_fetches_nothing(self, published, own_cache):
        shutil.rmtree(own_cache)
        assert centernet.load("small", weights=None).report is None
        assert not own_cache.exists()

    @pytest.mark.parametrize(
        "weights",
        [
            "saved",
            "saved.zip",
            "saved.keras",
            "only.weights.h5",
            "small",
            "small.tar.gz",
            "small/checkpoint/ckpt-0",
            "small/saved_model",
        ],
    )
    def test_from_any_form_for_a_description(self, made, detector, weights):
        for form in (made / weights, str(made / weights)):
            loaded = centernet.load(made / "small.yaml", weights=form)
            assert same(state(loaded), state(detector))
            assert loaded.config.classes == CLASSES

    def test_from_a_published_name(self, published, made, detector):
        loaded = centernet.load(made / "small.yaml", weights="small")
        assert same(state(loaded), state(detector))

    def test_from_an_address(self, server, made, detector):
        loaded = centernet.load(made / "small.yaml", weights=server.url())
        assert same(state(loaded), state(detector))

    def test_a_description_without_published_ones_says_what_to_do(self, made):
        with pytest.raises(ConfigError, match=r"no published weights\. .*--weights PATH.*weights=None"):
            centernet.load(made / "small.yaml")

    @pytest.mark.parametrize("weights", ["nothing/there", "missing.weights.h5", "bcccd"])
    def test_those_that_are_not_there(self, made, weights):
        with pytest.raises(CenterNetError, match=weights):
            centernet.load(made / "small.yaml", weights=weights)

    @pytest.mark.parametrize("weights", ["saved", "only.weights.h5", "small"])
    def test_those_of_another_model(self, made, weights):
        with pytest.raises(CheckpointError, match="bccd"):
            centernet.load("bccd", weights=made / weights)

    def test_a_checkpoint_of_the_zoo_is_none_of_triplets_whatever_its_folder_is_called(self, made, detector, tmp_path):
        shutil.copytree(made / "small", tmp_path / "bccd")
        loaded = centernet.load(tmp_path / "bccd")
        assert loaded.config.family == "points"
        assert same(state(loaded), state(detector))
        with pytest.raises(CheckpointError, match=r"family 'triplets' for bccd.*It looks like hourglass"):
            centernet.load("bccd", weights=made / "small")


class TestConvertedCopy:
    def test_the_second_load_needs_no_reader(self, published, detector, no_reader):
        first = centernet.load("small")
        assert first.report.form.startswith("TensorFlow")
        no_reader()
        second = centernet.load("small")
        assert same(state(second), state(detector))
        assert second.config == first.config

    def test_nor_the_archive(self, published, own_cache, detector, monkeypatch):
        centernet.load("small")
        shutil.rmtree(own_cache / "archives")
        monkeypatch.setenv("CENTERNET_OFFLINE", "1")
        assert same(state(centernet.load("small")), state(detector))

    def test_a_changed_description_converts_again(self, published, no_reader):
        centernet.load("small")
        data = yaml.safe_load(published.read_text())
        data["decoder"]["max_detections"] = 7
        published.write_text(yaml.safe_dump(data))
        presets.list_models.cache_clear()
        loaded = centernet.load("small")
        assert loaded.report.form.startswith("TensorFlow")
        assert loaded.config.decoder.max_detections == 7
        no_reader()
        assert centernet.load("small").config.decoder.max_detections == 7

    def test_one_for_other_classes_does_not_spoil_it(self, published, detector):
        centernet.load("small", classes=["dog", "fish"])
        assert same(state(centernet.load("small")), state(detector))

    @pytest.mark.parametrize("content", [b"", b"garbage", None])
    def test_one_that_is_damaged_is_made_again(self, published, own_cache, detector, caplog, no_reader, content):
        centernet.load("small")
        weights = own_cache / "converted" / "small" / "model.weights.h5"
        weights.write_bytes(weights.read_bytes()[:9000] if content is None else content)
        assert same(state(centernet.load("small")), state(detector))
        assert "converted again" in caplog.text
        no_reader()
        assert same(state(centernet.load("small")), state(detector))

    @pytest.mark.parametrize("obstacle", ["file", "strangers"])
    def test_a_cache_that_cannot_keep_it_is_only_a_warning(self, published, own_cache, detector, caplog, obstacle):
        if obstacle == "file":
            (own_cache / "converted").write_bytes(b"in the way")
        else:
            (own_cache / "converted" / "small").mkdir(parents=True)
            (own_cache / "converted" / "small" / "notes.txt").write_text("mine")
        for _ in range(2):
            assert same(state(centernet.load("small")), state(detector))
        assert "could not be kept" in caplog.text
        assert (own_cache / "converted" / "small" / "notes.txt").exists() == (obstacle == "strangers")

    def test_a_failed_load_leaves_no_copy(self, published, own_cache, detector, made, tmp_path):
        extra = {"model/extra/kernel": np.zeros(3, np.float32)}
        write_training(detector, tmp_path / "bad" / "small" / "checkpoint" / "ckpt-0", changes=extra)
        pack(tmp_path / "bad" / "small", own_cache / "archives" / "small.tar.gz")
        with pytest.raises(CheckpointError, match="model/extra/kernel"):
            centernet.load("small")
        assert not (own_cache / "converted").exists()


class TestPublishedFiles:
    def with_hashes(self, published, made, **changed):
        names = ("checkpoint/ckpt-0.index", "checkpoint/ckpt-0.data-00000-of-00001")
        hashes = {name: hashlib.sha256((made / "small" / name).read_bytes()).hexdigest() for name in names}
        data = yaml.safe_load(published.read_text())
        data["archive"]["sha256"] = {**hashes, **changed}
        published.write_text(yaml.safe_dump(data))
        presets.list_models.cache_clear()

    def test_the_right_hashes_pass(self, published, made, detector):
        self.with_hashes(published, made)
        assert same(state(centernet.load("small")), state(detector))

    def test_a_wrong_one_is_refused_and_nothing_is_kept(self, published, made, own_cache):
        self.with_hashes(published, made, **{"checkpoint/ckpt-0.index": "0" * 64})
        with pytest.raises(CheckpointError, match=r"ckpt-0\.index is not the published file"):
            centernet.load("small")
        assert not (own_cache / "converted").exists()

    def test_offline_the_missing_file_and_its_place_are_named_and_nothing_is_written(
        self, published, own_cache, monkeypatch
    ):
        shutil.rmtree(own_cache)
        monkeypatch.setenv("CENTERNET_OFFLINE", "1")
        with pytest.raises(DownloadError) as caught:
            centernet.load("small")
        assert str(own_cache / "archives" / "small.tar.gz") in str(caught.value)
        assert "https://example.invalid/models/small.tar.gz" in str(caught.value)
        assert not own_cache.exists()


def test_a_model_is_described_without_its_weights(made, published, own_cache, detector):
    shutil.rmtree(own_cache)
    for source in ("small", made / "small.yaml", made / "saved"):
        assert describe(source).preprocessing == detector.config.preprocessing
    assert not own_cache.exists()


class TestClasses:
    def test_other_ones_keep_the_trunk_and_what_has_the_same_name(self, made, detector, caplog):
        with caplog.at_level(logging.INFO, "centernet"):
            loaded = centernet.load(made / "saved", classes=["dog", "fish"])
        assert loaded.class_names == ("dog", "fish")
        assert same(state(loaded.backbone), state(detector.backbone))
        (old, _), (new, bias) = (one.get_layer("heatmap_0").get_weights() for one in (detector, loaded))
        assert np.array_equal(new[..., 0], old[..., 1])
        assert bias[1] == np.float32(-2.19)
        assert "1 kept by name (dog), 1 new (fish), 1 dropped" in str(loaded.report)
        assert "1 new (fish)" in caplog.text
        assert set(loaded.detect(picture(), min_score=0).names) <= {"dog", "fish"}

    def test_keypoints_and_the_input_size_may_be_others_as_well(self, made, detector):
        task = KeypointTask("dog", ("head", "tail"))
        loaded = centernet.load(made / "saved", classes=["dog"], keypoints=task, image_size=(96, 64))
        assert (loaded.config.keypoints, loaded.config.preprocessing.size) == (task, (96, 64))
        assert same(state(loaded.backbone), state(detector.backbone))
        assert loaded.detect(picture(), min_score=0).keypoints.shape[1:] == (2, 2)

    def test_a_number_of_them(self, made, detector):
        loaded = centernet.load(made / "saved", classes=5)
        assert loaded.class_names == tuple(f"class_{n}" for n in range(5))
        assert same(state(loaded.backbone), state(detector.backbone))
        assert loaded.report.new

    def test_the_same_ones_change_nothing(self, made, detector):
        loaded = centernet.load(made / "saved", classes=list(CLASSES))
        assert same(state(loaded), state(detector))
        assert loaded.report.new == {}

    def test_names_for_those_of_a_checkpoint_that_has_none(self, made, detector):
        loaded = centernet.load(made / "small", classes=["left", "right"])
        assert loaded.class_names == ("left", "right")
        assert same(state(loaded), state(detector))
        assert loaded.report.new == {}

    def test_as_many_as_a_checkpoint_has_change_nothing(self, made, detector):
        assert same(state(centernet.load(made / "small", classes=2)), state(detector))

    def test_one_more_than_a_checkpoint_has_is_other_classes(self, made, detector):
        loaded = centernet.load(made / "small", classes=["a", "b", "c"])
        assert same(state(loaded.backbone), state(detector.backbone))
        assert "3 new (a, b, c)" in str(loaded.report)

    def test_names_reach_the_class_of_keypoints_as_well(self, tmp_path):
        source = small_detector(2, keypoints=KeypointTask("class_0", ("x", "y")), lively=False)
        loaded = centernet.load(write_training(source, tmp_path / "ckpt-0"), classes=["plate", "car"])
        assert (loaded.config.keypoints.class_name, loaded.config.keypoint_class) == ("plate", 0)
        assert same(state(loaded), state(source))

    def test_without_the_class_of_keypoints_they_go(self, tmp_path):
        source = small_detector(["person"], keypoints=KeypointTask("person", ("x", "y")), lively=False)
        source.save(tmp_path / "saved")
        loaded = centernet.load(tmp_path / "saved", classes=["ball"])
        assert loaded.config.task == "boxes"
        assert same(state(loaded.backbone), state(source.backbone))

    def test_of_random_weights_there_is_nothing_to_keep(self, made):
        loaded = centernet.load(made / "saved", weights=None, classes=["x", "y", "z"])
        assert loaded.class_names == ("x", "y", "z")
        assert loaded.report is None

    def test_of_weights_from_elsewhere(self, made, detector):
        loaded = centernet.load(made / "small.yaml", weights=made / "only.weights.h5", classes=["dog"])
        old, new = (one.get_layer("heatmap_0").get_weights() for one in (detector, loaded))
        assert np.array_equal(new[0][..., 0], old[0][..., 1])

    def test_what_was_loaded_can_be_saved_and_loaded(self, made, tmp_path):
        loaded = centernet.load(made / "saved", classes=["dog", "fish"])
        loaded.save(tmp_path / "mine")
        again = centernet.load(tmp_path / "mine")
        assert again.class_names == ("dog", "fish")
        assert same(state(again), state(loaded))

    @pytest.mark.parametrize("classes", [0, -1, 2.5, "dog", [], ["a", "a"], [1, 2], True])
    def test_that_cannot_be_are_refused_before_anything_is_fetched(self, published, own_cache, classes):
        shutil.rmtree(own_cache)
        with pytest.raises(ConfigError, match="class"):
            centernet.load("small", classes=classes)
        assert not own_cache.exists()


def test_the_report_of_a_training_checkpoint_names_what_was_left(detector, tmp_path, caplog):
    name = next(iter(tensors_of(detector)))
    slot = {f"{name}/.OPTIMIZER_SLOT/optimizer/m": np.zeros(3, np.float32)}
    with caplog.at_level(logging.INFO, "centernet"):
        loaded = centernet.load(write_training(detector, tmp_path / "ckpt-0", changes=slot))
    assert loaded.report.left_over[f"{name}/.OPTIMIZER_SLOT/optimizer/m{SUFFIX}"] == "optimizer slot"
    assert "1 × optimizer slot" in caplog.text
