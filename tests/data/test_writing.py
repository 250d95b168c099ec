"""Writing: what is read back is what was written, in every format."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from random_datasets import NUMBERS, assert_same, datasets

from centernet.data import Dataset, Sample, load, write
from centernet.data.formats import FORMATS
from centernet.data.keypoints import keypoint_task
from centernet.errors import ConfigError

quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def image(value=7, size=(6, 8)):
    return np.full((*size, 3), value, np.uint8)


def sample(image_id, **changes):
    fields = {"boxes": [[1, 2, 5, 4]], "class_ids": [0], "size": (6, 8), "source": image(), **changes}
    return Sample(image_id=image_id, **fields)


@pytest.fixture
def dataset():
    return Dataset([sample(1), sample(2, boxes=[], class_ids=[]), sample(3, class_ids=[1])], ["cat", "dog"])


def there_and_back(dataset, key):
    with tempfile.TemporaryDirectory() as folder:
        path = write(dataset, Path(folder) / "data", key)
        found = load(path, key, "all", classes=dataset.class_names)
        read = [dataclasses.replace(one, source=one.image) for one in found]  # before the folder goes
        return dataclasses.replace(found, samples=tuple(read))


class TestThereAndBack:
    @quick
    @given(datasets(ids=NUMBERS))
    def test_coco(self, dataset):
        assert_same(there_and_back(dataset, "coco"), dataset)

    @quick
    @given(datasets(keypoints=False))
    def test_voc(self, dataset):
        assert_same(there_and_back(dataset, "voc"), dataset, areas=False, places=0)

    @quick
    @given(datasets())
    def test_yolo(self, dataset):
        assert_same(there_and_back(dataset, "yolo"), dataset, areas=False, ignore=False)

    @quick
    @given(datasets(keypoints=False))
    def test_csv(self, dataset):
        assert_same(there_and_back(dataset, "csv"), dataset, places=0)

    @quick
    @given(datasets())
    def test_tfrecord(self, dataset):
        assert_same(there_and_back(dataset, "tfrecord"), dataset, places=2e-4)


@pytest.mark.parametrize("key", FORMATS)
class TestEveryFormat:
    def test_splits_come_back_in_order(self, dataset, tmp_path, key):
        parts = {"train": dataset[[2, 0]], "val": dataset[1:2], "test": dataset[[0]]}
        parts["test"] = dataclasses.replace(parts["test"], samples=(sample(9),))
        path = write(parts, tmp_path / "data", key)
        train, validation = load(path, classes=dataset.class_names)
        assert {one.image_id for one in train} == {1, 3}
        assert [one.image_id for one in validation] == [2]
        assert [one.image_id for one in load(path, split="test", classes=dataset.class_names)] == [9]
        assert {one.image_id for one in load(path, split="all", classes=dataset.class_names)} == {1, 2, 3, 9}
        assert train.format == validation.format == key

    def test_ids_of_a_dataset_with_gaps_come_back_where_there_are_any(self, dataset, tmp_path, key):
        found = load(write(dataclasses.replace(dataset, dataset_ids=(3, 90)), tmp_path / "data", key), split="all")
        assert found.dataset_ids == ((3, 90) if key in ("coco", "tfrecord") else ())

    def test_files_are_copied_as_they_are(self, tmp_path, key):
        from PIL import Image

        Image.fromarray(image()).save(tmp_path / "photo.jpg", quality=60)
        path = write(Dataset([sample(5, source=tmp_path / "photo.jpg")], ["cat"]), tmp_path / "data", key)
        (found,) = load(path, split="all")
        data = found.source if isinstance(found.source, bytes) else found.source.read_bytes()
        assert data == (tmp_path / "photo.jpg").read_bytes()

    def test_bytes_and_functions_are_images_too(self, dataset, tmp_path, key):
        from centernet.data.image_files import as_png

        parts = [sample(1, source=as_png(image(50))), sample(2, source=lambda: image(60))]
        found = load(write(Dataset(parts, ["cat"]), tmp_path / "data", key), split="all")
        assert {one.image_id: int(one.image[0, 0, 0]) for one in found} == {1: 50, 2: 60}

    def test_a_missing_image_is_named_and_stops_nothing(self, dataset, tmp_path, caplog, key):
        gone = Dataset([*dataset, sample(4, source=tmp_path / "gone.jpg")], dataset.class_names)
        found = load(write(gone, tmp_path / "data", key), split="all")
        assert len(found) == (3 if key in ("yolo", "tfrecord") else 4)  # these need the image
        assert "gone.jpg" in caplog.text

    def test_a_file_that_is_no_image_is_named_and_not_copied(self, dataset, tmp_path, caplog, key):
        (tmp_path / "id_rsa").write_text("SECRET")
        (tmp_path / "out").mkdir()
        foreign = Dataset([*dataset, sample(4, source=tmp_path / "id_rsa")], dataset.class_names)
        write(foreign, tmp_path / "out" / "data", key)
        assert "id_rsa" in caplog.text
        written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
        assert written
        assert not any(b"SECRET" in path.read_bytes() for path in written)

    def test_nothing_is_overwritten(self, dataset, tmp_path, key):
        (tmp_path / "mine.txt").write_text("precious")
        with pytest.raises(ConfigError, match=r"has something in it; nothing is overwritten"):
            write(dataset, tmp_path, key)
        assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]

    def test_what_fails_leaves_nothing(self, dataset, tmp_path, key, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(FORMATS[key].module, "write", full)
        with pytest.raises(ConfigError, match="No space left on device"):
            write(dataset, tmp_path / "data", key)
        assert list(tmp_path.iterdir()) == []

    def test_names_that_leave_the_folder_stay_in_it(self, tmp_path, key):
        parts = [sample("../../outside"), sample(".."), sample("a/b")]
        path = write(Dataset(parts, ["cat"]), tmp_path / "in" / "data", key)
        assert len(load(path, split="all")) == 3
        assert {file.name for file in tmp_path.iterdir()} == {"in"}
        assert {file.name for file in path.parent.iterdir()} == {"data"}


def test_what_load_gives_can_be_written(dataset, tmp_path):
    first = write(dataset, tmp_path / "a", "coco")
    train, validation = load(write(load(first), tmp_path / "b", "yolo"))
    assert (len(train), len(validation)) == (2, 1)


def test_what_a_format_cannot_hold_is_said(tmp_path, caplog):
    task = keypoint_task("cat", ["nose"])
    one = sample(1, boxes=[[0, 0, 2, 2]] * 2, class_ids=[0, 0], keypoints=np.ones((2, 1, 3)), ignore=[True, False])
    poses = Dataset([one], ["cat"], keypoints=task)
    caplog.set_level(logging.WARNING)
    write(poses, tmp_path / "voc", "voc")
    assert "Pascal VOC XML has no keypoints; they are not written" in caplog.text
    write(poses, tmp_path / "yolo", "yolo")
    assert "YOLO txt has no ignored objects; 1 are not written" in caplog.text


@pytest.mark.parametrize("class_id", [-1, 2])
def test_classes_without_a_name_are_refused(dataset, tmp_path, class_id):
    wrong = Dataset([*dataset, sample("odd", class_ids=[class_id])], dataset.class_names)
    with pytest.raises(ConfigError, match=rf"class ids of 0–1.*Received: \[{class_id}\] in odd"):
        write(wrong, tmp_path / "data", "csv")


def test_splits_with_other_classes_are_refused(dataset, tmp_path):
    other = dataclasses.replace(dataset, class_names=("cat", "cow"))
    with pytest.raises(ConfigError, match=r"only the second \['cow'\]"):
        write({"train": dataset, "val": other}, tmp_path / "data", "coco")


@pytest.mark.parametrize(("parts", "message"), [({}, "images to write"), ({"holdout": 1}, "splits of")])
def test_other_splits_are_refused(dataset, tmp_path, parts, message):
    with pytest.raises(ConfigError, match=message):
        write(dict.fromkeys(parts, dataset), tmp_path / "data", "coco")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda one: "photos", r"the path 'photos'\. Read it first: centernet\.data\.load\('photos'\)"),
        (lambda one: Path("photos"), "the path 'photos'"),
        (lambda one: (one, one, one), r"3 of \['Dataset'\]\. Give each its split"),
        (lambda one: (one, "photos"), r"2 of \['Dataset', 'str'\]"),
        (lambda one: {"train": one, "val": "photos"}, r"\{'train': 'Dataset', 'val': 'str'\}"),
        (lambda one: None, "Received: NoneType"),
    ],
)
def test_what_is_no_dataset_is_refused(dataset, tmp_path, given, message):
    with pytest.raises(ConfigError, match=rf"Expected a Dataset to write.*{message}"):
        write(given(dataset), tmp_path / "data", "coco")


def test_another_format_is_refused(dataset, tmp_path):
    with pytest.raises(ConfigError, match="Expected a format of"):
        write(dataset, tmp_path / "data", "kitti")
