"""Formats that are read through Datumaro, as Datumaro itself writes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from centernet.data import load
from centernet.data.formats.through_datumaro import DatumaroModule
from centernet.errors import ConfigError, MissingExtraError

datumaro = pytest.importorskip("datumaro")
BOXES = np.array([[5.5, 6.0, 25.5, 16.25], [30.0, 2.0, 41.0, 40.0]])
FORMATS = (
    *("arrow", "coco_instances", "cvat", "datumaro_binary", "kitti_detection", "label_me", "open_images"),
    *("tf_detection_api", "voc_detection", "wider_face", "yolo"),
)


def written(folder: Path, name: str, annotations: list[Any] | None = None) -> Path:
    """Three images of `train` and one of `val`, each with an object of both classes."""
    from datumaro.components.media import Image

    boxes = [
        datumaro.Bbox(x0, y0, x1 - x0, y1 - y0, label=label, id=label + 1, group=label + 1)
        for label, (x0, y0, x1, y1) in enumerate(BOXES.tolist())
    ]
    items = [
        datumaro.DatasetItem(
            f"p{number}",
            subset="train" if number < 3 else "val",
            media=Image.from_numpy(data=np.full((60, 80, 3), 40 * number, np.uint8)),
            annotations=annotations or boxes,
        )
        for number in range(4)
    ]
    dataset = datumaro.Dataset.from_iterable(items, categories=["cat", "dog"], media_type=Image)
    dataset.export(str(folder / name), name, save_media=True)
    return folder / name


@pytest.mark.parametrize("name", FORMATS)
def test_boxes_classes_and_subsets(tmp_path: Path, name: str) -> None:
    train, validation = load(written(tmp_path, name), f"datumaro:{name}")
    assert (len(train), len(validation)) == (3, 1)
    for sample in (*train, *validation):
        named = {train.class_names[label]: box for label, box in zip(sample.class_ids, sample.boxes, strict=True)}
        assert named.keys() == {"cat", "dog"}
        np.testing.assert_allclose([named["cat"], named["dog"]], BOXES, atol=0.011)
        assert sample.image.shape == (60, 80, 3)
    assert [int(sample.image[0, 0, 0]) for sample in sorted(train, key=lambda one: one.image_id)] == [0, 40, 80]


def test_polygons_and_masks_have_the_box_around_them(tmp_path: Path) -> None:
    mask = np.zeros((60, 80), np.uint8)
    mask[3:9, 20:30] = 1
    shapes = [
        datumaro.Polygon([1, 2, 11, 2, 6, 12], label=0, id=1, group=1),
        datumaro.Polygon([20, 30, 25, 31, 22, 33], label=0, id=1, group=1),  # another part of the same object
        datumaro.Mask(mask, label=1, id=2, group=2),
    ]
    dataset = load(written(tmp_path, "datumaro_binary", shapes), "datumaro:datumaro_binary", "train")
    np.testing.assert_allclose(dataset[0].boxes[0], [1, 2, 25, 33])
    np.testing.assert_allclose(dataset[0].boxes[1], [20, 3, 30, 9], atol=1.001)
    assert dataset[0].class_ids.tolist() == [0, 1]


def test_a_polygon_whose_group_has_a_box_is_the_same_object(tmp_path: Path) -> None:
    shapes = [
        datumaro.Polygon([1, 2, 11, 2, 6, 12], label=0, id=1, group=1),
        datumaro.Bbox(0, 1, 12, 13, label=0, id=2, group=1),
        datumaro.Polygon([20, 30, 25, 31, 22, 33], label=1, id=3),
    ]
    dataset = load(written(tmp_path, "datumaro_binary", shapes), "datumaro:datumaro_binary", "train")
    assert dataset[0].boxes.tolist() == [[0, 1, 12, 14], [20, 30, 25, 33]]


@pytest.mark.parametrize("form", ["coco_person_keypoints", "datumaro", "cvat"])
def test_keypoints_that_datumaro_writes_are_read_by_our_readers(tmp_path: Path, form: str) -> None:
    """CVAT's points have neither names nor visibility: Datumaro writes all as visible, a missing one at 0, 0."""
    task = datumaro.PointsCategories()
    task.add(0, ["left", "right", "tip"], joints=[(1, 2), (2, 3)])
    states = datumaro.Points.Visibility
    hand = datumaro.Points(
        [10.25, 11, 20.5, 21, 0, 0], [states.visible, states.hidden, states.absent], label=0, id=1, group=1
    )
    item = datumaro.DatasetItem(
        "a",
        subset="train",
        media=datumaro.Image.from_numpy(data=np.zeros((60, 80, 3), np.uint8)),
        annotations=[hand, datumaro.Bbox(5.5, 6, 20, 18, label=0, id=1, group=1)],
    )
    kinds = datumaro.AnnotationType
    categories = {kinds.label: datumaro.LabelCategories.from_iterable(["hand", "cup"]), kinds.points: task}
    dataset = datumaro.Dataset.from_iterable([item], categories=categories, media_type=datumaro.Image)
    dataset.export(str(tmp_path / form), form, save_media=True)
    found = load(tmp_path / form, split="all")
    np.testing.assert_allclose(found[0].boxes, [[5.5, 6, 25.5, 24]])
    expected = [[10.25, 11, 2], [20.5, 21, 1], [0, 0, 0]]
    if form == "cvat":
        expected = [[x, y, 2] for x, y, _ in expected]
    np.testing.assert_allclose(found[0].keypoints, [expected], atol=0.005)
    assert found.keypoints.class_name == "hand"
    if form != "cvat":
        assert found.keypoints.names == ("left", "right", "tip")


def test_names_and_folders_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"of Datumaro, such as kitti_detection.*Received: 'datumaro:kitti_detecion'"):
        load(tmp_path, "datumaro:kitti_detecion")
    with pytest.raises(ConfigError, match=r"Datumaro can't read .* as voc: "):
        load(tmp_path, "datumaro:voc")
    with pytest.raises(ConfigError, match=r"or datumaro:NAME. Received: format='kiti'"):
        load(tmp_path, "kiti")
    monkeypatch.setitem(sys.modules, "datumaro", None)
    with pytest.raises(MissingExtraError, match=r"pip install centernet\[formats\]"):
        DatumaroModule("datumaro:voc")
