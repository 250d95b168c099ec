"""Soft-NMS: the reference's rows bit for bit, and plain quadratic restatements of the rules."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from goldens.merging import arrays, group
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from centernet.errors import ConfigError
from centernet.ops.nms import SuppressionSettings, soft_nms, soft_nms_exact

METHODS = ("hard", "linear", "gaussian")  # the reference's 0, 1, 2
FIELDS = ("rows", "scores", "boxes")
HARD = SuppressionSettings("hard")


@st.composite
def detections(draw: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, scores, class ids, corner scores; whole numbers and few scores, so that many are equal."""
    count = draw(st.integers(0, 12))
    corners = draw(hnp.arrays(np.int8, (count, 2), elements=st.integers(0, 8)))
    sizes = draw(hnp.arrays(np.int8, (count, 2), elements=st.integers(0, 6)))
    few = st.sampled_from(np.float32([0, 1e-4, 0.25, 0.5, 0.9]))
    scores = draw(hnp.arrays(np.float32, count, elements=few))
    classes = draw(hnp.arrays(np.int32, count, elements=st.integers(0, 2)))
    weights = draw(hnp.arrays(np.float32, (count, 2), elements=few))
    return np.float32(np.concatenate([corners, corners + sizes], axis=1)), scores, classes, weights


def crowd(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 100, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 60, (count, 2))], axis=1)
    return np.float32(boxes), np.float32(rng.uniform(0.01, 1, count)), rng.integers(0, classes, count)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - width * height
    return float(width * height / union) if union > 0 else 0.0


def factor(overlap: float, rule: SuppressionSettings) -> float:
    if rule.method == "gaussian":
        return float(np.exp(-(overlap**2) / rule.sigma))
    return 1.0 if overlap <= rule.iou_threshold else 1 - overlap if rule.method == "linear" else 0.0


def plain(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, rule: SuppressionSettings) -> list[tuple]:
    """Row, score and voted box of each pick, best first; every pair is looked at. Corners weigh their scores."""
    left, picks = {row: float(score) for row, score in enumerate(scores)}, []
    while left:
        best = max(left, key=left.__getitem__)
        if left[best] <= 0 or left[best] < rule.min_score:
            break
        voters, weights = [boxes[best]], [scores[best]]
        picks.append((best, left.pop(best)))
        for row in [row for row in left if classes[row] == classes[best]]:
            weight = factor(iou(boxes[best], boxes[row]), rule)
            if left[row] >= rule.min_score:
                voters.append(boxes[row])
                weights.append(scores[row] * (1 - weight) ** (rule.voting_exponent or 1))
            left[row] *= weight
        picks[-1] += (np.average(voters, axis=0, weights=weights),)
    return sorted(picks, key=lambda pick: -pick[1])


@pytest.mark.parametrize("case", ["a", "low", "one", "empty", "tie"])
@pytest.mark.parametrize("threshold", [0.3, 0.5])
@pytest.mark.parametrize("number", range(3))
def test_exact_rows_are_those_of_the_reference(case: str, threshold: float, number: int) -> None:
    rule = SuppressionSettings(METHODS[number], iou_threshold=threshold)
    check_exact(arrays("nms")[f"soft_nms/{case}/in"], rule, f"soft_nms/{case}/method{number}_nt{threshold}/")


@pytest.mark.parametrize("case", ["a", "low", "one", "empty", "tie"])
@pytest.mark.parametrize("exponent", [6, 8, 10])
def test_exact_votes_are_those_of_the_reference(case: str, exponent: int) -> None:
    rule = SuppressionSettings(voting_exponent=exponent)
    check_exact(arrays("nms")[f"soft_nms/{case}/in"], rule, f"soft_nms_merge/{case}/exp{exponent}/")


def check_exact(before: np.ndarray, rule: SuppressionSettings, name: str) -> None:
    expected = group("nms", name)
    boxes, scores, weights = before[:, :4], before[:, 4], before[:, 5:7]
    found = soft_nms_exact(boxes, scores, rule, weights)
    rows = np.concatenate([found.boxes, found.scores[:, None], weights], axis=1)  # weights stay at their places
    np.testing.assert_array_equal(rows, expected["out"])
    assert found.fresh == expected["n"]
    through = soft_nms(boxes, scores, None, rule, corner_scores=weights, exact=True)
    np.testing.assert_array_equal(through.boxes, found.boxes)


