"""YOLO: data.yaml, places of labels, lines."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from centernet.data import load, synthetic, write
from centernet.data.keypoints import coco_person
from centernet.errors import ConfigError

BOX = "1 0.5 0.25 0.1 0.5\n"


@pytest.fixture
def put(tmp_path):
    def write(name, text=None, size=(200, 100)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            Image.new("RGB", size).save(path)
        else:
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def one_of(put):
    """The sample of a label file."""

    def read(labels, yaml="", names="[cat, dog]"):
        put("images/train/a.png")
        put("labels/train/a.txt", labels)
        found = load(put("data.yaml", f"train: images/train\nnames: {names}\n{yaml}"), split="train")
        return found, found[0]

    return read


def test_boxes_are_in_pixels_of_the_photo(one_of):
    found, one = one_of(BOX)
    np.testing.assert_allclose(one.boxes, [[90, 0, 110, 50]], atol=1e-5)
    assert one.class_ids.tolist() == [1]
    assert (one.size, found.class_names, found.dataset_ids) == ((100, 200), ("cat", "dog"), ())


def test_sizes_follow_the_exif_orientation(put, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    Image.new("RGB", (200, 100)).save(tmp_path / "images" / "a.jpg", exif=exif)
    put("labels/a.txt", "0 0.5 0.5 1 1")
    (one,) = load(put("data.yaml", "train: images\nnames: [cat]"), split="train")
    assert one.boxes.tolist() == [[0, 0, 100, 200]]
    assert one.image.shape[:2] == one.size == (200, 100)


def test_names_as_a_mapping_in_any_order(one_of):
    assert one_of(BOX, names="{1: dog, 0: cat}")[0].class_names == ("cat", "dog")


def test_names_that_are_counted_from_1_or_have_gaps(one_of):
    found, one = one_of("1 0.5 0.5 1 1\n7 0.5 0.5 1 1\n0 0.5 0.5 1 1\n", names="{7: dog, 1: cat}")
    assert found.class_names == ("cat", "dog")
    assert one.class_ids.tolist() == [0, 1, -1]


@pytest.mark.parametrize("names", ["{a: dog}", "5", "[]", "[cat, cat]"])
def test_invalid_names_are_refused(one_of, names):
    with pytest.raises(ConfigError, match=r"names|class"):
        one_of(BOX, names=names)


def test_classes_beyond_the_names_are_kept_for_checking(one_of):
    assert one_of("7 0.5 0.5 2 0\n")[1].class_ids.tolist() == [7]
    assert one_of("7 0.5 0.5 2 0\n")[1].boxes.tolist() == [[-100, 50, 300, 50]]


def test_polygons_become_their_boxes(one_of):
    np.testing.assert_allclose(one_of("0 0.1 0.2 0.3 0.2 0.2 0.6\n")[1].boxes, [[20, 20, 60, 60]], atol=1e-5)


@pytest.mark.parametrize("bad", ["0 0.5 0.5", "cat 0.5 0.5 1 1", "0 0.5 0.5 1 1 0.9", "0,0.5,0.5,1,1", "\x00\x01"])
def test_a_bad_file_is_skipped_and_named(put, one_of, caplog, bad):
    put("images/train/bad.png")
    put("labels/train/bad.txt", BOX + bad)
    assert [sample.image_id for sample in one_of(BOX)[0]] == ["a"]
    assert "skipped 1 of 2 images, whose annotations can't be read: bad.png (" in caplog.text


def test_a_photo_that_has_no_header_is_skipped(put, one_of, caplog):
    put("images/train/b.jpg", "no image")
    assert len(one_of(BOX)[0]) == 1
    assert "b.jpg (expected an image" in caplog.text


def test_a_photo_without_label_file_has_no_objects(put, one_of):
    put("images/train/b.png")
    assert [len(sample.boxes) for sample in one_of(BOX)[0]] == [1, 0]


def test_a_split_without_label_files_gives_a_warning(put, caplog):
    put("images/train/a.png")
    load(put("data.yaml", "train: images/train\nnames: [cat]"), split="train")
    assert "no photo has a label file; looked for" in caplog.text
    assert "labels/train/a.txt" in caplog.text


@pytest.mark.parametrize(
    ("yaml", "photo", "label"),
    [
        ("train: train/images", "train/images/a.png", "train/labels/a.txt"),
        ("train: ../train/images", "train/images/a.png", "train/labels/a.txt"),
        ("path: set\ntrain: images", "set/images/a.png", "set/labels/a.txt"),
        ("path: /elsewhere/set\ntrain: images", "images/a.png", "labels/a.txt"),
        ("train: [photos]", "photos/sub/a.png", "photos/sub/a.txt"),
        ("train: images", "images/sub/a.png", "labels/sub/a.txt"),
        ("train: images", "images/a.png", "images/a.txt"),
        ("train: list.txt", "images/a.png", "labels/a.txt"),
    ],
)
def test_places(put, yaml, photo, label):
    put(photo)
    put(label, "0 0.5 0.5 1 1")
    put("list.txt", "./images/a.png\n")
    (one,) = load(put("data.yaml", f"{yaml}\nnames: [cat]"), split="train")
    assert len(one.boxes) == 1


def test_a_missing_photo_folder_is_refused(put):
    with pytest.raises(ConfigError, match=r"Expected a folder with photos.*images in .*data\.yaml is neither"):
        load(put("data.yaml", "train: images\nnames: [cat]"), split="train")


def test_the_yaml_may_have_another_name_and_be_given_itself(put):
    for split in ("train", "val"):
        put(f"images/{split}/a.png")
    root = put("cells.yaml", "train: images/train\nval: images/val\ntest:\nnames: [cat]")
    assert [len(part) for part in load(root)] == [1, 1]
    assert [len(part) for part in load(root / "cells.yaml")] == [1, 1]


class TestKeypoints:
    def test_with_visibility(self, one_of):
        yaml = "kpt_shape: [2, 3]\nflip_idx: [1, 0]\nkpt_names: {0: [left, right]}"
        found, one = one_of("0 0.5 0.5 1 1 0.1 0.2 2 0 0 0\n1 0.5 0.5 1 1\n", yaml)
        np.testing.assert_allclose(one.keypoints[0], [[20, 20, 2], [0, 0, 0]], atol=1e-5)
        assert not one.keypoints[1].any()
        assert (found.keypoints.names, found.keypoints.flip) == (("left", "right"), (1, 0))
        assert found.keypoints.class_name == "cat"

    def test_without_visibility_those_at_the_corner_are_not_labeled(self, one_of):
        found, one = one_of("1 0.5 0.5 1 1 0.1 0.2 0 0", "kpt_shape: [2, 2]")
        assert one.keypoints[0, :, 2].tolist() == [2, 0]
        assert found.keypoints.names == ("keypoint_0", "keypoint_1")
        assert found.keypoints.class_name == "dog"

    @pytest.mark.parametrize("val", ["0 0.5 0.5 1 1 0.1 0.2 2", "0 0.5 0.5 1 1 0 0 0", "0 0.5 0.5 1 1", "no line"])
    def test_the_class_that_has_them_is_that_of_all_splits_together(self, put, val):
        for split, labels in (("train", "1 0.5 0.5 1 1 0.1 0.2 2\n" * 2), ("val", val)):
            put(f"images/{split}/{split}.png")
            put(f"labels/{split}/{split}.txt", labels)
        put("images/val/b.png")
        root = put("data.yaml", "train: images/train\nval: images/val\nkpt_shape: [1, 3]\nnames: [cat, dog]")
        read = [*load(root), *(load(root, split=split) for split in ("train", "val", "all"))]
        assert {found.keypoints.class_name for found in read} == {"dog"}

    def test_a_split_that_is_not_there_does_not_matter_to_others(self, one_of):
        yaml = "kpt_shape: [1, 3]\nval: images/gone"
        assert one_of("1 0.5 0.5 1 1 0.1 0.2 2", yaml)[0].keypoints.class_name == "dog"

    def test_17_keypoints_with_the_flip_of_coco_are_those_of_coco(self, one_of):
        labels = "0 0.5 0.5 1 1" + " 0.1 0.2 2" * 17
        flip = list(coco_person().flip)
        found, _ = one_of(labels, f"kpt_shape: [17, 3]\nflip_idx: {flip}", names="[person]")
        assert found.keypoints == coco_person()

    def test_a_wrong_number_of_keypoints_skips_the_image(self, put, one_of, caplog):
        put("images/train/b.png")
        put("labels/train/b.txt", "0 0.5 0.5 1 1 0.1")
        one_of("0 0.5 0.5 1 1 0.1 0.2 2", "kpt_shape: [1, 3]")
        assert "line 1 has 6 numbers instead of 8" in caplog.text

    def test_an_invalid_keypoint_shape_is_refused(self, one_of):
        with pytest.raises(ConfigError, match=r"kpt_shape of \[keypoints, 2 or 3\]"):
            one_of(BOX, "kpt_shape: 17")


def test_a_list_that_is_no_text_matters_only_where_it_is_read(put):
    put("images/train/a.png")
    root = put("labels/train/a.txt", "0 0.5 0.5 0.2 0.2 0.5 0.5 2\n")
    (root / "val.txt").write_bytes(b"\xff\xfe")
    path = put("data.yaml", "train: images/train\nval: val.txt\nnames: [cat, dog]\nkpt_shape: [1, 3]\n")
    assert len(load(path, split="train")) == 1
    with pytest.raises(ConfigError, match=r"list of photos.*val\.txt can't be read"):
        load(path, split="val")


def test_names_that_look_like_exponents_stay_names(tmp_path):
    scenes = dataclasses.replace(
        synthetic.shapes(2, (32, 32), classes=("square", "circle")), class_names=("0E0", "1e3")
    )
    write(scenes, tmp_path / "data", format="yolo")
    assert load(tmp_path / "data", split="all").class_names == ("0E0", "1e3")
