"""TFRecord: Examples of the Detection API, shards, label maps, damage."""

from __future__ import annotations

import gzip
import re

import numpy as np
import pytest
import tensorflow as tf

from centernet.data import Dataset, Sample, load, write
from centernet.data.classes import UNKNOWN
from centernet.data.formats import tfrecord
from centernet.data.image_files import as_png
from centernet.data.keypoints import coco_person, keypoint_task
from centernet.errors import ConfigError

IMAGE = as_png(np.zeros((10, 20, 3), np.uint8))
OBJECT = "image/object/"
BOX = {f"{OBJECT}bbox/{side}": [value] for side, value in {"xmin": 0.0, "ymin": 0.1, "xmax": 0.5, "ymax": 1.0}.items()}
CAT = {"image/encoded": [IMAGE], **BOX, f"{OBJECT}class/label": [1], f"{OBJECT}class/text": [b"cat"]}


def example(**features):
    return tfrecord._example({key.replace("__", "/"): values for key, values in features.items()})


@pytest.fixture
def put(tmp_path):
    def write(*records, name="train.record"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record if isinstance(record, bytes) else example(**record))
        return path

    return write


def test_an_example_of_the_detection_api(put):
    flags = {f"{OBJECT}is_crowd": [1], f"{OBJECT}area": [12.5]}
    names = {"image/source_id": [b"397133"], "image/filename": [b"x.jpg"], "image/height": [100], "image/width": [200]}
    found = load(put({**CAT, **flags, **names}), split="all")
    (one,) = found
    np.testing.assert_allclose(one.boxes, [[0, 10, 100, 100]], atol=1e-4)
    assert (one.ignore.tolist(), one.areas.tolist(), one.class_ids.tolist()) == ([True], [12.5], [0])
    assert (one.image_id, one.size, one.source) == (397133, (100, 200), IMAGE)
    assert (found.class_names, found.dataset_ids) == (("cat",), (1,))


def test_without_a_size_that_of_the_image_is_used(put):
    assert load(put(CAT), split="all")[0].size == (10, 20)


@pytest.mark.parametrize("flag", ["difficult", "group_of"])
def test_difficult_objects_are_ignored(put, flag):
    assert load(put({**CAT, OBJECT + flag: [1]}), split="all")[0].ignore.tolist() == [True]


def test_a_label_map_names_the_classes(put, tmp_path):
    text = 'item { id: 3 name: "/m/1" display_name: "dog" }\n# comment\nitem { name: \'cat\' id: 1 }'
    (tmp_path / "label_map.pbtxt").write_text(text)
    rows = [{**CAT, f"{OBJECT}class/label": [label]} for label in (1, 3, 2)]
    found = load(put(*rows), split="all")
    assert (found.class_names, found.dataset_ids) == (("cat", "dog"), (1, 3))
    assert [one.class_ids.tolist() for one in found] == [[0], [1], [UNKNOWN]]


def test_without_a_label_map_the_classes_are_those_of_all_records(put, tmp_path):
    put(CAT, name="train.record")
    put({**CAT, f"{OBJECT}class/label": [4], f"{OBJECT}class/text": [b"dog"]}, name="val.record")
    put({**CAT, f"{OBJECT}class/label": [2], f"{OBJECT}class/text": []}, name="test.record")
    for found in (*load(tmp_path), load(tmp_path, split="val")):
        assert (found.class_names, found.dataset_ids) == (("cat", "class_2", "dog"), (1, 2, 4))


def test_names_without_labels_are_sorted(put):
    rows = [{**CAT, f"{OBJECT}class/label": [], f"{OBJECT}class/text": [name]} for name in (b"dog", b"cat")]
    found = load(put(*rows), split="all")
    assert found.class_names == ("cat", "dog")
    assert [one.class_ids.tolist() for one in found] == [[1], [0]]


@pytest.mark.parametrize(
    "bad",
    [
        b"\xff\xff",
        example(a=[1]),
        {**CAT, f"{OBJECT}bbox/xmin": [0.0, 0.5]},
        {**CAT, f"{OBJECT}class/label": [1, 1]},
        {**CAT, "image/encoded": [b"no image"]},
    ],
)
def test_a_bad_record_is_skipped_and_named(put, caplog, bad):
    assert len(load(put(bad, CAT), split="all")) == 1
    assert re.search(r"skipped 1 of 2 images, whose records can't be read: train\.record record 0 \(", caplog.text)


