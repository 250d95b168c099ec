"""What is right and wrong in single images, and the curves and counts that follow."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from coco_cases import scenes
from hypothesis import given, settings
from hypothesis import strategies as st

from centernet import Detections
from centernet.data import Dataset, Sample
from centernet.errors import ConfigError
from centernet.evaluation import Evaluation, evaluate_detections

CAT, DOG = [0, 0, 40, 40], [100, 100, 140, 140]


def one_image(detections: list[tuple[list[float], int, float]], score: float | None = 0.0) -> Evaluation:
    """A cat and a dog, and what was found: box, class, score."""
    sample = Sample(np.zeros((150, 150, 3), np.uint8), [CAT, DOG], [0, 1], 1)
    boxes, classes, scores = zip(*detections, strict=True)
    found = Detections(boxes, scores, classes, (150, 150))
    return evaluate_detections(Dataset((sample,), ("cat", "dog")), [found], score=score)


def test_each_kind_of_mistake_is_named() -> None:
    evaluation = one_image(
        [
            (CAT, 0, 0.9),
            ([2, 0, 42, 40], 0, 0.8),
            (DOG, 0, 0.7),
            ([0, 0, 40, 90], 0, 0.6),
            ([60, 0, 90, 30], 1, 0.5),
        ]
    )
    (outcome,) = evaluation.outcomes
    assert outcome.true.tolist() == [True, False, False, False, False]
    assert outcome.kinds() == ["duplicate", "wrong class", "poorly located", "background"]
    assert evaluation.confusion.mistakes == dict.fromkeys(outcome.kinds(), 1)
    assert outcome.missed.tolist() == [False, True]
    # Rows: cat, dog, nothing; the dog was taken for a cat.
    assert evaluation.confusion.counts.tolist() == [[1, 0, 0], [1, 0, 0], [2, 1, 0]]
    assert evaluation.confusion.most() == [("dog", "cat", 1)]
    assert evaluation.worst()[0].mistakes == 5


def test_the_best_detection_matches_the_object_unless_min_score_removes_it() -> None:
    evaluation = one_image([([4, 0, 44, 40], 0, 0.9), (CAT, 0, 0.5), (DOG, 1, 0.3)])
    (match,) = evaluation.matches
    assert match.object_of.tolist() == [0, -1, 1]
    assert match.above(0.6).missed.tolist() == [False, True]
    assert match.above(0.95).missed.tolist() == [True, True]
    assert match.above(0.3).mistakes == 1


def test_curves_over_the_score_count_what_is_above_it() -> None:
    evaluation = one_image([(CAT, 0, 0.9), ([60, 0, 90, 30], 0, 0.6), (DOG, 1, 0.3)], score=None)
    curves = evaluation.score_curves
    assert curves.at(0.0) == (pytest.approx(2 / 3), 1)
    assert curves.at(0.5) == (0.5, 0.5)
    assert curves.at(0.9) == (1, 0.5)
    assert np.isnan(curves.at(0.95)[0])
    assert curves.at(0.3, 1) == (1, 1)
    assert curves.f1[-1, 30] == pytest.approx(0.8)
    assert 0 < evaluation.score <= 0.3


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1))
def test_counts_agree_with_each_other(seed: int, score: float) -> None:
    dataset, found = scenes(seed, images=5)
    evaluation = evaluate_detections(dataset, found, score=score)
    counts, outcomes = evaluation.confusion.counts, evaluation.outcomes
    true = sum(int(outcome.true.sum()) for outcome in outcomes)
    false = sum(int(outcome.false.sum()) for outcome in outcomes)
    assert np.trace(counts) == true
    assert counts[:-1].sum() == evaluation.objects
    assert counts[:, :-1].sum() == true + false
    assert sum(evaluation.confusion.mistakes.values()) == false
    assert sum(one.objects for one in evaluation.classes) == evaluation.objects
    assert sum(one.detections for one in evaluation.classes) == true + false
    objects = Counter(int(i) for s in dataset for i in s.class_ids[~s.ignore])
    assert counts[:-1].sum(axis=1).tolist() == [objects[i] for i in range(4)]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_matches_at_half_overlap_give_the_recall_that_coco_counts(seed: int) -> None:
    dataset, found = scenes(seed, images=6)
    evaluation = evaluate_detections(dataset, found)
    for class_id, one in enumerate(evaluation.classes):
        recall = evaluation.score_curves.recall[class_id, 0]
        np.testing.assert_allclose(recall, evaluation.counted.ar(class_id=class_id, overlap=0.5))
        np.testing.assert_allclose(evaluation.precision_recall(0.5, class_id).mean(), one.ap50)


def test_precision_over_recall_averages_to_average_precision() -> None:
    evaluation = evaluate_detections(*scenes(0))
    assert evaluation.precision_recall(None).mean() == pytest.approx(evaluation.ap)
    assert evaluation.precision_recall(0.5).mean() == pytest.approx(evaluation.ap50)
    assert evaluation.precision_recall(0.75).mean() == pytest.approx(evaluation.ap75)
    assert np.isnan(evaluation.precision_recall(0.5, 3)).all()
    with pytest.raises(ConfigError, match=r"0\.50, 0\.55 .* Received: 0\.3"):
        evaluation.precision_recall(0.3)
