"""COCO JSON: where files and photos are found, and what is read of them."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest

from centernet.data import load
from centernet.data.classes import UNKNOWN
from centernet.errors import ConfigError

ROW = {"id": 1, "image_id": 7, "category_id": 3, "bbox": [10, 20, 30.5, 40], "area": 600, "iscrowd": 0}


def content(rows=(ROW,), images=None, categories=None, **more):
    return {
        "images": images or [{"id": 7, "file_name": "a.jpg", "height": 100, "width": 200}],
        "annotations": list(rows),
        "categories": categories or [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
        **more,
    }


@pytest.fixture
def put(tmp_path):
    def write(name="data.json", **parts):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content(**parts)))
        return path

    return write


def test_boxes_areas_crowds_and_ids(put):
    found = load(put(rows=[ROW, {**ROW, "iscrowd": 1, "category_id": 9, "area": None}]), split="all")
    (one,) = found
    assert one.boxes.tolist() == [[10, 20, 40.5, 60]] * 2
    assert one.areas.tolist() == [600, 1220]
    assert one.ignore.tolist() == [False, True]
    assert one.class_ids.tolist() == [0, 1]
    assert (one.image_id, one.size) == (7, (100, 200))
    assert (found.class_names, found.dataset_ids) == (("cat", "dog"), (3, 9))


def test_nothing_is_repaired(put):
    boxes = [[-5, 20, 0, 40], [190, 90, 500, -3], [0, 0, float("nan"), 1]]
    (one,) = load(put(rows=[{**ROW, "bbox": box} for box in boxes]), split="all")
    assert one.boxes[:2].tolist() == [[-5, 20, -5, 60], [190, 90, 690, 87]]
    assert np.isnan(one.boxes[2, 2])


def test_whole_numbers_with_a_point_are_ids_of_categories(put):
    categories = [{"id": 3, "name": "cat"}, {"id": 4.0, "name": "cat"}]
    found = load(put(rows=[{**ROW, "category_id": 4.0}], categories=categories), split="all")
    assert (found.dataset_ids, found[0].class_ids.tolist()) == ((4,), [0])


def test_a_coco_json_beside_other_datasets_is_read(put):
    path = put("r/instances.json")
    for name in ("raw1", "raw2"):
        annotations = path.parent / name / "annotations"
        annotations.mkdir(parents=True)
        (annotations / "0.xml").write_text("<annotation><object/></annotation>")
    assert len(load(path.parent, split="all")) == 1


def test_categories_that_are_not_listed_are_unknown(put):
    (one,) = load(put(rows=[ROW, {**ROW, "category_id": 0}, {**ROW, "category_id": None}]), split="all")
    assert one.class_ids.tolist() == [0, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    "bad",
    [
        {"bbox": [1, 2, 3]},
        {"bbox": None, "segmentation": [[1, 2, 3]]},
        {"bbox": None, "segmentation": {"size": [4, 4], "counts": "abc"}},
        {"iscrowd": 2},
        {"ignore": "no"},
        {"bbox": ["a", 1, 2, 3]},
        {"area": "large"},
        {"bbox": [[1, 2, 3, 4], 2, 3, 4]},
        {"category_id": []},
    ],
)
def test_an_invalid_annotation_skips_its_image(put, caplog, bad):
    images = [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}]
    found = load(put(rows=[ROW, {**ROW, **bad, "image_id": 8}], images=images), split="all")
    assert [one.image_id for one in found] == [7]
    assert "skipped 1 of 2 images, whose annotations can't be read: b.jpg (" in caplog.text


def test_an_annotation_without_box_has_that_of_its_segmentation_or_is_left_out(put, caplog):
    places = [{"segmentation": [[1, 2, 5, 2, 5, 8]]}, {"segmentation": {"size": [10, 20], "counts": [11, 2, 187]}}, {}]
    rows = [ROW, *({**ROW, "bbox": None, "area": None, **place} for place in places), {**ROW, "bbox": []}]
    (one,) = load(put(rows=rows), split="all")
    assert one.boxes.tolist() == [[10, 20, 40.5, 60], [1, 2, 5, 8], [1, 1, 2, 3]]
    assert one.areas.tolist() == [600, 24, 2]
    assert caplog.text.count("left out 2 annotations, which have neither bbox nor segmentation") == 1


@pytest.mark.parametrize("bad", [{"id": 8}, {"file_name": "b.jpg"}, {"id": 7, "file_name": "b.jpg"}, 5, None])
def test_an_invalid_image_is_skipped(put, caplog, bad):
    found = load(put(images=[{"id": 7, "file_name": "a.jpg"}, bad]), split="all")
    assert len(found) == 1
    assert "skipped 1 of 2 images" in caplog.text


def test_annotations_of_no_image_are_counted(put, caplog):
    assert len(load(put(rows=[ROW, {**ROW, "image_id": 99}, 5]), split="all")[0].boxes) == 1
    assert "2 of 3 annotations belong to no image" in caplog.text


def test_ids_that_are_texts_in_one_list_only_are_the_same(put):
    assert len(load(put(rows=[{**ROW, "image_id": "7"}]), split="all")[0].boxes) == 1


@pytest.mark.parametrize("of_annotations", [3, "3"])
@pytest.mark.parametrize("of_categories", [3, "3"])
def test_ids_of_categories_may_be_texts(put, of_annotations, of_categories):
    categories = [{**POSE, "id": of_categories}, {"id": "9", "name": "dog"}]
    rows = [{**ROW, "category_id": of_annotations, "keypoints": [1, 2, 2] * 3}, {**ROW, "category_id": "9"}]
    found = load(put(rows=rows, categories=categories), split="all")
    assert (found.dataset_ids, found[0].class_ids.tolist()) == ((3, 9), [0, 1])
    assert found[0].keypoints[:, 0].tolist() == [[1, 2, 2], [0, 0, 0]]


@pytest.mark.parametrize("flag", ["iscrowd", "ignore"])
def test_flags_may_be_texts(put, flag):
    values = [0, 1, "0", "1", None, False, True]
    (one,) = load(put(rows=[{**ROW, flag: value} for value in values]), split="all")
    assert one.ignore.tolist() == [False, True, False, True, False, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', "can't be read as one"),
        ('{"images": []}', r"Missing: \['annotations', 'categories'\]"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "cat"}]}', "It has none"),
        ('{"images": [], "annotations": [], "categories": []}', "at least one class"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1}]}', "categories with id and name"),
    ],
)
def test_invalid_files_are_refused(tmp_path, text, message):
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "data.json", split="all")


def test_two_categories_with_one_id(put):
    with pytest.raises(ConfigError, match="different ids"):
        load(put(categories=[{"id": 3, "name": "cat"}, {"id": 3, "name": "dog"}]), split="all")


RED = [{"id": 0, "name": "red"}, {"id": 1, "name": "red"}, {"id": 2, "name": "blue"}]


@pytest.mark.parametrize(("used", "ids"), [((1, 2), (1, 2)), (("0", 2), (0, 2)), ((2,), (0, 2))])
def test_categories_of_the_same_name_without_objects_are_left_out(put, caplog, used, ids):
    found = load(put(rows=[{**ROW, "category_id": number} for number in used], categories=RED), split="all")
    assert (found.class_names, found.dataset_ids) == (("red", "blue"), ids)
    assert [found.dataset_ids[number] for number in found[0].class_ids] == [int(number) for number in used]
    assert f"[0, 1], which are all called red, {ids[0]} has the objects; the others are left out" in caplog.text


def test_two_categories_of_the_same_name_with_objects_are_refused(put):
    rows = [{**ROW, "category_id": number} for number in (0, 1)]
    with pytest.raises(ConfigError, match=r"ids \[0, 1\] are all called 'red'.*Give each id a name of its own"):
        load(put(rows=rows, categories=RED), split="all")


@pytest.mark.parametrize(
    ("file", "photo"),
    [
        ("data.json", "a.jpg"),
        ("data.json", "images/a.jpg"),
        ("annotations/instances_train2017.json", "train2017/a.jpg"),
        ("annotations/instances_train2017.json", "images/train2017/a.jpg"),
        ("annotations/instances_train.json", "images/a.jpg"),
        ("annotations/instances_train.json", "a.jpg"),
        ("train/_annotations.coco.json", "train/a.jpg"),
    ],
)
def test_photos_are_found(put, tmp_path, file, photo):
    put(file)
    (tmp_path / "images").mkdir(exist_ok=True)
    path = tmp_path / photo
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert load(tmp_path, split="all")[0].source == path
    assert load(tmp_path / file, split="all")[0].source == path


def test_names_of_windows(put, tmp_path):
    photo = tmp_path / "images" / "sub" / "a.jpg"
    photo.parent.mkdir(parents=True)
    photo.touch()
    (one,) = load(put(images=[{"id": 7, "file_name": "sub\\a.jpg"}]), split="all")
    assert one.source == photo


def test_photos_that_are_missing_do_not_matter(put, tmp_path):
    assert load(put(), split="all")[0].source == tmp_path / "a.jpg"


def test_splits_of_names_and_folders(put, tmp_path):
    put("annotations/instances_train2017.json")
    put("annotations/instances_val2017.json")
    put("annotations/person_keypoints_val2017.json")
    put("annotations/captions_val2017.json")
    train, validation = load(tmp_path)
    assert (train.name, validation.name) == (f"{tmp_path.name} (train)", f"{tmp_path.name} (val)")
    put("other/train/_annotations.coco.json")
    put("other/valid/_annotations.coco.json")
    assert load(tmp_path / "other")[1].name == "other (valid)"


def test_a_file_has_the_split_of_its_name(put):
    assert load(put("instances_val2017.json"), split="val").name == "instances_val2017.json (val)"


def test_several_files_without_a_split_are_refused(put, tmp_path):
    put("a.json")
    put("b.json")
    with pytest.raises(ConfigError, match=r"Found: a\.json, b\.json\. Give one"):
        load(tmp_path)


def test_detections_are_no_dataset(put, tmp_path):
    put("instances.json")
    (tmp_path / "detections.json").write_text('[{"image_id": 1, "bbox": [1, 2, 3, 4], "images": 0}]')
    assert len(load(tmp_path, split="all")) == 1


POSE = {"id": 3, "name": "cat", "keypoints": ["nose", "left_ear", "right_ear"], "skeleton": [[1, 2], [1, 3]]}


class TestKeypoints:
    def test_schema_and_positions(self, put):
        rows = [{**ROW, "keypoints": [1, 2, 2, 3, 4, 1, 0, 0, 0]}, ROW, {**ROW, "category_id": 9}]
        found = load(put(rows=rows, categories=[POSE, {"id": 9, "name": "dog"}]), split="all")
        task = found.keypoints
        assert (task.class_name, task.names) == ("cat", ("nose", "left_ear", "right_ear"))
        assert (task.skeleton, task.flip) == (((0, 1), (0, 2)), (0, 2, 1))
        assert found[0].keypoints.shape == (3, 3, 3)
        assert found[0].keypoints[0].tolist() == [[1, 2, 2], [3, 4, 1], [0, 0, 0]]
        assert not found[0].keypoints[1:].any()

    def test_a_wrong_number_of_keypoints_skips_the_image(self, put, caplog):
        images = [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}]
        rows = [ROW, {**ROW, "image_id": 8, "keypoints": [1, 2, 2]}]
        assert len(load(put(rows=rows, images=images, categories=[POSE]), split="all")) == 1
        assert "annotation 1 has 3 instead of 9 keypoints" in caplog.text

    def test_of_several_classes_the_first_has_them(self, put, caplog):
        other = {**POSE, "id": 9, "name": "dog"}
        assert load(put(categories=[POSE, other]), split="all").keypoints.class_name == "cat"
        assert "only the keypoints of cat are read, not those of dog" in caplog.text

    def test_an_image_without_objects(self, put):
        assert load(put(rows=[], categories=[POSE]), split="all")[0].boxes.shape == (0, 4)


def test_the_choice_between_files_is_logged_once(put, tmp_path, caplog):
    caplog.set_level(logging.INFO, "centernet")
    put("instances_val.json")
    put("person_keypoints_val.json")
    put("annotations/other_val.json")
    load(tmp_path, split="val")
    assert caplog.text.count(" is read") == 1
    assert "instances_val.json is read, and not person_keypoints_val.json, annotations/other_val.json;" in caplog.text


def test_numbers_outside_of_json_change_nothing_else(put):
    """NaN makes Python's decoder read the file instead of the typed one."""
    outline = {"segmentation": [[10, 20, 40, 20, 40, 60]], "bbox": None, "keypoints": [15, 25, 2, 30, 50, 2]}
    keypoints = {"bbox": [0, 0, 0, 0], "keypoints": [10, 20, 2, 30, 60, 2]}
    rows = [{**ROW, "id": n, **more} for n, more in enumerate(({}, outline, keypoints, {"area": None}))]
    categories = [{"id": ROW["category_id"], "name": "cat", "keypoints": ["nose", "tail"]}]
    typed = load(put(rows=rows, categories=categories), split="all")[0]
    rows.append({**ROW, "id": 9, "area": float("nan")})
    other = load(put(rows=rows, categories=categories), split="all")[0]
    assert len(typed.boxes) == 4
    np.testing.assert_array_equal(typed.boxes[1], [10, 20, 40, 60])
    for name in ("boxes", "class_ids", "keypoints", "ignore", "areas"):
        np.testing.assert_array_equal(getattr(other, name)[:4], getattr(typed, name))
    assert np.isnan(other.areas[4])