def test_exact_rows_take_keypoints_along() -> None:
    before, expected = arrays("nms")["soft_nms_39/in"], arrays("nms")["soft_nms_39/out"]
    found = soft_nms(before[:, :4], before[:, 4], exact=True)
    np.testing.assert_array_equal(before[found.rows, 5:], expected[:, 5:])
    np.testing.assert_array_equal(found.scores, expected[:, 4])


def test_exact_repeats_rows_in_the_tail_and_the_default_does_not() -> None:
    before = arrays("nms")["soft_nms/low/in"]
    exact = soft_nms(before[:, :4], before[:, 4], exact=True)
    default = soft_nms(before[:, :4], before[:, 4])
    assert len(exact.rows) == len(before) > len(set(exact.rows))
    assert len(default.rows) == len(set(default.rows))


def test_exact_keeps_all_that_share_the_last_score_and_the_default_does_not() -> None:
    boxes = np.float32([[20 * i, 0, 20 * i + 10, 10] for i in range(4)])
    scores = np.float32([0.5, 0.9, 0.5, 0.5])
    assert len(soft_nms(boxes, scores, max_detections=2, exact=True).rows) == 4
    np.testing.assert_array_equal(soft_nms(boxes, scores, max_detections=2).rows, [1, 0])


@given(detections())
def test_hard_nms_is_the_quadratic_rule(found: tuple) -> None:
    boxes, scores, classes, _ = found
    order = np.lexsort([*boxes.T[::-1], -scores])
    kept: list[int] = []
    for row in order[scores[order] >= 0.001]:
        if all(classes[row] != classes[other] or iou(boxes[row], boxes[other]) <= 0.5 for other in kept):
            kept.append(row)
    left = soft_nms(boxes, scores, classes, HARD)
    assert sorted(left.rows) == sorted(kept)
    np.testing.assert_array_equal(left.scores, scores[left.rows])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("exponent", [None, 8.0])
def test_every_method_is_its_plain_loop(method: Any, exponent: float | None) -> None:
    boxes, scores, classes = crowd(60, 3)
    rule = SuppressionSettings(method, voting_exponent=exponent)
    rows, expected, voted = zip(*plain(boxes, scores, classes, rule), strict=True)
    left = soft_nms(boxes, scores, classes, rule)
    np.testing.assert_array_equal(left.rows, rows)
    np.testing.assert_allclose(left.scores, expected, rtol=1e-5)
    np.testing.assert_allclose(left.boxes, voted if exponent else boxes[left.rows], atol=1e-4)


@given(detections(), st.sampled_from(METHODS), st.sampled_from([None, 6.0]), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(found: tuple, method: Any, exponent: float | None, random: Any) -> None:
    boxes, scores, classes, weights = found
    order = np.array(random.sample(range(len(scores)), len(scores)), int)
    rule = SuppressionSettings(method, voting_exponent=exponent)
    one = soft_nms(boxes, scores, classes, rule, corner_scores=weights)
    other = soft_nms(boxes[order], scores[order], classes[order], rule, corner_scores=weights[order])
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(classes[one.rows], classes[order][other.rows])


@settings(max_examples=50)
@given(detections(), st.sampled_from(METHODS))
def test_scores_only_fall_and_rows_stay_themselves(found: tuple, method: Any) -> None:
    boxes, scores, classes, _ = found
    left = soft_nms(boxes, scores, classes, SuppressionSettings(method))
    assert len(set(left.rows)) == len(left.rows)
    assert (left.scores <= scores[left.rows]).all()
    assert (np.diff(left.scores) <= 0).all()
    np.testing.assert_array_equal(left.boxes, boxes[left.rows])


@settings(max_examples=50)
@given(detections(), st.booleans())
def test_a_class_alone_is_what_it_is_among_others(found: tuple, exact: bool) -> None:
    boxes, scores, classes, weights = found
    together = soft_nms(boxes, scores, classes, corner_scores=weights, exact=exact)
    for one in np.unique(classes):
        mine = np.flatnonzero(classes == one)
        alone = soft_nms(boxes[mine], scores[mine], corner_scores=weights[mine], exact=exact)
        here = classes[together.rows] == one
        np.testing.assert_array_equal(together.rows[here], mine[alone.rows])
        np.testing.assert_array_equal(together.scores[here], alone.scores)


@settings(max_examples=50)
@given(detections(), st.integers(1, 6))
def test_fewer_detections_are_the_best_of_more(found: tuple, count: int) -> None:
    boxes, scores, classes, _ = found
    many, few = soft_nms(boxes, scores, classes), soft_nms(boxes, scores, classes, max_detections=count)
    for field in FIELDS:
        np.testing.assert_array_equal(getattr(few, field), getattr(many, field)[:count])


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("exponent", [None, 10.0])
def test_no_box_and_one_box(exact: bool, exponent: float | None) -> None:
    rule = SuppressionSettings(voting_exponent=exponent)
    none = soft_nms(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), rule, exact=exact)
    assert [column.shape for column in none] == [(0,), (0,), (0, 4)]
    box = np.float32([[0.1, 0.2, 30.3, 40.7]])
    one = soft_nms(box, np.float32([0.7]), None, rule, exact=exact)
    assert one.rows.tolist() == [0]
    np.testing.assert_allclose(one.boxes, box, rtol=1e-6 if exact else 0)


