"""Soft-NMS in a graph gives what soft-NMS on the host gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.ops.graph_nms import soft_nms_in_graph
from centernet.ops.nms import SuppressionSettings, soft_nms


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 2**16),
    boxes=st.integers(1, 40),
    classes=st.integers(1, 3),
    method=st.sampled_from(["gaussian", "linear", "hard"]),
    voting=st.sampled_from([None, 1.0, 10.0]),
    count=st.integers(1, 50),
)
def test_it_is_that_of_the_host(seed, boxes, classes, method, voting, count) -> None:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (2, boxes, 2)).astype(np.float32)
    found = np.concatenate([corners[0], corners[0] + corners[1]], axis=-1)
    scores, ids = rng.uniform(0, 1, boxes).astype(np.float32), rng.integers(0, classes, boxes)
    scores[rng.uniform(size=boxes) < 0.2] = 0
    weights = rng.uniform(0, 1, (boxes, 2)).astype(np.float32)
    rules = SuppressionSettings(method, voting_exponent=voting)
    expected = soft_nms(found, scores, ids, rules, corner_scores=weights, max_detections=count)
    arguments = (ops.convert_to_tensor(values[None]) for values in (found, scores, ids.astype(np.int32), weights))
    rows, kept, moved = (ops.convert_to_numpy(values)[0] for values in soft_nms_in_graph(*arguments, rules, count))
    left = len(expected.scores)
    assert rows.shape == (count,)
    np.testing.assert_array_equal(kept[left:], 0)
    np.testing.assert_allclose(kept[:left], expected.scores, atol=1e-6)
    np.testing.assert_array_equal(rows[:left], expected.rows)
    np.testing.assert_allclose(moved[:left], expected.boxes, atol=1e-3)


def test_images_of_a_batch_do_not_mix() -> None:
    boxes = np.float32([[[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]]] * 2)
    scores = np.float32([[0.9, 0.8, 0.7], [0.1, 0.8, 0]])
    weights, ids = np.ones((2, 3, 2), np.float32), np.zeros((2, 3), np.int32)
    arguments = (ops.convert_to_tensor(values) for values in (boxes, scores, ids, weights))
    rows, kept, _ = soft_nms_in_graph(*arguments, SuppressionSettings("hard"), 3)
    assert ops.convert_to_numpy(kept) == pytest.approx(np.float32([[0.9, 0.7, 0], [0.8, 0, 0]]))
    assert ops.convert_to_numpy(rows)[:, 0].tolist() == [0, 1]
