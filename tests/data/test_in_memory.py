"""Datasets from objects in memory, with stand-ins of the libraries that have the attributes that are read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from centernet.data import from_datumaro, from_huggingface, from_samples, from_supervision, from_torchvision
from centernet.errors import ConfigError

PIXELS = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
BOXES = [[1.0, 2.0, 5.0, 4.0], [0.0, 0.0, 8.0, 6.0]]


def check(dataset: Any, classes: tuple[str, ...] = ("cat", "dog")) -> None:
    assert dataset.class_names == classes
    assert dataset[0].boxes.tolist() == BOXES
    assert dataset[0].class_ids.tolist() == [1, 0]
    np.testing.assert_array_equal(dataset[0].image, PIXELS)


def test_mappings_with_names() -> None:
    rows = [{"image": PIXELS, "boxes": BOXES, "labels": ["dog", "cat"]}, {"image": PIXELS, "boxes": [], "labels": []}]
    dataset = from_samples(rows)
    check(dataset)
    assert [sample.image_id for sample in dataset] == [1, 2]
    assert dataset[1].boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": PIXELS, "boxes": BOXES}, "class_ids"),
        ({"image": PIXELS, "boxes": BOXES, "labels": ["dog", "cow"]}, "cow"),
        ({"image": PIXELS, "boxes": BOXES, "class_ids": [1, 0], "colour": 1}, "colour"),
        ({"image": PIXELS, "boxes": [1, 2, 3], "class_ids": [0]}, "reshape"),
    ],
)
def test_rows_that_do_not_fit_are_named(row: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"Received: sample 1 with .*{message}"):
        from_samples([row], ["cat", "dog"])


def test_supervision(tmp_path: Any) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    found = SimpleNamespace(xyxy=np.float32(BOXES), class_id=np.array([1, 0]))
    check(from_supervision(SimpleNamespace(classes=["cat", "dog"], annotations={str(tmp_path / "a.png"): found})))


class HuggingFace(list):
    """The rows of a `datasets.Dataset`, whose image column is decoded on access."""

    features: Any = None

    def remove_columns(self, name: str) -> list[dict[str, Any]]:
        return [{key: value for key, value in row.items() if key != name} for row in self]


@pytest.mark.parametrize("box_format", ["xywh", "xyxy"])
def test_hugging_face(box_format: str) -> None:
    boxes = BOXES if box_format == "xyxy" else [[1, 2, 4, 2], [0, 0, 8, 6]]
    dataset = HuggingFace([{"image": Image.fromarray(PIXELS), "objects": {"bbox": boxes, "category": [1, 0]}}])
    label = SimpleNamespace(names=["cat", "dog"])
    dataset.features = {"image": None, "objects": {"bbox": None, "category": SimpleNamespace(feature=label)}}
    check(from_huggingface(dataset, box_format=box_format))  # type: ignore[arg-type]
    dataset.features = {"image": None, "objects": {"category": SimpleNamespace(feature=None)}}
    with pytest.raises(ConfigError, match="categories with names"):
        from_huggingface(dataset)
    dataset.features = {"image": None}
    with pytest.raises(ConfigError, match="image and objects"):
        from_huggingface(dataset)


def test_datumaro() -> None:
    datumaro = pytest.importorskip("datumaro")
    boxes = [
        datumaro.Bbox(x0, y0, x1 - x0, y1 - y0, label=label, attributes={"is_crowd": label == 0})
        for (x0, y0, x1, y1), label in zip(BOXES, (1, 0), strict=True)
    ]
    media = datumaro.Image.from_numpy(data=PIXELS[..., ::-1])
    items = [datumaro.DatasetItem("a", subset=name, media=media, annotations=boxes) for name in ("train", "val")]
    dataset = datumaro.Dataset.from_iterable(items, categories=["cat", "dog"], media_type=datumaro.Image)
    check(from_datumaro(dataset, subset="val"))
    assert from_datumaro(dataset, subset="val")[0].ignore.tolist() == [False, True]
    assert len(from_datumaro(dataset)) == 2


@pytest.mark.parametrize("form", ["pil", "uint8", "float"])
def test_torchvision(form: str) -> None:
    planes = np.moveaxis(PIXELS, -1, 0)
    image = {"pil": Image.fromarray(PIXELS), "uint8": planes, "float": planes / np.float32(255)}[form]
    item = (image, {"boxes": np.float32(BOXES), "labels": np.array([2, 1])})
    check(from_torchvision([item], ["__background__", "cat", "dog"]))
    check(from_torchvision([item], {1: "cat", 2: "dog"}))


def test_targets_of_another_form_are_named() -> None:
    with pytest.raises(ConfigError, match=r"dict with boxes and labels. Received: \[\{'bbox'.*wrap_dataset"):
        from_torchvision([(PIXELS, [{"bbox": [1, 2, 3, 4]}])], ["cat"])
    with pytest.raises(ConfigError, match="class 7"):
        from_torchvision([(PIXELS, {"boxes": BOXES[:1], "labels": [7]})], ["cat"])