def test_equal_scores_are_picked_from_the_left() -> None:
    boxes = np.float32([[4, 0, 14, 10], [2, 0, 12, 10], [0, 0, 10, 10]])
    left = soft_nms(boxes, np.float32([0.5, 0.5, 0.5]), settings=HARD)
    assert left.rows.tolist() == [2, 0]  # the middle one overlaps the left one by 8/12, the right one by 6/14


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_are_dropped(exact: bool, bad: float) -> None:
    boxes, scores, classes = crowd(9, 2)
    boxes[1, 2] = scores[4] = bad
    fine = np.delete(np.arange(9), [1, 4])
    left = soft_nms(boxes, scores, classes, exact=exact)
    expected = soft_nms(boxes[fine], scores[fine], classes[fine], exact=exact)
    np.testing.assert_array_equal(left.rows, fine[expected.rows])
    np.testing.assert_array_equal(left.scores, expected.scores)


def test_boxes_without_area_overlap_nothing() -> None:
    boxes = np.float32([[5, 5, 5, 5], [5, 5, 5, 5], [0, 0, 10, 10], [9, 0, 3, 10]])
    left = soft_nms(boxes, np.full(4, 0.5, np.float32))
    np.testing.assert_array_equal(left.scores, np.full(4, 0.5, np.float32))


def test_weights_travel_with_their_boxes() -> None:
    """The better box comes second, so that the reference would weigh each with the other's weights."""
    boxes, scores = np.float32([[0, 0, 10, 10], [1, 1, 11, 11]]), np.float32([0.6, 0.8])
    weights = np.float32([[1, 0], [1, 3]])
    rule = SuppressionSettings("linear", iou_threshold=0.5, voting_exponent=1)
    left = soft_nms(boxes, scores, None, rule, corner_scores=weights)
    overlap = 81 / 119
    np.testing.assert_allclose(left.boxes[0, :2], np.full(2, 1 / (1 + overlap)), rtol=1e-6)
    np.testing.assert_array_equal(left.boxes[0, 2:], [11, 11])
    exact = soft_nms(boxes, scores, None, rule, corner_scores=weights, exact=True)
    assert exact.boxes[0, 2] < 11


@pytest.mark.parametrize("exact", [False, True])
def test_votes_without_weight_leave_boxes_where_they_are(exact: bool) -> None:
    boxes, scores, classes = crowd(20, 1)
    rule = SuppressionSettings(voting_exponent=2)
    left = soft_nms(boxes, scores, classes, rule, corner_scores=np.zeros((20, 2)), exact=exact)
    np.testing.assert_array_equal(left.boxes, boxes[left.rows])


def test_one_crowded_class_among_many_small_ones_is_its_plain_loop() -> None:
    boxes, scores, classes = crowd(150, 40, seed=3)
    classes[:60] = 7
    rows, expected, _ = zip(*plain(boxes, scores, classes, SuppressionSettings()), strict=True)
    left = soft_nms(boxes, scores, classes)
    np.testing.assert_array_equal(left.rows, rows)
    np.testing.assert_allclose(left.scores, expected, rtol=1e-5)


def test_arrays_that_do_not_fit_are_refused() -> None:
    boxes, scores, classes = crowd(3, 1)
    for wrong in ((boxes[:, :3], scores), (boxes, scores[:2]), (boxes, scores, classes[:1]), (boxes[0], scores)):
        with pytest.raises(ConfigError, match=r"Expected boxes \(n, 4\)"):
            soft_nms(*wrong)
    with pytest.raises(ConfigError, match="at least 1"):
        soft_nms(boxes, scores, max_detections=0)


@pytest.mark.parametrize(
    "wrong",
    [{"method": "soft"}, {"sigma": 0.0}, {"iou_threshold": 1.5}, {"min_score": -0.1}, {"voting_exponent": 0.0}],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SuppressionSettings(**wrong)
