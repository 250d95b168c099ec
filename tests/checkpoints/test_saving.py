"""What `Detector.save` writes, replaces and refuses, and what reading it back refuses."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections import namedtuple
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from small import BACKBONE, picture, same, small_detector, state

import centernet
from centernet.checkpoints.saved import saving, weights_file
from centernet.checkpoints.saved.weights_file import load_weights
from centernet.data.keypoints import KeypointTask
from centernet.errors import CenterNetError, CheckpointError, ConfigError, DownloadError, WriteError
from centernet.loading.load_keras import build

PARTS = ["config.json", "model.weights.h5"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("CENTERNET_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def detector():
    return small_detector()


@pytest.fixture
def saved(detector, tmp_path):
    detector.save(tmp_path / "saved")
    return tmp_path / "saved"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestForm:
    def test_a_folder_holds_two_files_and_nothing_that_is_code(self, saved, detector):
        assert sorted(path.name for path in saved.iterdir()) == PARTS
        description = json.loads((saved / "config.json").read_text())
        assert description["format"] == saving.FORMAT
        assert set(description["versions"]) == {"centernet", "keras"}
        assert saving.read_config(saved) == detector.config

    @pytest.mark.parametrize("name", ["model", "model.zip", "model.keras", "deep/er/model", "modèle [1] é"])
    def test_it_comes_back_with_the_same_weights(self, detector, tmp_path, name):
        detector.save(tmp_path / name)
        loaded = centernet.load(tmp_path / name)
        assert same(state(loaded), state(detector))
        assert loaded.config == detector.config

    def test_a_path_from_the_home_folder_goes_there(self, detector, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        detector.save("~/mine")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["mine"]
        assert same(state(centernet.load("~/mine")), state(detector))

    def test_half_precision_is_half_as_large_and_near(self, detector, tmp_path):
        detector.save(tmp_path / "single")
        detector.save(tmp_path / "half", dtype="float16")
        sizes = [(tmp_path / name / PARTS[1]).stat().st_size for name in ("single", "half")]
        assert sizes[1] < 0.65 * sizes[0]
        loaded = centernet.load(tmp_path / "half")
        for half, single in zip(state(loaded), state(detector), strict=True):
            assert half.dtype == np.float32
            assert np.allclose(half, single, rtol=1e-3, atol=1e-6)

    def test_values_beyond_half_precision_keep_theirs(self, tmp_path):
        detector = small_detector()
        variable = next(v for v in detector.variables if v.name == "moving_variance")
        variable.assign(np.full(variable.shape, 1e6))
        detector.save(tmp_path / "half", dtype="float16")
        assert same([np.array(variable)], [np.full(variable.shape, 1e6, np.float32)])
        loaded = centernet.load(tmp_path / "half")
        assert max(value.max() for value in state(loaded)) == 1e6

    def test_an_optimizer_is_not_saved(self, saved, tmp_path):
        detector = small_detector()
        detector.compile(keras.optimizers.Adam())
        detector.optimizer.build(detector.trainable_variables)
        detector.save(tmp_path / "trained")
        size = (tmp_path / "trained" / PARTS[1]).stat().st_size
        assert size < 1.1 * (saved / PARTS[1]).stat().st_size
        assert same(state(centernet.load(tmp_path / "trained")), state(detector))

    def test_weights_saved_by_keras_with_an_optimizer_load(self, tmp_path):
        detector = small_detector()
        detector.compile(keras.optimizers.Adam())
        detector.optimizer.build(detector.trainable_variables)
        detector.save_weights(tmp_path / "trained.weights.h5")
        fresh = small_detector(seed=3)
        load_weights(fresh, tmp_path / "trained.weights.h5")
        assert same(state(fresh), state(detector))

    def test_detecting_changes_nothing_of_what_is_saved(self, detector, saved, tmp_path):
        detector.detect(picture())
        detector.save(tmp_path / "again")
        assert (tmp_path / "again" / PARTS[0]).read_bytes() == (saved / PARTS[0]).read_bytes()
        assert same(state(centernet.load(tmp_path / "again")), state(centernet.load(saved)))

    def test_an_unknown_precision_is_refused(self, detector, tmp_path):
        with pytest.raises(ConfigError, match="'bfloat16'"):
            detector.save(tmp_path / "x", dtype="bfloat16")
        assert not (tmp_path / "x").exists()


class TestReplacing:
    @pytest.mark.parametrize("name", ["model", "model.zip"])
    def test_a_saved_model_is_replaced_only_if_that_is_wanted(self, detector, tmp_path, name):
        detector.save(tmp_path / name)
        other = small_detector(seed=4)
        with pytest.raises(ConfigError, match="overwrite=True"):
            other.save(tmp_path / name, overwrite=False)
        other.save(tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert same(state(centernet.load(tmp_path / name)), state(other))

    def test_an_empty_folder_may_be_filled(self, detector, tmp_path):
        (tmp_path / "empty").mkdir()
        detector.save(tmp_path / "empty", overwrite=False)
        assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == PARTS

    @pytest.mark.parametrize("name", ["photo.jpg", "photos.zip", "damaged.zip", "notes"])
    def test_a_file_that_is_no_saved_model_is_left_alone(self, detector, tmp_path, name):
        path = tmp_path / name
        if name == "photos.zip":
            with zipfile.ZipFile(path, "w") as file:
                file.writestr("a.jpg", b"photo")
        else:
            path.write_bytes(b"precious")
        before = path.read_bytes()
        with pytest.raises(ConfigError, match="is left alone"):
            detector.save(path)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("extra", ["thesis.tex", ".git", "pictures/a.jpg"])
    @pytest.mark.parametrize("with_model", [True, False])
    def test_a_folder_with_anything_else_is_left_alone(self, detector, tmp_path, extra, with_model):
        folder = tmp_path / "folder"
        if with_model:
            detector.save(folder)
        (folder / extra).parent.mkdir(parents=True, exist_ok=True)
        (folder / extra).write_bytes(b"precious")
        before = contents(folder)
        with pytest.raises(ConfigError, match=extra.split("/")[0]):
            detector.save(folder)
        assert contents(folder) == before

    def test_a_folder_named_like_a_zip_is_left_alone(self, detector, tmp_path):
        (tmp_path / "model.zip").mkdir()
        with pytest.raises(ConfigError, match="is left alone"):
            detector.save(tmp_path / "model.zip")


class TestFailures:
    """What was there before must survive, and nothing half-written must remain."""

    def check_unchanged(self, folder, before):
        assert contents(folder) == before
        assert [path.name for path in folder.parent.iterdir()] == [folder.name]

    @pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("HDF5: unable to flush")])
    def test_a_disk_that_fills_up_while_writing(self, detector, saved, monkeypatch, error):
        before = contents(saved)

        def fill(detector, path, dtype):
            Path(path).write_bytes(b"half of it")
            raise error

        monkeypatch.setattr(weights_file, "write_weights", fill)
        with pytest.raises(WriteError, match="can't be written"):
            detector.save(saved)
        self.check_unchanged(saved, before)

    @pytest.mark.parametrize("failing", [1, 2])
    def test_a_rename_that_fails(self, detector, saved, monkeypatch, failing):
        before, replace, calls = contents(saved), os.replace, []

        def refuse(source, target):
            calls.append(source)
            if len(calls) == failing:
                raise PermissionError(13, "Permission denied", str(target))
            replace(source, target)

        monkeypatch.setattr(saving.os, "replace", refuse)
        with pytest.raises(WriteError, match="Permission denied"):
            detector.save(saved)
        monkeypatch.undo()
        self.check_unchanged(saved, before)

    def test_a_zip_that_cannot_be_renamed(self, detector, tmp_path, monkeypatch):
        detector.save(tmp_path / "model.zip")
        before = (tmp_path / "model.zip").read_bytes()
        monkeypatch.setattr(saving.os, "replace", lambda *paths: (_ for _ in ()).throw(OSError(5, "I/O error")))
        with pytest.raises(WriteError, match="I/O error"):
            detector.save(tmp_path / "model.zip")
        assert (tmp_path / "model.zip").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]

    def test_an_interruption(self, detector, saved, monkeypatch):
        before = contents(saved)

        def interrupt(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr(weights_file, "write_weights", interrupt)
        with pytest.raises(KeyboardInterrupt):
            detector.save(saved)
        self.check_unchanged(saved, before)

    def test_a_full_disk_is_seen_before_anything_is_written(self, detector, tmp_path, monkeypatch):
        usage = namedtuple("usage", "total used free")
        monkeypatch.setattr(saving.shutil, "disk_usage", lambda path: usage(10, 0, 1000))
        with pytest.raises(WriteError, match=r"need [\d,]+ bytes, but .* has 1,000 left"):
            detector.save(tmp_path / "model")
        assert list(tmp_path.iterdir()) == []

    def test_a_file_where_the_folder_should_be(self, detector, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(WriteError, match="file"):
            detector.save(tmp_path / "file" / "model")


class TestPath:
    @pytest.mark.parametrize(
        ("name", "advice"),
        [
            ("model.weights.h5", "save_weights"),
            ("model.h5", r"\.weights\.h5"),
            ("model.tar.gz", r"ending in \.zip"),
            ("model.tgz", r"ending in \.zip"),
            ("model.onnx", r"detector\.export"),
            ("model.xml", r"detector\.export"),
            ("model.TFLITE", r"detector\.export"),
            ("saved_model.pb", r"detector\.export"),
        ],
    )
    def test_one_that_ends_like_another_form_is_refused_with_what_writes_that(self, detector, tmp_path, name, advice):
        with pytest.raises(ConfigError, match=rf"Expected a folder .*{name}.*{advice}"):
            detector.save(tmp_path / name)
        assert list(tmp_path.iterdir()) == []

    def test_one_with_another_dot_is_a_folder(self, detector, tmp_path):
        detector.save(tmp_path / "model.v2")
        assert saving.is_saved(tmp_path / "model.v2")


class TestReading:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "5",
            "null",
            "{}",
            '{"format": 1}',
            '{"model": {}}',
            '{"format": "new", "model": {}}',
            '{"format": null, "model": {}}',
            '{"format": 1, "model": 5}',
            '{"format": 1, "model": {}}',
            '{"format": 1, "model": {"name": "x", "future": 1}}',
            '{"class_name": "Functional", "config": {"layers": []}}',
            "[" * 100_000,
        ],
        ids=lambda text: text[:30],
    )
    def test_a_description_that_is_damaged_is_told_with_its_path(self, saved, text):
        (saved / PARTS[0]).write_text(text)
        with pytest.raises(CenterNetError, match=r"config\.json"):
            centernet.load(saved)

    def test_bytes_that_are_no_text_are_told(self, saved):
        (saved / PARTS[0]).write_bytes(b"\xff\xfe\x00\x01")
        with pytest.raises(CheckpointError, match=r"config\.json"):
            centernet.load(saved)

    def test_a_model_from_the_future_asks_for_an_update(self, saved):
        description = json.loads((saved / PARTS[0]).read_text())
        (saved / PARTS[0]).write_text(json.dumps({**description, "format": saving.FORMAT + 1}))
        with pytest.raises(CheckpointError, match=r"has format 2.*Update centernet"):
            centernet.load(saved)

    @pytest.mark.parametrize("cut", [0, 7, 1000, 200_000])
    def test_truncated_weights_are_told(self, saved, cut):
        path = saved / PARTS[1]
        path.write_bytes(path.read_bytes()[:cut])
        with pytest.raises(CheckpointError, match=r"model\.weights\.h5 are damaged"):
            centernet.load(saved)

    def test_garbage_for_weights_is_told(self, saved):
        (saved / PARTS[1]).write_bytes(os.urandom(5000))
        with pytest.raises(CheckpointError, match=r"model\.weights\.h5 are damaged"):
            centernet.load(saved)

    def test_damage_in_the_structure_of_weights_is_never_another_error(self, saved):
        """Values themselves have no checksum in this format; its headers are pointers into the file."""
        path, rng = saved / PARTS[1], np.random.default_rng(0)
        whole, detector = path.read_bytes(), small_detector(lively=False)
        outcomes = set()
        for _ in range(12):
            damaged = bytearray(whole)
            for position in rng.integers(0, 8000, 12):
                damaged[position] = rng.integers(256)
            path.write_bytes(damaged)
            try:
                load_weights(detector, path)
                outcomes.add("loaded")
            except CheckpointError:
                outcomes.add("refused")
        assert "refused" in outcomes

    @pytest.mark.parametrize(
        "other",
        [
            {"classes": 3},
            {"keypoints": KeypointTask("a", ("x", "y"))},
            {"backbone": {**BACKBONE, "stacks": 2}},
            {"backbone": {**BACKBONE, "filters": [16, 24]}},
            {"backbone": "mobilenetv2_fpn"},
        ],
        ids=str,
    )
    def test_weights_of_another_model_are_refused_and_change_nothing(self, detector, other, tmp_path):
        small_detector(lively=False, **other).save_weights(tmp_path / "other.weights.h5")
        mine = small_detector()
        before = state(mine)
        with pytest.raises(CheckpointError, match=r"belong to another model than small: they have \d+ tensors"):
            load_weights(mine, tmp_path / "other.weights.h5")
        assert same(state(mine), before)

    @pytest.mark.parametrize("change", ["missing", "extra"])
    def test_one_tensor_too_few_or_too_many_is_refused(self, saved, change):
        with h5py.File(saved / PARTS[1], "a") as file:
            if change == "missing":
                del file["stem_conv.kernel"]
            else:
                file["other_conv.kernel"] = np.zeros((5, 5))
        with pytest.raises(CheckpointError, match="Only in the file"):
            centernet.load(saved)

    def test_a_folder_without_its_weights_is_no_saved_model(self, saved):
        (saved / PARTS[1]).unlink()
        assert not saving.is_saved(saved)
        with pytest.raises(ConfigError, match=r"Found: config\.json"):
            centernet.load(saved)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"no zip at all"])
    def test_a_zip_that_is_none_is_told(self, tmp_path, content):
        (tmp_path / "model.zip").write_bytes(content)
        with pytest.raises(CenterNetError, match=r"model\.zip"):
            centernet.load(tmp_path / "model.zip")

    def test_a_keras_file_of_something_else_is_told(self, tmp_path):
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(tmp_path / "other.keras")
        with pytest.raises(CheckpointError, match=r"config\.json"):
            centernet.load(tmp_path / "other.keras")


def test_a_description_alone_builds_the_same_network(saved, detector):
    built = build(saving.read_config(saved))
    assert [v.shape for v in built.variables] == [v.shape for v in detector.variables]
    shutil.rmtree(saved)


def test_what_cannot_be_written_is_caught_as_before() -> None:
    """Saving raised DownloadError once; code that catches it goes on working."""
    assert issubclass(WriteError, DownloadError)
