"""Detections meet the objects of their image, in the classes of the dataset."""

from __future__ import annotations

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pytest
from coco_cases import NAMES, perfect, scenes

from centernet import Detections
from centernet.data import Dataset
from centernet.errors import ConfigError, SourceError
from centernet.evaluation import evaluate_detections, read_coco_results


def renamed(found: list[Detections], names: tuple[str, ...], ids: list[int]) -> list[Detections]:
    """The same in a detector's own classes; `ids` says which of them each of ours is."""
    return [dataclasses.replace(one, class_names=names, class_ids=np.array(ids)[one.class_ids]) for one in found]


def test_classes_are_matched_by_name() -> None:
    dataset, found = scenes(0)
    expected = evaluate_detections(dataset, found).to_dict()
    other = renamed(found, ("unused", "bird", "never there", "cat", "dog"), [3, 4, 1, 2])
    assert evaluate_detections(dataset, other).to_dict() == expected


def test_detections_of_other_classes_are_no_mistakes() -> None:
    dataset, _ = scenes(0)
    right = renamed(perfect(dataset), (*NAMES, "fish"), [0, 1, 2, 3])
    fish = Detections([[0, 0, 50, 50]], [1.0], [4], right[0].image_size, class_names=(*NAMES, "fish"))
    fish = dataclasses.replace(fish, keypoints=np.zeros((1, 4, 2)))
    right[0] = Detections.merge([right[0], fish])
    assert evaluate_detections(dataset, right).ap == 1


def test_classes_unknown_to_the_detector_have_no_detections(caplog: pytest.LogCaptureFixture) -> None:
    dataset, _ = scenes(0)
    some = [one.filter(classes=[0, 1]) for one in perfect(dataset)]
    with caplog.at_level(logging.WARNING, "centernet"):
        evaluation = evaluate_detections(dataset, renamed(some, ("dog", "cat"), [1, 0]))
    assert [one.ap for one in evaluation.classes[:3]] == [1, 1, 0]
    assert "2 of the dataset's 4 classes are unknown to the detector" in caplog.text


def test_no_class_in_common_is_an_error_that_names_both() -> None:
    dataset, found = scenes(0)
    with pytest.raises(ConfigError, match=r"cat, dog, bird.*Received classes of other names: car, bus"):
        evaluate_detections(dataset, renamed(found, ("car", "bus", "tram", "van"), [0, 1, 2, 3]))


def test_a_class_id_that_the_dataset_lacks_is_an_error() -> None:
    dataset, found = scenes(0)
    number = next(i for i, one in enumerate(found) if len(one))
    found[number] = dataclasses.replace(found[number], class_ids=np.full(len(found[number]), 9))
    with pytest.raises(ConfigError, match=r"class ids below 4.*9"):
        evaluate_detections(dataset, found)


def test_keypoints_are_matched_by_name() -> None:
    dataset, found = scenes(1)
    expected = evaluate_detections(dataset, found).to_dict()
    order = [2, 0, 3, 1]
    assert dataset.keypoints
    names = tuple(dataset.keypoints.names[i] for i in order)
    other = [dataclasses.replace(one[:], keypoints=one.keypoints[:, order], keypoint_names=names) for one in found]
    assert evaluate_detections(dataset, other).to_dict() == expected


def test_other_keypoints_are_an_error() -> None:
    dataset, found = scenes(1)
    other = [dataclasses.replace(one, keypoint_names=("a", "b", "c", "d")) for one in found]
    with pytest.raises(ConfigError, match="without head, tail"):
        evaluate_detections(dataset, other)


def test_detections_without_keypoints_are_evaluated_by_their_boxes() -> None:
    dataset, found = scenes(1)
    plain = [dataclasses.replace(one, keypoints=None, keypoint_scores=None) for one in found]
    evaluation = evaluate_detections(dataset, plain)
    assert evaluation.keypoints is None
    assert evaluation.ap == evaluate_detections(dataset, found).ap


def test_images_that_were_not_read_are_not_counted() -> None:
    dataset, found = scenes(0)
    busiest = max(range(len(dataset)), key=lambda i: len(dataset[i].boxes))
    found[busiest] = Detections.empty((1, 1), error="damaged. Get it again.")
    evaluation = evaluate_detections(dataset, found)
    assert evaluation.skipped == (f"{dataset[busiest].image_id}: damaged. Get it again.",)
    assert evaluation.images == len(dataset) - 1
    rest = [i for i in range(len(dataset)) if i != busiest]
    assert evaluation.ap == evaluate_detections(dataset[rest], [found[i] for i in rest]).ap
    assert "1 image could not be read:" in str(evaluation)


def test_no_image_read_at_all_is_an_error() -> None:
    dataset, _ = scenes(0)
    with pytest.raises(SourceError, match=r"that can be read.*14 that can't: 1000: gone"):
        evaluate_detections(dataset, [Detections.empty((1, 1), error="gone")] * len(dataset))


def test_misaligned_detections_are_errors() -> None:
    dataset, found = scenes(0)
    with pytest.raises(ConfigError, match=r"14 images of scenes.*Received: 13"):
        evaluate_detections(dataset, found[1:])
    with pytest.raises(ConfigError, match=r"1 image ids that it doesn't have: 5\b.*like 1000"):
        evaluate_detections(dataset, {5: found[0]})
    with pytest.raises(ConfigError, match="empty dataset"):
        evaluate_detections(Dataset((), ("thing",)), [])


class TestResultFile:
    def test_what_to_coco_wrote_is_read_again(self, tmp_path: Path) -> None:
        dataset, found = scenes(2)
        rows = []
        for sample, one in zip(dataset, found, strict=True):
            rows += dataclasses.replace(one, dataset_ids=dataset.dataset_ids).to_coco(sample.image_id)
        (tmp_path / "rows.json").write_text(json.dumps(rows))
        read = read_coco_results(tmp_path / "rows.json", dataset)
        assert evaluate_detections(dataset, read).to_dict() == evaluate_detections(dataset, found).to_dict()

    @pytest.mark.parametrize(
        ("text", "error", "message"),
        [
            ("{", SourceError, "COCO's results"),
            ('[{"image_id": 1000}]', SourceError, "KeyError"),
            ('[{"image_id": 5}]', ConfigError, "5; its own are like 1000"),
            ('[{"image_id": 1000, "category_id": 4, "score": 1, "bbox": [0, 0, 1, 1]}]', ConfigError, r"3–11.*\[4\]"),
        ],
    )
    def test_other_files_are_errors(self, tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
        (tmp_path / "rows.json").write_text(text)
        with pytest.raises(error, match=message):
            read_coco_results(tmp_path / "rows.json", scenes(0)[0])
