"""A real checkpoint: blood cells, trained by the reference implementation, on photos it has not seen."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import centernet
from centernet import Detections

CLASSES = ["RBC", "WBC", "Platelets"]
PHOTOS = 72
SCORED = 0.1  # boxes that score less are so many and so near each other that their order is accidental
# Of the reference's own detections, by pycocotools.
AVERAGE_PRECISION = 0.49395


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return need(shared / "goldens" / "points" / "bccd")


@pytest.fixture(scope="module")
def photos(shared: Path) -> list[str]:
    folder = need(shared / "data" / "bccd")
    names = (folder / "ImageSets" / "Main" / "test.txt").read_text().split()
    return [str(folder / "JPEGImages" / f"{name}.jpg") for name in names]


@pytest.fixture(scope="module")
def found(golden: Path, photos: list[str]) -> list[Detections]:
    detector = centernet.load(golden, classes=CLASSES)
    return detector.detect(photos, min_score=0, batch_size=8)


def need(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"needs data that is not in the repository: {folder}")
    return folder


def coco_rows(found: Iterable[Detections]) -> list[dict[str, Any]]:
    return [row for image_id, detections in enumerate(found, 1) for row in detections.to_coco(image_id)]


def average_precision(golden: Path, rows: list[dict[str, Any]]) -> float:
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(str(golden / "test_coco.json"))
    evaluation = COCOeval_faster(truth, truth.loadRes(rows), iouType="bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return float(evaluation.stats[0])


def arrays(rows: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, classes and corners `x0 y0 x1 y1` of the rows that score enough, best first."""
    kept = sorted((row for row in rows if row["score"] >= SCORED), key=lambda row: -row["score"])
    boxes = np.array([row["bbox"] for row in kept]).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return np.array([row["score"] for row in kept]), np.array([row["category_id"] for row in kept]), boxes


def test_the_checkpoint_says_which_model_it_is(golden: Path) -> None:
    detector = centernet.load(golden)
    config = detector.config
    assert config.backbone["name"] == "mobilenetv2_fpn"
    assert config.preprocessing.size == (320, 320)
    assert config.decoder.max_detections == 100
    assert len(config.classes) == len(CLASSES)
    assert not detector.report.new


def test_every_photo_has_the_boxes_of_the_reference(golden: Path, found: list[Detections]) -> None:
    expected = json.loads((golden / "detections.json").read_text())
    ours, compared = coco_rows(found), 0
    for image_id in range(1, PHOTOS + 1):
        of_image = ([row for row in rows if row["image_id"] == image_id] for rows in (ours, expected))
        (scores, classes, boxes), (their_scores, their_classes, their_boxes) = map(arrays, of_image)
        np.testing.assert_allclose(scores, their_scores, atol=1e-3, rtol=0)
        np.testing.assert_array_equal(classes, their_classes)
        np.testing.assert_allclose(boxes, their_boxes, atol=0.5, rtol=0)
        compared += len(scores)
    assert compared > 1900


def test_average_precision_is_that_of_the_reference(golden: Path, found: list[Detections]) -> None:
    assert average_precision(golden, coco_rows(found)) == pytest.approx(AVERAGE_PRECISION, abs=1e-3)


def test_the_names_of_the_classes_are_on_the_boxes(found: list[Detections]) -> None:
    assert len(found) == PHOTOS
    assert {name for detections in found for name in detections.filter(min_score=0.3).names} == set(CLASSES)
