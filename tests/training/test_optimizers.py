"""Schedules and optimizers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from centernet.training.optimizers import make_optimizer
from centernet.training.settings import TrainingSettings


def rate(optimizer, step):
    schedule = optimizer._learning_rate
    return float(schedule(step)) if callable(schedule) else float(optimizer.learning_rate)


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("cosine", 0.1, [0, 0.5, 1, 0.5, 0]),
        ("cosine", 0.0, [1, None, None, None, 0]),
        ("constant", 0.1, [0, 0.5, 1, 1, 1]),
        ("constant", 0.0, [1, 1, 1, 1, 1]),
    ],
)
def test_the_learning_rate_rises_and_falls_as_said(schedule, warmup, expected):
    settings = TrainingSettings(schedule=schedule, warmup=warmup, learning_rate=0.01)
    optimizer = make_optimizer(settings, 1000)
    for step, part in zip([0, 50, 100, 550, 1000], expected, strict=True):
        if part is not None:
            assert rate(optimizer, step) == pytest.approx(0.01 * part, abs=1e-6)


def test_accumulated_batches_are_one_step_of_the_schedule():
    optimizer = make_optimizer(TrainingSettings(warmup=0.0, accumulate=4), 1000)
    assert rate(optimizer, 250) == pytest.approx(0, abs=1e-6)
    assert optimizer.gradient_accumulation_steps == 4


def test_biases_and_normalization_are_not_decayed():
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    optimizer = make_optimizer(
        TrainingSettings(optimizer="sgd", weight_decay=0.5, schedule="constant", warmup=0.0, learning_rate=0.1), 10
    )
    optimizer.build(layer.trainable_variables)
    layer.bias.assign([1.0, 1.0])
    before = np.array(layer.kernel)
    optimizer.apply([keras.ops.zeros((3, 2)), keras.ops.zeros(2)], layer.trainable_variables)
    assert np.array(layer.bias).tolist() == [1, 1]
    assert np.allclose(np.array(layer.kernel), before * 0.95)


@pytest.mark.parametrize(("optimizer", "weight_decay"), [("adamw", 0.0), ("adamw", 0.2), ("sgd", 0.0), ("adam", 0.0)])
def test_what_decays_is_what_was_asked_for(optimizer, weight_decay):
    layer = keras.layers.Dense(2)
    layer.build((None, 3))
    settings = TrainingSettings(
        optimizer=optimizer, weight_decay=weight_decay, schedule="constant", warmup=0.0, learning_rate=0.1
    )
    made = make_optimizer(settings, 10)
    before = np.array(layer.kernel)
    made.apply([keras.ops.zeros((3, 2)), keras.ops.zeros(2)], layer.trainable_variables)
    np.testing.assert_allclose(np.array(layer.kernel), before * (1 - 0.1 * weight_decay), rtol=1e-6)


def test_averages_move_as_far_with_each_change_however_many_batches_it_takes():
    def average_after_a_change(accumulate):
        layer = keras.layers.Dense(1, kernel_initializer="zeros")
        layer.build((None, 1))
        settings = TrainingSettings(
            optimizer="sgd", ema=0.9, accumulate=accumulate, schedule="constant", warmup=0.0, learning_rate=1.0
        )
        made = make_optimizer(settings, 100)
        made.build(layer.trainable_variables)
        for step in range(9 * accumulate - 1):  # pushed by the second change, the weight goes on with its momentum
            gradient = -1.0 if accumulate <= step < 2 * accumulate else 0.0
            made.apply([keras.ops.full((1, 1), gradient), keras.ops.zeros(1)], layer.trainable_variables)
        assert np.array(layer.kernel)[0, 0] > 4
        made.finalize_variable_values(layer.trainable_variables)
        return float(np.array(layer.kernel)[0, 0])

    assert average_after_a_change(4) == pytest.approx(average_after_a_change(1), abs=0.03)
    assert average_after_a_change(1) < 2
