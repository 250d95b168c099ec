"""The focal loss: the reference's, value by value, and where it has no gradient."""

from __future__ import annotations

import keras
import numpy as np
from goldens.point_training import training
from gradients import pull_back
from keras import ops

from centernet.ops.losses import focal_terms


def test_each_value_is_the_reference_s() -> None:
    found = {name.removeprefix("losses/penalty_reduced_focal/"): value for name, value in training().items()}
    terms = focal_terms(*(ops.convert_to_tensor(found[name]) for name in ("logits", "targets")))
    terms = ops.convert_to_numpy(terms) * found["weights"]
    # The reference subtracts probabilities near 1 from 1, which costs it the last digits.
    np.testing.assert_allclose(terms, found["loss"], rtol=3e-5, atol=1e-9)
    np.testing.assert_allclose(terms.sum(), found["loss"].sum(), rtol=3e-6)


def test_a_certain_and_right_heatmap_costs_almost_nothing() -> None:
    heatmap = np.float32([1, 0, 0.5]).reshape(1, 1, 3, 1)
    logits = np.float32([20, -20, -20]).reshape(heatmap.shape)
    right, wrong = (
        ops.convert_to_numpy(focal_terms(ops.convert_to_tensor(x), ops.convert_to_tensor(heatmap)))
        for x in (logits, -logits)
    )
    assert 0 <= right.min() <= right.max() < 1e-7
    # 9.2 is -log(1e-4); a cell of 0.5 counts a sixteenth.
    np.testing.assert_allclose(wrong.ravel(), [9.2, 9.2, 9.2 / 16], rtol=2e-3)


def test_only_what_is_exactly_1_is_an_object() -> None:
    logits = ops.zeros((1, 1, 2, 1))
    heatmap = ops.convert_to_tensor(np.float32([1, 0.9999]).reshape(1, 1, 2, 1))
    at, near = ops.convert_to_numpy(focal_terms(logits, heatmap)).ravel()
    assert at > 0.1
    assert near < 1e-15


def test_where_probability_is_clamped_there_is_no_gradient() -> None:
    logits = np.float32([-12, -2, 0, 2, 12]).reshape(1, 1, 5, 1)
    for value in (0, 0.5, 1):
        heatmap = ops.full(logits.shape, value, "float32")
        _, slopes, _ = pull_back(lambda x, heatmap=heatmap: focal_terms(x, heatmap), logits, np.ones_like(logits))
        assert (slopes.ravel() != 0).tolist() == [False, True, True, True, False]


def test_half_precision_logits_are_computed_in_single_precision() -> None:
    logits = np.float16([[-7.5, 0.3, 6]]).reshape(1, 1, 3, 1)
    heatmap = ops.convert_to_tensor(np.float32([0, 1, 0.3]).reshape(logits.shape))
    half, single = (focal_terms(ops.convert_to_tensor(x), heatmap) for x in (logits, np.float32(logits)))
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    np.testing.assert_array_equal(ops.convert_to_numpy(half), ops.convert_to_numpy(single))
