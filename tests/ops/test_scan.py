"""Running maxima: the reference's values and gradients, and a plain NumPy restatement of both."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import keras
import numpy as np
import pytest
from goldens.pooling import array, cases
from gradients import pull_back
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from centernet.ops.scan import line_maximum, running_maximum

DIRECTIONS = {"top": (1, True), "bottom": (1, False), "left": (2, True), "right": (2, False)}
# One shape, because some backends compile for each; few different values, so that many are equal.
SHAPE = (2, 4, 5, 3)
FEW = st.sampled_from(np.float32([-1, 0, 0.5, 2, np.inf, -np.inf]))
INPUTS = hnp.arrays(np.float32, SHAPE, elements=FEW)
# Whole numbers, so that sums are equal in any order.
UPSTREAMS = hnp.arrays(np.float32, SHAPE, elements=st.integers(-8, 8).map(float))
DIRECTION = st.sampled_from(list(DIRECTIONS.values()))
LINE_MAXIMA = {axis: partial(line_maximum, axis=axis) for axis in (1, 2)}


def plain_running(x: np.ndarray, upstream: np.ndarray, axis: int, reverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """One line after the other: a value takes over only if it is greater."""
    x, upstream = (np.moveaxis(a, axis, 0)[:: -1 if reverse else 1] for a in (x, upstream))
    y, gradient, winner = x.copy(), np.zeros_like(x), np.zeros(x.shape[1:], int)
    for i in range(len(x)):
        winner = np.where(x[i] > np.take_along_axis(x, winner[None], 0)[0], i, winner)
        y[i] = np.take_along_axis(x, winner[None], 0)[0]
        received = np.take_along_axis(gradient, winner[None], 0) + upstream[i]
        np.put_along_axis(gradient, winner[None], received, 0)
    return tuple(np.moveaxis(a[:: -1 if reverse else 1], 0, axis) for a in (y, gradient))


@cache
def pooling(axis: int, reverse: bool, compiled: bool = False) -> Callable[[Any], Any]:
    """One function a direction, because JAX compiles for each."""
    return partial(running_maximum, axis=axis, reverse=reverse, compiled=compiled)


def check(x: np.ndarray, upstream: np.ndarray, axis: int, reverse: bool, compiled: bool = False) -> None:
    """Result and gradient are those of the plain form."""
    y, gradient, _ = pull_back(pooling(axis, reverse, compiled), x, upstream)
    expected = plain_running(x, upstream, axis, reverse)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(gradient, expected[1])


def distinct(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape).astype(np.float32)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("case", cases("pool"))
def test_values_and_routes_are_those_of_the_reference(case: str, direction: str, compiled: bool) -> None:
    x, upstream = array(f"pool/{case}/x"), array(f"pool/{case}/g")
    y, gradient, _ = pull_back(pooling(*DIRECTIONS[direction], compiled), x, upstream)
    np.testing.assert_array_equal(y, array(f"pool/{case}/{direction}/y"))
    expected = array(f"pool/{case}/{direction}/gx")
    np.testing.assert_array_equal(gradient != 0, expected != 0)  # the same input receives it, also on ties
    np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-6)  # sums are taken in another order


@settings(max_examples=40, deadline=None)
@given(INPUTS, UPSTREAMS, DIRECTION, st.booleans())
def test_any_values_agree_with_the_plain_form(x, upstream, direction, compiled) -> None:
    check(x, upstream, *direction, compiled)


@settings(max_examples=40, deadline=None)
@given(INPUTS, UPSTREAMS, st.sampled_from([1, 2]))
def test_a_line_maximum_is_two_running_maxima(x, upstream, axis) -> None:
    passed, first = plain_running(x, upstream, axis, True)
    twice, _ = plain_running(passed, first, axis, False)
    _, gradient = plain_running(passed, upstream, axis, False)
    _, gradient = plain_running(x, gradient, axis, True)
    y, found, _ = pull_back(LINE_MAXIMA[axis], x, upstream.sum(axis=axis, keepdims=True))
    np.testing.assert_array_equal(np.broadcast_to(y, SHAPE), twice)
    np.testing.assert_array_equal(found, gradient)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("shape", [(1, 7, 3, 2), (12, 7, 3, 2), (1, 1, 1, 1), (9, 1, 6, 1)])
def test_batches_and_lengths_of_any_size(shape: tuple[int, ...], direction: str) -> None:
    check(distinct(*shape), distinct(*shape)[::-1].copy(), *DIRECTIONS[direction])


@pytest.mark.parametrize("axis", [0, -1, -3])
def test_any_axis_of_any_array(axis: int) -> None:
    x = distinct(6, 5, 4)
    found = keras.ops.convert_to_numpy(running_maximum(keras.ops.convert_to_tensor(x), axis))
    np.testing.assert_array_equal(found, np.maximum.accumulate(x, axis))


@pytest.mark.parametrize("dtype", ["float16", "int32"])
def test_the_type_of_numbers_stays(dtype: str) -> None:
    x = distinct(1, 6, 5, 2).astype(dtype)
    for compiled in (False, True):
        found = running_maximum(keras.ops.convert_to_tensor(x), 1, reverse=True, compiled=compiled)
        assert keras.backend.standardize_dtype(found.dtype) == dtype
        expected = np.maximum.accumulate(x[:, ::-1], 1)[:, ::-1]
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), expected)


@pytest.mark.parametrize("length", [1, 2, 5, 8, 13])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_length_that_is_unknown_while_the_graph_is_made(direction: str, length: int) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("only TensorFlow makes graphs for sizes that are unknown")
    import tensorflow as tf

    axis, reverse = DIRECTIONS[direction]
    x, upstream = distinct(2, length, length + 1, 3), distinct(2, length, length + 1, 3)[::-1].copy()
    for compiled in (False, True):

        @tf.function(input_signature=[tf.TensorSpec((None, None, None, 3))] * 2, autograph=False)
        def pooled(x, upstream, compiled=compiled):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = running_maximum(x, axis, reverse=reverse, compiled=compiled)
            assert y.shape.as_list() == [None, None, None, 3]
            return y, tape.gradient(y, x, upstream)

        y, gradient = pooled(x, upstream)
        expected = plain_running(x, upstream, axis, reverse)
        np.testing.assert_array_equal(y, expected[0])
        np.testing.assert_array_equal(gradient, expected[1])


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_tensorflow_without_a_compiler_computes_the_same(direction: str, monkeypatch) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("about TensorFlow")
    from centernet.ops import scan

    monkeypatch.setattr("centernet.ops.scan._has_compiler", lambda: False)
    scan._compiled.cache_clear()
    check(distinct(2, 5, 4, 3), distinct(2, 5, 4, 3)[::-1].copy(), *DIRECTIONS[direction], True)
    scan._compiled.cache_clear()
