"""Reading: formats are recognized, splits found, classes ordered; what is wrong is said."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest

from centernet.data import Dataset, Sample, load, write
from centernet.data.check.report import collected_warnings
from centernet.data.formats import FORMATS
from centernet.errors import ArchiveError, ConfigError


def sample(image_id, class_id=0):
    return Sample(np.zeros((6, 8, 3), np.uint8), [[1, 2, 5, 4]], [class_id], image_id, size=(6, 8))


@pytest.fixture
def dataset():
    return Dataset([sample(number, number % 2) for number in range(10)], ["cat", "dog"])


@pytest.fixture
def photos(shared):
    folder = shared / "data"
    if not folder.is_dir():
        pytest.skip(f"needs data that is not in the repository: {folder}")
    return folder


class TestFormats:
    def test_where_two_fit_both_are_named(self, dataset, tmp_path, caplog):
        caplog.set_level(logging.INFO, "centernet")
        path = write(dataset, tmp_path / "data", "voc")
        write(dataset, tmp_path / "other", "csv").joinpath("annotations.csv").rename(path / "test.csv")
        assert load(path, split="all").format == "voc"
        assert "format='csv' would fit, too" in caplog.text
        assert load(path, "csv", "all").format == "csv"

    def test_none_fits(self, tmp_path):
        (tmp_path / "notes.docx").touch()
        (tmp_path / "photos").mkdir()
        (tmp_path / "config.json").write_text('{"a": 1}')
        with pytest.raises(
            ConfigError, match=r"Nearest: COCO JSON lacks a \.json with images.*Found: photos/, 1 \."
        ) as error:
            load(tmp_path)
        assert [entry.looks_for in str(error.value) for entry in FORMATS.values()].count(True) == 2

    def test_nothing_is_there(self, tmp_path):
        with pytest.raises(ConfigError, match=r"Known are COCO JSON, .*Found: an empty folder"):
            load(tmp_path)

    def test_readings_that_differ_are_shown(self, dataset, tmp_path):
        path = write(dataset, tmp_path / "data", "voc")
        renamed = dataclasses.replace(dataset, class_names=("feline", "canine"))
        write(renamed, tmp_path / "other", "csv").joinpath("annotations.csv").rename(path / "all.csv")
        with pytest.raises(
            ConfigError, match=r"format='voc' reads 10 images, 10 objects, classes cat, dog; format='csv'"
        ):
            load(path)

    def test_the_reading_with_most_objects_wins(self, dataset, tmp_path, caplog):
        caplog.set_level(logging.INFO, "centernet")
        path = write(dataset[:4], tmp_path / "data", "voc")
        write(dataset, tmp_path / "other", "csv").joinpath("annotations.csv").rename(path / "all.csv")
        assert load(path, split="all").format == "csv"
        assert "format='voc' would fit, too" in caplog.text
        assert "format='voc' reads 4 images, 4 objects" in caplog.text

    @pytest.mark.parametrize("kind", ["zip", "gztar"])
    @pytest.mark.parametrize("wrapped", [True, False])
    def test_an_archive_is_unpacked_once(self, dataset, tmp_path, monkeypatch, kind, wrapped):
        monkeypatch.setenv("CENTERNET_HOME", str(tmp_path / "cache"))
        folder = write(dataset, tmp_path / "data" / "bccd", "voc")
        base = {"base_dir": "bccd"} if wrapped else {}
        root = folder.parent if wrapped else folder
        archive = shutil.make_archive(str(tmp_path / "export"), kind, root, **base)
        assert len(load(archive, split="all")) == 10
        (unpacked,) = (tmp_path / "cache" / "datasets").iterdir()
        before = unpacked.stat().st_mtime_ns
        assert len(load(archive, split="all")) == 10
        assert unpacked.stat().st_mtime_ns == before

    def test_a_damaged_archive_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CENTERNET_HOME", str(tmp_path / "cache"))
        (tmp_path / "bccd.zip").write_bytes(b"PK")
        with pytest.raises(ArchiveError, match=r"bccd\.zip"):
            load(tmp_path / "bccd.zip")

    def test_a_missing_path_has_the_nearest(self, tmp_path):
        (tmp_path / "bccd").mkdir()
        with pytest.raises(ConfigError, match="Did you mean bccd"):
            load(tmp_path / "bcdd")

    def test_another_format_than_it_has(self, dataset, tmp_path):
        path = write(dataset, tmp_path / "data", "voc")
        with pytest.raises(ConfigError, match=r"Expected COCO JSON .*Found: Annotations/, JPEGImages/"):
            load(path, "coco")

    def test_a_format_that_there_is_not(self, tmp_path):
        with pytest.raises(ConfigError, match=r"Expected a format of \['auto', 'coco'.*format='pascal'"):
            load(tmp_path, "pascal")

    def test_the_user_is_found_at_home(self, dataset, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        write(dataset, tmp_path / "data", "voc")
        assert len(load("~/data", split="all")) == 10


class TestSplits:
    @pytest.mark.parametrize(
        ("there", "expected"),
        [
            ("train valid test", "train valid"),
            ("train val validation", "train val"),
            ("train validation test", "train validation"),
            ("train test", "train test"),
            ("trainval train val test", "train val"),
            ("trainval test", "trainval test"),
        ],
    )
    def test_train_goes_with_the_first_of_val_valid_validation_test(self, tmp_path, there, expected):
        parts = {name: Dataset([sample(number)], ["cat"]) for number, name in enumerate(there.split())}
        train, validation = load(write(parts, tmp_path / "data", "csv"))
        assert f"{train.name} {validation.name}" == "data ({}) data ({})".format(*expected.split())

    @pytest.mark.parametrize("there", ["", "train", "val test", "trainval val"])
    def test_without_a_pair_a_fifth_is_drawn_and_said(self, dataset, tmp_path, caplog, there):
        caplog.set_level(logging.INFO, "centernet")
        names = there.split()
        parts = {name: dataset[number :: len(names)] for number, name in enumerate(names)} or dataset
        path = write(parts, tmp_path / "data", "csv")
        train, validation = load(path)
        assert (len(train), len(validation)) == (8, 2)
        assert {one.image_id for one in [*train, *validation]} == set(range(10))
        assert [one.image_id for one in load(path)[1]] == [one.image_id for one in validation]
        assert "a random 20 % of all images is for validation (seed 0)" in caplog.text

    def test_one_image_is_none_to_train_on_and_none_to_validate_on(self, dataset, tmp_path):
        path = write(dataset[:1], tmp_path / "data", "voc")
        with pytest.raises(ConfigError, match=r"2 images in data \(all\).*Received: 1\. Give split='all'"):
            load(path)
        assert len(load(path, split="all")) == 1

    @pytest.mark.parametrize(("asked", "there"), [("val", "valid"), ("validation", "val"), ("train", "training")])
    def test_synonyms(self, dataset, tmp_path, asked, there):
        path = write({there: dataset, "test": dataset[:1]}, tmp_path / "data", "csv")
        assert len(load(path, split=asked)) == 10

    def test_a_split_that_there_is_not(self, dataset, tmp_path):
        path = write({"train": dataset, "test": dataset}, tmp_path / "data", "csv")
        with pytest.raises(ConfigError, match=r"split='val'\. It has train, test; split='all' gives everything"):
            load(path, split="val")
        with pytest.raises(ConfigError, match=r"It has no splits of its own"):
            load(write(dataset, tmp_path / "other", "csv"), split="val")

    def test_images_that_splits_call_alike_stay_apart(self, dataset, tmp_path):
        path = write({"train": dataset, "val": dataset}, tmp_path / "data", "coco")
        assert {one.image_id for one in load(path, split="all")} >= {"train/0", "val/0"}
        assert {one.image_id for one in load(path)[0]} == set(range(10))


class TestClasses:
    def test_the_order_is_the_users(self, dataset, tmp_path):
        path = write(dataset, tmp_path / "data", "coco")
        found = load(path, split="all", classes=["cow", "dog", "cat"])
        assert found.class_names == ("cow", "dog", "cat")
        assert found.dataset_ids == (3, 2, 1)
        assert [one.class_ids.tolist() for one in found[:2]] == [[2], [1]]

    def test_names_are_sorted_where_the_format_has_no_order(self, dataset, tmp_path):
        turned = Dataset(dataset.samples, ["dog", "Cat"])
        assert load(write(turned, tmp_path / "data", "voc"), split="all").class_names == ("Cat", "dog")

    def test_a_class_that_one_split_lacks_has_its_place_there(self, dataset, tmp_path):
        parts = {"train": dataset[1::2], "val": dataset[::2]}  # dogs, cats
        train, validation = load(write(parts, tmp_path / "data", "voc"))
        assert train.class_names == validation.class_names == ("cat", "dog")
        assert {int(one.class_ids[0]) for one in train} == {1}
        assert load(tmp_path / "data", split="train").class_names == ("cat", "dog")

    @pytest.mark.parametrize(("classes", "near"), [(["dgo", "cat"], "dgo"), (["Dog", "cat"], "Dog"), (["cat"], "cat")])
    def test_another_class_is_an_error_with_the_nearest(self, dataset, tmp_path, classes, near):
        path = write(dataset, tmp_path / "data", "coco")
        with pytest.raises(ConfigError, match=rf"class 'dog', which is not one of .*The nearest is '{near}'"):
            load(path, classes=classes)

    def test_a_class_without_objects_may_be_left_out(self, dataset, tmp_path):
        path = write(Dataset(dataset.samples, ["cat", "dog", "unused"]), tmp_path / "data", "coco")
        assert load(path, split="all", classes=["dog", "cat"]).dataset_ids == (2, 1)

    @pytest.mark.parametrize(
        ("key", "file", "text", "other", "count"),
        [
            ("coco", "instances.json", '"category_id": 2', '"category_id": 5', 5),
            ("yolo", "labels/train/1.txt", "1 ", "7 ", 1),
        ],
    )
    def test_objects_of_no_class_are_counted_and_said_once(
        self, dataset, tmp_path, caplog, key, file, text, other, count
    ):
        path = write(dataset, tmp_path / "data", key)
        (path / file).write_text((path / file).read_text().replace(text, other))
        load(path, split="all")
        assert caplog.text.count(f"{count} of 10 objects have a class that the dataset doesn't name") == 1
        with collected_warnings() as remarks:
            load(path, split="all")
        assert remarks == []  # checking finds them

    def test_splits_with_other_classes(self, dataset, tmp_path):
        for split, classes in (("train", ["cat", "dog"]), ("val", ["cat", "wolf"])):
            folder = write({split: Dataset(dataset.samples, classes)}, tmp_path / split, "coco")
            (tmp_path / "data" / "annotations").mkdir(parents=True, exist_ok=True)
            name = f"annotations/instances_{split}.json"
            (folder / name).rename(tmp_path / "data" / name)
        with pytest.raises(ConfigError, match=r"Only the first has \['dog'\], only the second \['wolf'\].*classes="):
            load(tmp_path / "data")
        train, validation = load(tmp_path / "data", classes=["cat", "dog", "wolf"])
        assert train.class_names == validation.class_names

    def test_no_object_anywhere(self, tmp_path):
        empty = Dataset([Sample(np.zeros((2, 2, 3), np.uint8), [], [], "a")], ["cat"])
        path = write(empty, tmp_path / "data", "voc")
        with pytest.raises(ConfigError, match=r"None of its 1 images has one"):
            load(path, split="all")
        assert load(path, split="all", classes=["cat"]).class_names == ("cat",)


class TestRealPhotos:
    def test_blood_cells(self, photos):
        parts = {name: load(photos / "bccd", split=name) for name in ("trainval", "test", "all")}
        assert {name: len(part) for name, part in parts.items()} == {"trainval": 292, "test": 72, "all": 364}
        counts = np.bincount(np.concatenate([one.class_ids for one in parts["all"]]))
        assert dict(zip(parts["all"].class_names, counts, strict=True)) == {"Platelets": 361, "RBC": 4155, "WBC": 372}
        assert {name: len(part) for name, part in zip("ab", load(photos / "bccd"), strict=True)} == {"a": 205, "b": 87}
        assert parts["test"][0].image.shape[:2] == parts["test"][0].size == (480, 640)

    def test_degenerate_boxes_are_kept(self, photos):
        boxes = {one.image_id: one.boxes for one in load(photos / "bccd", split="all")}
        empty = {name: found[(found[:, 2:] <= found[:, :2]).any(axis=1)].tolist() for name, found in boxes.items()}
        assert {name: found for name, found in empty.items() if found} == {
            "BloodImage_00338": [[504, 337, 504, 337]],
            "BloodImage_00343": [[181, 329, 181, 329]],
        }

    def test_boxes_are_those_that_the_reference_was_scored_on(self, photos, shared):
        path = shared / "goldens" / "points" / "bccd" / "test_coco.json"
        if not path.is_file():
            pytest.skip(f"needs data that is not in the repository: {path}")
        reference = load(path, split="all")
        found = load(photos / "bccd", split="test", classes=reference.class_names)
        assert reference.class_names == ("RBC", "WBC", "Platelets")
        for one, other in zip(found, reference, strict=True):
            kept = (one.boxes[:, 2:] > one.boxes[:, :2]).all(axis=1)
            assert one.source.name == other.source.name
            np.testing.assert_array_equal(one.boxes[kept], other.boxes)
            np.testing.assert_array_equal(one.class_ids[kept], other.class_ids)

    def test_coco(self, photos):
        found = load(photos / "coco_val254", split="all")
        ignored = np.concatenate([one.ignore for one in found])
        assert (len(found), int((~ignored).sum()), int(ignored.sum())) == (254, 2058, 20)
        assert (len(found.class_names), found.dataset_ids[0], found.dataset_ids[-1]) == (80, 1, 90)
        assert found.class_names[found.dataset_ids.index(90)] == "toothbrush"
        content = json.loads((photos / "coco_val254" / "instances.json").read_text())
        areas = sum(row["area"] for row in content["annotations"])
        assert sum(float(one.areas.sum(dtype=np.float64)) for one in found) == pytest.approx(areas, rel=1e-6)
        assert all(one.source.is_file() for one in found)

    def test_coco_keypoints(self, photos):
        from centernet.data.keypoints import coco_person

        found = load(photos / "coco_keypoints50", split="all")
        assert (len(found), sum(len(one.boxes) for one in found)) == (50, 127)
        assert found.keypoints == coco_person()
        rows = json.loads((photos / "coco_keypoints50" / "person_keypoints.json").read_text())["annotations"]
        labeled = sum(row["num_keypoints"] for row in rows)
        assert sum(int((one.keypoints[..., 2] > 0).sum()) for one in found if len(one.boxes)) == labeled
        first = found[0].keypoints[0]
        row = next(row for row in rows if row["image_id"] == found[0].image_id)
        np.testing.assert_array_equal(first.ravel(), row["keypoints"])

    @pytest.mark.parametrize("key", ["coco", "voc", "yolo", "csv"])
    def test_there_and_back(self, photos, tmp_path, key):
        expected = load(photos / "bccd", split="test")
        found = load(write(expected, tmp_path / "data", key), split="all")
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-6)
            np.testing.assert_array_equal(one.class_ids, other.class_ids)
            assert one.source.read_bytes() == other.source.read_bytes()


def test_neither_keras_nor_tensorflow_is_loaded(tmp_path):
    dataset = Dataset([sample(1), sample(2)], ["cat"])
    path = write(dataset, tmp_path / "data", "voc")
    code = f"""
import sys, centernet
centernet.data.load({str(path)!r})
centernet.data.write
print(sorted({{name.split(".")[0] for name in sys.modules}} & {{"keras", "tensorflow", "jax", "torch"}}))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
