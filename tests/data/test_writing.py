"""Writing: splits, losses that are logged, and input that is refused."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest

from centernet.data import Dataset, Sample, load, write
from centernet.data.keypoints import keypoint_task
from centernet.errors import ConfigError


def image(value=7, size=(6, 8)):
    return np.full((*size, 3), value, np.uint8)


def sample(image_id, **changes):
    fields = {"boxes": [[1, 2, 5, 4]], "class_ids": [0], "size": (6, 8), "source": image(), **changes}
    return Sample(image_id=image_id, **fields)


@pytest.fixture
def dataset():
    return Dataset([sample(1), sample(2, boxes=[], class_ids=[]), sample(3, class_ids=[1])], ["cat", "dog"])


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