@pytest.mark.parametrize("cut", [True, False])
def test_records_after_damage_are_skipped(put, tmp_path, caplog, cut):
    put(CAT, name="train.record-00000-of-00002")
    damaged = put(CAT, CAT, CAT, name="train.record-00001-of-00002")
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data[: len(data) // 2] if cut else data)
    assert len(load(tmp_path, split="train")) == 2
    assert "train.record-00001-of-00002 from its damage on" in caplog.text


def test_an_invalid_file_is_refused(tmp_path):
    (tmp_path / "train.record").write_bytes(b"\x01" * 100)
    with pytest.raises(ConfigError, match="None of 1 can be read"):
        load(tmp_path, split="train")


def test_compressed_records(put, tmp_path):
    path = put(CAT, CAT)
    (tmp_path / "val.tfrecord").write_bytes(gzip.compress(path.read_bytes()))
    assert len(load(tmp_path, split="val")) == 2


class TestFiles:
    def test_shards_of_splits(self, put, tmp_path, caplog):
        for shard in (0, 2):
            put(CAT, name=f"coco_train.record-0000{shard}-of-00003")
        put(CAT, name="coco_val.record-00000-of-00001")
        assert [len(part) for part in load(tmp_path)] == [2, 1]
        assert "coco_train.record: 1 of 3 shards are missing: [1]" in caplog.text

    def test_names_without_their_ends_and_patterns(self, put, tmp_path):
        for shard in (0, 1):
            put(CAT, name=f"train.record-0000{shard}-of-00002")
        assert len(load(tmp_path / "train.record", split="train")) == 2
        assert len(load(tmp_path / "train.record-?????-of-00002", split="train")) == 2
        assert len(load(tmp_path / "train.record-00001-of-00002", split="all")) == 1

    def test_folders_of_splits_with_their_label_maps(self, put, tmp_path):
        for split in ("train", "valid"):
            put(CAT, name=f"{split}/Cells.tfrecord")
            (tmp_path / split / "Cells_label_map.pbtxt").write_text(
                'item { id: 1 name: "cat" } item { id: 2 name: "x" }'
            )
        assert [part.class_names for part in load(tmp_path)] == [("cat", "x")] * 2

    def test_many_images_make_several_shards(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tfrecord, "PER_SHARD", 2)
        dataset = Dataset([Sample(IMAGE, [], [], number) for number in range(5)], ["cat"])
        path = write({"train": dataset}, tmp_path / "data", "tfrecord")
        names = sorted(file.name for file in path.glob("*.record*"))
        assert names == [f"train.record-0000{shard}-of-00003" for shard in range(3)]
        assert [one.image_id for one in load(path, split="train")] == list(range(5))


class TestIds:
    def test_file_names_where_ids_are_not_different(self, put):
        rows = [{**CAT, "image/source_id": [b"0"], "image/filename": [name]} for name in (b"a.jpg", b"b.jpg")]
        assert [one.image_id for one in load(put(*rows), split="all")] == ["a", "b"]

    def test_numbers_where_names_are_not_either(self, put):
        assert [one.image_id for one in load(put(CAT, CAT), split="all")] == [1, 2]


class TestKeypoints:
    def test_of_the_detection_api(self, put):
        names = [name.encode() for name in coco_person().names]
        points = {"x": [0.5] * 17, "y": [0.1] * 17, "visibility": [2] * 17, "text": names}
        found = load(put({**CAT, **{f"{OBJECT}keypoint/{key}": found for key, found in points.items()}}), split="all")
        assert found.keypoints.names == coco_person().names
        assert found.keypoints.class_name == "cat"
        np.testing.assert_allclose(found[0].keypoints[0], [[10, 1, 2]] * 17, atol=1e-5)

    def test_without_visibility_keypoints_at_zero_are_not_labeled(self, put):
        points = {f"{OBJECT}keypoint/x": [0.5, float("nan"), 0], f"{OBJECT}keypoint/y": [0.1, float("nan"), 0]}
        found = load(put({**CAT, **points}), split="all")
        assert found[0].keypoints[0].tolist() == [[10, 1, 2], [0, 0, 0], [0, 0, 0]]
        assert found.keypoints.names == ("keypoint_0", "keypoint_1", "keypoint_2")

    def test_what_is_written_is_what_the_detection_api_reads(self, tmp_path):
        task = keypoint_task("cat", ["left", "right"])
        one = Sample(IMAGE, [[0, 0, 20, 10]] * 2, [0, 0], 5, np.ones((2, 2, 3)), [True, False], [3, 4], (10, 20))
        path = write(Dataset([one], ["cat"], [7], task), tmp_path / "data", "tfrecord")
        item = 'item { id: 7 name: "cat" keypoints { id: 0 label: "left" } keypoints { id: 1 label: "right" } }'
        assert " ".join((path / "label_map.pbtxt").read_text().split()) == item
        (record,) = tfrecord._records(path / "data.record-00000-of-00001")
        kinds = {
            key: feature.WhichOneof("kind")
            for key, feature in tf.train.Example.FromString(record).features.feature.items()
        }
        assert kinds["image/encoded"] == kinds["image/format"] == kinds["image/source_id"] == "bytes_list"
        assert {kinds[OBJECT + key] for key in ("bbox/xmin", "bbox/ymax", "area", "keypoint/x")} == {"float_list"}
        integers = ("class/label", "is_crowd", "keypoint/visibility", "keypoint/num")
        assert {kinds[OBJECT + key] for key in integers} == {"int64_list"}
        features = tfrecord._features(record)
        assert features[f"{OBJECT}class/label"] == [7, 7]
        assert features[f"{OBJECT}keypoint/text"] == [b"left", b"right"] * 2
        assert features["image/format"] == [b"png"]
