"""COCO's figures are those of pycocotools."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_cases import SIGMAS, guesses, perfect, reference, scenes
from goldens.reference import POINTS, read_json

from centernet import Detections, KeypointTask
from centernet.data import Dataset, Sample, load
from centernet.evaluation import Evaluation, evaluate_detections, read_coco_results
from centernet.evaluation.coco import COCO_SIGMAS, keypoint_sigmas
from centernet.evaluation.figures import BoxFigures

GOLDEN = read_json(POINTS.parent / "evaluation" / "pycocotools.json")
KEYPOINTS = ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar", "ar50", "ar75", "ar_medium", "ar_large")


def same(figures: list[float], expected: list[float]) -> None:
    """Equal to 1e-6, where −1 stands for nothing to count."""
    unmarked = [np.nan if value == -1 else value for value in expected]
    np.testing.assert_allclose(figures, unmarked, rtol=0, atol=1e-6)


def boxes(evaluation: Evaluation) -> list[float]:
    return [getattr(evaluation, field.name) for field in dataclasses.fields(BoxFigures)]


def keypoints(evaluation: Evaluation) -> list[float]:
    assert evaluation.keypoints
    return [getattr(evaluation.keypoints, name) for name in KEYPOINTS]


@pytest.mark.parametrize("seed", range(3))
def test_figures_of_rendered_cases_are_those_of_pycocotools(seed: int) -> None:
    evaluation = evaluate_detections(*scenes(seed), sigmas=SIGMAS)
    same(boxes(evaluation), GOLDEN[f"scenes {seed}"]["bbox"])
    same(keypoints(evaluation), GOLDEN[f"scenes {seed}"]["keypoints"])


def test_figures_on_254_photos_are_those_of_pycocotools(shared: Path) -> None:
    folder = shared / "data" / "coco_val254"
    dataset = load(folder, "coco", "all")
    found = read_coco_results(folder / "detections_mobilenetv3_centernet.json", dataset)
    same(boxes(evaluate_detections(dataset, found)), GOLDEN["coco_val254"]["bbox"])


def test_keypoints_on_50_photos_are_those_of_pycocotools(shared: Path) -> None:
    dataset = load(shared / "data" / "coco_keypoints50", "coco", "all")
    rng = np.random.default_rng(0)
    found = [guesses(sample, rng, others=1, classes=1, kinds=17) for sample in dataset]
    same(keypoints(evaluate_detections(dataset, found)), GOLDEN["coco_keypoints50"]["keypoints"])


@pytest.mark.parametrize("seed", range(100, 103))
def test_pycocotools_itself_agrees(seed: int) -> None:
    pytest.importorskip("pycocotools")
    dataset, found = scenes(seed)
    evaluation = evaluate_detections(dataset, found, sigmas=SIGMAS)
    same(boxes(evaluation), reference(dataset, found, "bbox"))
    same(keypoints(evaluation), reference(dataset, found, "keypoints", SIGMAS))


def test_perfect_detections_have_nothing_but_ones() -> None:
    dataset, _ = scenes(0)
    evaluation = evaluate_detections(dataset, perfect(dataset))
    assert (evaluation.ap, evaluation.ap50, evaluation.ar100) == (1, 1, 1)
    assert evaluation.keypoints
    assert (evaluation.keypoints.ap, evaluation.keypoints.ar) == (1, 1)
    assert evaluation.worst() == []
    present = [one for one in evaluation.classes if one.objects]
    assert all((one.ap, one.precision, one.recall) == (1, 1, 1) for one in present)


def test_the_order_of_images_does_not_matter() -> None:
    dataset, found = scenes(1)
    order = np.random.default_rng(0).permutation(len(dataset))
    shuffled = evaluate_detections(dataset[order], [found[i] for i in order])
    by_id = evaluate_detections(dataset, {dataset[int(i)].image_id: found[i] for i in order})
    expected = evaluate_detections(dataset, found).to_dict()
    assert shuffled.to_dict() == expected
    assert by_id.to_dict() == expected


def test_the_order_of_detections_with_different_scores_does_not_matter() -> None:
    dataset, found = scenes(2)
    rng = np.random.default_rng(0)
    distinct = [dataclasses.replace(one, scores=np.sort(rng.random(len(one)))[::-1]) for one in found]
    parts = [[one[rows] for rows in np.array_split(rng.permutation(len(one)), 2)] for one in distinct]
    merged = [Detections.merge(list(reversed(part))) for part in parts]
    assert evaluate_detections(dataset, merged).to_dict() == evaluate_detections(dataset, distinct).to_dict()


def test_classes_without_objects_are_in_no_mean() -> None:
    dataset, found = scenes(0)
    evaluation = evaluate_detections(dataset, found)
    absent = evaluation.classes[-1]
    assert (absent.name, absent.objects) == ("never there", 0)
    assert np.isnan([absent.ap, absent.ap50, absent.ar100, absent.recall]).all()
    present = [one.ap for one in evaluation.classes[:-1]]
    assert evaluation.ap == pytest.approx(np.mean(present))


def one_image(**options: Any) -> Sample:
    return Sample(np.zeros((90, 90, 3), np.uint8), **{"class_ids": [0, 0], "image_id": 1, **options})


def found_at(*rows: list[float], scores: Any = None) -> list[Detections]:
    return [Detections(rows, [0.9, 0.8, 0.7][: len(rows)] if scores is None else scores, [0] * len(rows), (90, 90))]


def test_crowds_are_ignored() -> None:
    sample = one_image(boxes=[[0, 0, 20, 20], [30, 30, 90, 90]], ignore=[False, True])
    dataset = Dataset((sample,), ("thing",))
    # Two detections inside the crowd, before the right one.
    found = found_at([30, 30, 50, 50], [60, 60, 90, 90], [0, 0, 20, 20])
    evaluation = evaluate_detections(dataset, found)
    assert (evaluation.ap, evaluation.objects, evaluation.ignored) == (1, 1, 1)
    assert evaluation.outcomes[0].mistakes == 0


def test_sizes_go_by_the_areas_of_the_dataset() -> None:
    sample = one_image(boxes=[[0, 0, 80, 80]], class_ids=[0], areas=[500])
    evaluation = evaluate_detections(Dataset((sample,), ("thing",)), found_at([0, 0, 80, 80]))
    assert evaluation.ap_small == 1
    assert np.isnan([evaluation.ap_medium, evaluation.ap_large]).all()


@pytest.mark.parametrize("bad", [[40, 40, 40, 60], [40, 40, 30, 60], [40, 40, np.nan, 60]])
def test_boxes_without_an_area_are_left_out_and_named(bad: list[float]) -> None:
    sample = one_image(boxes=[[0, 0, 20, 20], bad])
    evaluation = evaluate_detections(Dataset((sample,), ("thing",)), found_at([0, 0, 20, 20]))
    assert (evaluation.ap, evaluation.objects) == (1, 1)
    assert len(evaluation.left_out) == 1
    assert "1: object 2 has a box without area" in str(evaluation)


def test_objects_of_no_class_are_left_out_and_named() -> None:
    sample = one_image(boxes=[[0, 0, 20, 20], [30, 30, 50, 50]], class_ids=[0, -1])
    evaluation = evaluate_detections(Dataset((sample,), ("thing",)), found_at([0, 0, 20, 20]))
    assert (evaluation.ap, evaluation.left_out) == (1, ("1: object 2 has an unknown class",))


def test_no_detections_give_zero_and_no_objects_give_nan() -> None:
    sample = one_image(boxes=[[0, 0, 20, 20]], class_ids=[0])
    empty = one_image(boxes=np.zeros((0, 4)), class_ids=[])
    nothing = [Detections.empty((90, 90))]
    assert evaluate_detections(Dataset((sample,), ("thing",)), nothing).ap == 0
    evaluation = evaluate_detections(Dataset((empty,), ("thing",)), nothing)
    assert np.isnan([evaluation.ap, evaluation.ar100]).all()
    assert "no objects" in str(evaluation)
    assert evaluation.to_dict()["boxes"]["ap"] is None


def test_sigmas_are_those_of_coco_where_names_are() -> None:
    task = KeypointTask("person", ("left_knee", "nose"), deviations=(0.89, 0.26))
    assert keypoint_sigmas(task) == (0.087, 0.026)
    assert sum(COCO_SIGMAS.values()) == pytest.approx(1.138)
    assert keypoint_sigmas(KeypointTask("cat", ("tail",), deviations=(0.5,))) == (0.05,)
    assert keypoint_sigmas(KeypointTask("cat", ("tail",))) == (0.067,)
