"""From whatever a user names to files on disk and the model that they belong to."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import pytest
import yaml
from checkpoint_writer import pack, pipeline_config, write_saved_model, write_training, write_zoo_folder
from server import raw
from small import small_detector

from centernet.checkpoints.locate import locate, locate_published, locate_weights, read_model
from centernet.errors import ArchiveError, CenterNetError, CheckpointError, ConfigError, DownloadError
from centernet.models import presets
from centernet.models.config import Archive

PUBLISHED = "centernet_mobilenetv2fpn_512x512_coco17_od"
PARAMS = Path(__file__).parents[1] / "goldens" / "model_garden" / "params.yaml"


@pytest.fixture(scope="module")
def detector():
    return small_detector()


@pytest.fixture(scope="module")
def mobile():
    return small_detector(["a"], backbone="mobilenetv2_fpn", lively=False)


@pytest.fixture(scope="module")
def made(detector, mobile, tmp_path_factory):
    """Every form that lies on disk, written once."""
    folder = tmp_path_factory.mktemp("made")
    detector.save(folder / "saved")
    detector.save(folder / "saved.zip")
    detector.save(folder / "saved.keras")
    detector.save_weights(folder / "only.weights.h5")
    write_training(detector, folder / "plain" / "ckpt-3")
    write_zoo_folder(mobile, folder / "zoo" / "my_model")
    pack(folder / "zoo" / "my_model", folder / "my_model.tar.gz")
    return folder


def relative(found, folder):
    return found.form, found.path.relative_to(folder).as_posix()


class TestPaths:
    @pytest.mark.parametrize(
        ("place", "form", "path"),
        [
            ("saved", "weights", "saved/model.weights.h5"),
            ("plain/ckpt-3", "checkpoint", "plain/ckpt-3"),
            ("plain/ckpt-3.index", "checkpoint", "plain/ckpt-3"),
            ("plain", "checkpoint", "plain/ckpt-3"),
            ("zoo/my_model", "checkpoint", "zoo/my_model/checkpoint/ckpt-0"),
            ("zoo/my_model/checkpoint", "checkpoint", "zoo/my_model/checkpoint/ckpt-0"),
            ("zoo/my_model/saved_model", "checkpoint", "zoo/my_model/saved_model/variables/variables"),
            ("zoo/my_model/saved_model/variables", "checkpoint", "zoo/my_model/saved_model/variables/variables"),
        ],
    )
    def test_each_form_on_disk(self, made, place, form, path):
        for found in (locate(str(made / place)), locate_weights(str(made / place))):
            assert relative(found, made) == (form, path)
            assert found.convert_to is None

    @pytest.mark.parametrize("name", ["saved.zip", "saved.keras", "my_model.tar.gz"])
    def test_an_archive_is_unpacked_in_the_cache_once(self, made, name, own_cache):
        found = locate(str(made / name))
        assert own_cache in found.path.parents
        written = found.path.stat().st_mtime_ns if found.form == "weights" else None
        again = locate(str(made / name))
        assert again == found
        if written:
            assert again.path.stat().st_mtime_ns == written

    def test_an_archive_that_was_replaced_is_unpacked_again(self, made, tmp_path):
        archive = shutil.copy(made / "saved.zip", tmp_path / "model.zip")
        first = locate(str(archive))
        small_detector(3, lively=False).save(archive)
        assert len(locate(str(archive)).config.classes) == 3
        assert len(first.config.classes) == 2

    def test_an_archive_without_a_folder_around_it(self, made, tmp_path):
        flat = pack(made / "zoo" / "my_model", tmp_path / "flat.tar.gz", ["checkpoint", "pipeline.config"])
        found = locate(str(flat))
        assert found.path.as_posix().endswith("checkpoint/ckpt-0")
        assert found.config.decoder.max_detections == 77

    def test_the_latest_checkpoint_of_a_folder(self, detector, tmp_path):
        for step in (2, 10, 9):
            write_training(detector, tmp_path / f"ckpt-{step}")
        assert locate(str(tmp_path)).path.name == "ckpt-10"

    def test_a_weights_file_is_weights_only(self, made):
        found = locate_weights(str(made / "only.weights.h5"))
        assert (found.form, found.path) == ("weights", made / "only.weights.h5")
        with pytest.raises(ConfigError, match=r"Call centernet\.load\(model, weights='.*only\.weights\.h5'\)"):
            locate(str(made / "only.weights.h5"))

    def test_a_relative_path_and_the_home_folder(self, made, monkeypatch):
        monkeypatch.chdir(made / "zoo" / "my_model" / "checkpoint")
        assert locate("ckpt-0").config.name == "my_model"
        monkeypatch.setenv("HOME", str(made))
        assert relative(locate("~/saved"), made) == ("weights", "saved/model.weights.h5")

    @pytest.mark.parametrize("content", [[], ["photo.jpg"], ["ckpt-0.data-00000-of-00001"], ["config.json"]])
    def test_a_folder_of_something_else_says_what_is_there(self, tmp_path, content):
        for name in content:
            (tmp_path / name).write_bytes(b"x")
        shown = content[0] if content else "an empty folder"
        with pytest.raises(ConfigError, match=f"Found: {shown}"):
            locate(str(tmp_path))
        with pytest.raises(CheckpointError, match=f"Found: {shown}"):
            locate_weights(str(tmp_path))

    @pytest.mark.parametrize("source", ["centernet_mobilenetv2fpn_512x512_coco17_odd", "", " ", "no/such/ckpt-0"])
    @pytest.mark.parametrize("find", [locate, locate_weights])
    def test_what_is_nowhere_is_no_name_either(self, source, find):
        with pytest.raises(ConfigError, match=r"Expected (weights: )?the name of a model or an existing path"):
            find(source)

    def test_an_archive_of_something_else(self, made, tmp_path):
        archive = pack(made / "saved", tmp_path / "x.tar.gz", ["config.json"])
        with pytest.raises(ConfigError, match=r"Found: config\.json"):
            locate(str(archive))

    def test_an_archive_that_is_damaged(self, made, tmp_path):
        content = (made / "my_model.tar.gz").read_bytes()
        (tmp_path / "cut.tar.gz").write_bytes(content[: len(content) // 2])
        with pytest.raises(ArchiveError, match=r"cut\.tar\.gz"):
            locate(str(tmp_path / "cut.tar.gz"))
        (tmp_path / "cut.tar.gz").write_bytes(content)
        assert locate(str(tmp_path / "cut.tar.gz")).form == "checkpoint"


class TestDescriptions:
    def test_a_pipeline_config_beside_a_checkpoint(self, made, caplog):
        config = locate(str(made / "zoo" / "my_model")).config
        assert (config.name, config.preprocessing.size) == ("my_model", (64, 64))
        assert config.decoder.max_detections == 77
        assert config.classes == ("class_0",)
        assert "no description" not in caplog.text

    def test_none_is_said(self, made, caplog):
        assert locate(str(made / "plain")).config.preprocessing.size == (512, 512)
        assert "no description beside it" in caplog.text

    def test_a_folder_named_like_a_published_model_is_that_model(self, tmp_path):
        preset = presets.find_model(PUBLISHED)
        shape_only = small_detector(90, backbone="mobilenetv2_fpn", lively=False, heads=preset.heads)
        write_training(shape_only, tmp_path / PUBLISHED / "checkpoint" / "ckpt-0")
        assert locate(str(tmp_path / PUBLISHED)).config == preset

    def test_unless_it_was_fine_tuned_there(self, mobile, tmp_path):
        folder = write_zoo_folder(mobile, tmp_path / PUBLISHED, saved_model=False)
        config = locate(str(folder)).config
        assert config.classes == ("class_0",)
        assert config.preprocessing.size == (64, 64)

    def test_a_pipeline_config_of_something_else_is_told(self, mobile, tmp_path):
        folder = write_zoo_folder(mobile, tmp_path / "x", saved_model=False)
        (folder / "pipeline.config").write_text("model { ssd { } }")
        with pytest.raises(ConfigError, match="Received: ssd"):
            locate(str(folder))

    def test_the_number_of_classes_is_the_tensors_(self, mobile, tmp_path):
        folder = write_zoo_folder(mobile, tmp_path / "x", saved_model=False)
        (folder / "pipeline.config").write_text(pipeline_config(mobile).replace("num_classes: 1", "num_classes: 7"))
        assert len(locate(str(folder)).config.classes) == 1

    def test_the_parameters_that_model_garden_writes(self, detector, tmp_path):
        write_training(detector, tmp_path / "ckpt-5")
        shutil.copy(PARAMS, tmp_path / "params.yaml")
        assert locate(str(tmp_path)).config == read_model(PARAMS)
        (tmp_path / "params.yaml").write_text(yaml.safe_dump({"learning_rate": 0.1}))
        assert locate(str(tmp_path)).config.backbone["name"] == "hourglass"


class TestPublished:
    @pytest.fixture
    def config(self, mobile, made):
        url = "https://example.invalid/models/my_model.tar.gz"
        return dataclasses.replace(mobile.config, archive=Archive(url, "checkpoint/ckpt-0"))

    @pytest.fixture
    def cached(self, made, own_cache):
        """The archive put where a machine without a network needs it."""
        (own_cache / "archives").mkdir(parents=True)
        return Path(shutil.copy(made / "my_model.tar.gz", own_cache / "archives"))

    def test_the_archive_in_the_cache_is_used(self, config, cached, own_cache):
        found = locate_published(config)
        assert relative(found, own_cache) == ("checkpoint", "archives/my_model/my_model/checkpoint/ckpt-0")
        assert found.convert_to == own_cache / "converted" / config.identifier

    def test_and_once_unpacked_is_found_again_even_without_the_archive(self, config, cached):
        first = locate_published(config)
        cached.unlink()
        assert locate_published(config) == first

    def test_an_unpacked_folder_put_there_by_hand_is_used(self, config, made, own_cache, monkeypatch):
        monkeypatch.setenv("CENTERNET_OFFLINE", "1")
        shutil.copytree(made / "zoo" / "my_model", own_cache / "archives" / "my_model")
        assert relative(locate_published(config), own_cache) == ("checkpoint", "archives/my_model/checkpoint/ckpt-0")

    def test_an_empty_folder_is_no_archive(self, config, cached, own_cache):
        (own_cache / "archives" / "my_model").mkdir()
        assert locate_published(config).form == "checkpoint"

    def test_another_checkpoint_will_do_where_the_named_one_is_not(self, config, cached):
        config = dataclasses.replace(
            config, archive=dataclasses.replace(config.archive, checkpoint="checkpoint/ckpt-99")
        )
        assert locate_published(config).path.name == "ckpt-0"

    def test_offline_the_missing_file_and_its_place_are_named_and_nothing_is_written(
        self, config, own_cache, monkeypatch
    ):
        monkeypatch.setenv("CENTERNET_OFFLINE", "1")
        with pytest.raises(DownloadError) as caught:
            locate_published(config)
        assert config.archive.url in str(caught.value)
        assert str(own_cache / "archives" / "my_model.tar.gz") in str(caught.value)
        assert not own_cache.exists()

    def test_a_converted_copy_is_used_before_the_archive(self, config, mobile, own_cache, monkeypatch):
        monkeypatch.setenv("CENTERNET_OFFLINE", "1")
        described = small_detector(["a"], backbone="mobilenetv2_fpn", lively=False)
        described.config = config
        described.save(own_cache / "converted" / config.identifier)
        found = locate_published(config)
        assert relative(found, own_cache) == ("weights", f"converted/{config.identifier}/model.weights.h5")
        changed = dataclasses.replace(config, decoder=dataclasses.replace(config.decoder, max_detections=7))
        with pytest.raises(DownloadError):
            locate_published(changed)
        with pytest.raises(DownloadError):
            locate_published(config, use_converted=False)

    @pytest.mark.parametrize("text", ["", "{}", '{"format": 99, "model": {}}', '{"format": 1, "model": {"new": 1}}'])
    def test_a_converted_copy_that_is_damaged_or_of_another_version_is_passed_over(
        self, config, cached, own_cache, text, caplog
    ):
        folder = own_cache / "converted" / config.identifier
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(text)
        (folder / "model.weights.h5").write_bytes(b"")
        assert locate_published(config).form == "checkpoint"
        assert "not used" in caplog.text

    def test_shipped_weights_need_no_cache(self, own_cache):
        found = locate_published(presets.find_model("bccd"))
        assert (found.form, found.path.name) == ("weights", "bccd.weights.h5")
        assert not own_cache.exists()

    def test_a_model_without_published_weights_says_what_to_do(self, mobile):
        with pytest.raises(ConfigError, match=r"no published weights\. .*--weights PATH.*weights=None"):
            locate_published(mobile.config)

    def test_a_name_that_climbs_out_of_the_cache_stays_inside(self, config, cached, own_cache):
        found = locate_published(dataclasses.replace(config, name="../../../climbing"))
        assert own_cache in found.convert_to.resolve().parents

    def test_an_archive_without_a_checkpoint(self, config, made, own_cache):
        pack(made / "saved", own_cache / "archives" / "my_model.tar.gz", ["config.json"])
        with pytest.raises(CheckpointError, match=r"Expected a checkpoint in .*config\.json"):
            locate_published(config)


class TestHashes:
    @pytest.fixture
    def place(self, made, own_cache):
        shutil.copytree(made / "zoo" / "my_model", own_cache / "archives" / "my_model")
        return own_cache / "archives" / "my_model"

    def config(self, mobile, place, **changed):
        names = ["checkpoint/ckpt-0.index", "checkpoint/ckpt-0.data-00000-of-00001"]
        hashes = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names}
        archive = Archive("https://example.invalid/my_model.tar.gz", "checkpoint/ckpt-0", {**hashes, **changed})
        return dataclasses.replace(mobile.config, archive=archive)

    def test_the_published_file_passes(self, mobile, place):
        assert locate_published(self.config(mobile, place)).form == "checkpoint"

    def test_digits_of_either_case_pass(self, mobile, place):
        name = "checkpoint/ckpt-0.index"
        digest = hashlib.sha256((place / name).read_bytes()).hexdigest().upper()
        assert locate_published(self.config(mobile, place, **{name: digest})).form == "checkpoint"

    @pytest.mark.parametrize("name", ["checkpoint/ckpt-0.index", "checkpoint/ckpt-0.data-00000-of-00001"])
    def test_another_one_is_refused_with_what_to_do(self, mobile, place, name):
        config = self.config(mobile, place)
        content = bytearray((place / name).read_bytes())
        content[5] ^= 1
        (place / name).write_bytes(content)
        with pytest.raises(CheckpointError, match="is not the published file: its sha256 is") as caught:
            locate_published(config)
        message = str(caught.value)
        assert str(place / name) in message
        assert config.archive.sha256[name] in message
        assert "Remove" in message

    def test_files_that_are_not_read_are_not_looked_at(self, mobile, place):
        other = {"saved_model/variables/variables.index": "0" * 64}
        assert locate_published(self.config(mobile, place, **other)).form == "checkpoint"


class TestAddresses:
    @pytest.fixture
    def serving(self, server, made):
        server.content = (made / "my_model.tar.gz").read_bytes()
        return server

    def test_an_archive_is_fetched_once(self, serving, own_cache):
        first = locate(serving.url("/a/my_model.tar.gz"))
        assert (first.form, first.config.name) == ("checkpoint", "my_model")
        assert locate(serving.url("/a/my_model.tar.gz")) == first
        assert locate_weights(serving.url("/a/my_model.tar.gz")).path == first.path
        assert len(serving.requests) == 1
        assert own_cache in first.path.parents

    def test_archives_of_one_name_from_two_places_are_two(self, serving, made):
        first = locate(serving.url("/a/model.zip"))
        serving.content = (made / "saved.zip").read_bytes()
        second = locate(serving.url("/b/model.zip"))
        assert (first.form, second.form) == ("checkpoint", "weights")

    @pytest.mark.parametrize(
        "path", ["/download", "/my.model", "/model.tar.gz?version=1", "/", "/x.tgz#part", "/a%20b.tar.gz", "/.."]
    )
    def test_addresses_of_any_shape(self, serving, path, own_cache):
        found = locate(serving.url(path))
        assert found.form == "checkpoint"
        assert own_cache in found.path.resolve().parents
        assert locate(serving.url(path)) == found

    def test_an_address_in_a_description_is_fetched(self, serving, mobile):
        config = dataclasses.replace(mobile.config, archive=Archive(serving.url("/my_model.tar.gz")))
        assert locate_published(config).path.name == "ckpt-0"

    def test_a_page_instead_of_an_archive_is_told(self, server):
        server.content = b"<html>Please log in</html>"
        with pytest.raises(CenterNetError, match=r"model\.tar\.gz"):
            locate(server.url())

    def test_one_that_is_not_there_is_told(self, server, own_cache):
        server.script = [raw(404, b"")]
        with pytest.raises(DownloadError, match="404"):
            locate(server.url())

    @pytest.mark.parametrize(
        "source", ["http://example.invalid/x.tar.gz", "https://user:word@example.invalid/x.tar.gz"]
    )
    def test_addresses_that_are_not_safe_are_refused(self, source):
        with pytest.raises(CenterNetError):
            locate(source)

    def test_a_hub_handle_is_resolved(self, mobile, tmp_path, monkeypatch):
        from centernet.checkpoints import fetching

        write_saved_model(mobile, tmp_path / "hub" / "abc")
        monkeypatch.setattr(fetching, "resolve_handle", lambda handle: tmp_path / "hub" / "abc")
        found = locate("https://tfhub.dev/tensorflow/centernet/x/1")
        assert relative(found, tmp_path) == ("checkpoint", "hub/abc/variables/variables")


def test_weights_may_be_named_by_a_published_model():
    assert locate_weights("bccd").path.name == "bccd.weights.h5"
