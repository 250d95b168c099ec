"""The contract of dataset formats: every entry of `FORMATS` is put through these tests by being in the table."""

from __future__ import annotations

import dataclasses
import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_datasets import NAMES, NUMBERS, assert_same, datasets

from centernet.data import Dataset, Sample, load, write
from centernet.data.formats import FORMATS
from centernet.data.keypoints import keypoint_task
from centernet.errors import ConfigError

WRITTEN = [key for key, entry in FORMATS.items() if entry.write]  # the others: test_tools.py
quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def image(value=7, size=(6, 8)):
    return np.full((*size, 3), value, np.uint8)


def sample(image_id, **changes):
    fields = {"boxes": [[1, 2, 5, 4]], "class_ids": [0], "size": (6, 8), "source": image(), **changes}
    return Sample(image_id=image_id, **fields)


@pytest.fixture
def dataset():
    return Dataset([sample(1), sample(2, boxes=[], class_ids=[]), sample(3, class_ids=[1])], ["cat", "dog"])


def has_keypoints_without_box(one):
    if one.keypoints is None:
        return False
    written_as_zeros = (np.abs(one.boxes) < 1e-5).all(axis=1)
    return (written_as_zeros & (one.keypoints[..., 2] > 0).any(axis=1)).any()


def there_and_back(dataset, key):
    with tempfile.TemporaryDirectory() as folder:
        path = write(dataset, Path(folder) / "data", key)
        found = load(path, key, "all", classes=dataset.class_names)
        read = [dataclasses.replace(one, source=one.image) for one in found]  # before the folder goes
        return dataclasses.replace(found, samples=tuple(read))


@pytest.mark.parametrize("key", WRITTEN)
class TestContract:
    @quick
    @given(drawn=st.data())
    def test_what_is_written_is_read_back(self, key, drawn):
        entry = FORMATS[key]
        ids = NUMBERS if entry.integer_ids else NUMBERS | NAMES
        dataset = drawn.draw(datasets(ids=ids, keypoints=entry.keeps_keypoints))
        assume(not any(has_keypoints_without_box(one) for one in dataset))  # COCO's four zeros mean no box
        stored = {"areas": entry.keeps_areas, "ignore": entry.keeps_ignore, "places": entry.precision}
        assert_same(there_and_back(dataset, key), dataset, **stored)

    def test_it_is_recognized_and_named(self, tmp_path, caplog, key):
        dataset = Dataset([sample(number, class_ids=[number % 2]) for number in range(10)], ["cat", "dog"])
        caplog.set_level(logging.INFO, "centernet")
        path = write(dataset, tmp_path / "data", key)
        assert FORMATS[key].module.recognize(path)
        assert load(path, split="all").format == key
        assert f"(format={key!r})" in caplog.text
        assert f"10 images, 10 objects, 2 classes, read as {FORMATS[key].title}" in caplog.text

    def test_an_empty_folder_and_other_files_are_not_recognized(self, tmp_path, key):
        assert not FORMATS[key].module.recognize(tmp_path)
        for name in ("notes.txt", "photo.jpg", "data.json", "data.yaml", "data.xml", "data.csv"):
            (tmp_path / name).write_text("{}")
        assert not FORMATS[key].module.recognize(tmp_path)
        assert not any(FORMATS[key].module.recognize(file) for file in tmp_path.iterdir())

    def test_images_without_objects_come_back(self, dataset, tmp_path, key):
        found = load(write(dataset, tmp_path / "data", key), split="all")
        assert {one.image_id: one.boxes.shape for one in found} == {1: (1, 4), 2: (0, 4), 3: (1, 4)}

    def test_keypoints_come_back_or_their_loss_is_said(self, tmp_path, caplog, key):
        task = keypoint_task("dog", ["nose", "left_ear", "right_ear"])
        points = np.array([[[1, 2, 2], [4.5, 3, 1], [0, 0, 0]], [[0, 0, 0]] * 3], np.float32)
        posed = sample(1, boxes=[[1, 2, 5, 4], [0, 0, 3, 3]], class_ids=[1, 0], keypoints=points)
        caplog.set_level(logging.WARNING, "centernet")
        found = load(write(Dataset([posed], ["cat", "dog"], keypoints=task), tmp_path / "data", key), split="all")
        if FORMATS[key].keeps_keypoints:
            assert found.keypoints == task
            np.testing.assert_allclose(found[0].keypoints, points, atol=FORMATS[key].precision)
        else:
            assert (found.keypoints, found[0].keypoints) == (None, None)
            assert f"{FORMATS[key].title} has no keypoints" in caplog.text

    def test_datasets_print_their_split(self, dataset, tmp_path, key):
        path = write({"train": dataset[:2], "val": dataset[2:]}, tmp_path / "data", key)
        text = "Dataset(2 images, 1 object, classes=('cat', 'dog'), split='train')"
        assert repr(load(path, split="train", classes=["cat", "dog"])) == text

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
        assert found.dataset_ids == ((3, 90) if FORMATS[key].keeps_ids else ())

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
