"""Batch normalization: exact statistics, the moving averages of the references, otherwise what Keras does."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from gradients import pull_back
from keras import ops

from centernet.models.normalization import BatchNormalization, moments

EPSILON = 1e-3


def features(shape: tuple[int, ...] = (2, 6, 5, 3), seed: int = 0, mean: float = 1.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.normal(size=shape) + mean * random.normal(size=shape[-1])).astype(np.float32)


def built(kind: type = BatchNormalization, x: np.ndarray | None = None, **options: Any) -> Any:
    """A layer with values of its own."""
    x = features() if x is None else x
    layer = kind(epsilon=EPSILON, momentum=0.9, **options)
    layer.build(x.shape)
    random = np.random.default_rng(5)
    layer.set_weights([random.uniform(0.5, 1.5, value.shape).astype(np.float32) for value in layer.get_weights()])
    return layer


def normalized(layer: Any, x: np.ndarray, **options: Any) -> np.ndarray:
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(x), **options))


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_a_batch_is_normalized_as_keras_does(options: dict[str, bool]) -> None:
    ours, keras_s = (built(kind, **options) for kind in (BatchNormalization, keras.layers.BatchNormalization))
    for training in (True, False):
        found, expected = (normalized(layer, features(), training=training) for layer in (ours, keras_s))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        ours.set_weights(keras_s.get_weights())


def test_the_moving_variance_takes_the_unbiased_variance() -> None:
    layer, x = built(), features().astype(np.float64)
    *_, mean, variance = layer.get_weights()
    normalized(layer, np.float32(x), training=True)
    np.testing.assert_allclose(layer.get_weights()[2], 0.9 * mean + 0.1 * x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.get_weights()[3], 0.9 * variance + 0.1 * x.var((0, 1, 2), ddof=1), rtol=1e-5)


def test_a_single_cell_has_no_variance_rather_than_an_infinite_one() -> None:
    x = features((1, 1, 1, 3))
    layer = built(x=x)
    *_, variance = layer.get_weights()
    normalized(layer, x, training=True)
    np.testing.assert_allclose(layer.get_weights()[3], 0.9 * variance, rtol=1e-6)


@pytest.mark.parametrize("frozen", [True, False])
def test_nothing_moves_in_inference_or_when_frozen(frozen: bool) -> None:
    layer = built()
    layer.trainable = not frozen
    before = layer.get_weights()
    found = normalized(layer, features(), training=frozen)
    gamma, beta, mean, variance = before
    expected = (features() - mean) / np.sqrt(variance + EPSILON) * gamma + beta
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert all(np.array_equal(*pair) for pair in zip(before, layer.get_weights(), strict=True))


def test_statistics_of_large_maps_are_exact() -> None:
    x = features((2, 128, 128, 4), mean=3)
    mean, variance = (ops.convert_to_numpy(value) for value in moments(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(mean, x.mean((0, 1, 2), dtype=np.float64), rtol=5e-7)
    np.testing.assert_allclose(variance, x.var((0, 1, 2), dtype=np.float64), rtol=5e-7)


def test_gradients_are_those_of_the_definition() -> None:
    x, upstream = features(), features(seed=1)
    layer = built()
    gamma = layer.get_weights()[0]

    def function(x: Any) -> Any:
        mean, variance = moments(x)
        return ops.batch_normalization(x, mean, variance, -1, scale=ops.convert_to_tensor(gamma), epsilon=EPSILON)

    _, found, _ = pull_back(function, x, upstream)
    centered = x - x.mean((0, 1, 2), dtype=np.float64)
    inverse = 1 / np.sqrt((centered**2).mean((0, 1, 2)) + EPSILON)
    normal = centered * inverse
    share = upstream - upstream.mean((0, 1, 2)) - normal * (upstream * normal).mean((0, 1, 2))
    np.testing.assert_allclose(found, gamma * inverse * share, atol=1e-5)


def test_half_precision_is_normalized_in_single_precision() -> None:
    layer = built(dtype="mixed_bfloat16")
    found = layer(ops.convert_to_tensor(features()), training=True)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    expected = normalized(built(), features(), training=True)
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(found, "float32")), expected, atol=0.05)


def test_it_comes_back_from_its_config() -> None:
    layer = built(scale=False)
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is BatchNormalization
    assert again.get_config() == layer.get_config()
