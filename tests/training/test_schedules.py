"""Schedules of learning rates in phases, held to the formulas of the Detection API."""

from __future__ import annotations

import math

import numpy as np
import pytest

from centernet.errors import ConfigError
from centernet.training.optimizers import PhasedLearningRate, make_optimizer
from centernet.training.settings import Phase, TrainingSettings

STEPS = range(130)


def rates(*phases, rate=0.01):
    schedule = PhasedLearningRate(rate, phases)
    return np.array([float(schedule(step)) for step in STEPS])


def test_cosine_after_a_linear_rise_and_a_constant_part():
    found = rates(Phase(20, 0.25, 1), Phase(10, 1), Phase(70, 1, 0, "cosine"))
    expected = [
        0.0025 + 0.0075 * step / 20
        if step < 20
        else 0.01
        if step <= 30
        else 0.005 * (1 + math.cos(math.pi * (step - 30) / 70))
        if step <= 100
        else 0
        for step in STEPS
    ]
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("every", [1, 25])
def test_exponential(every):
    found = rates(Phase(10, 0.1), Phase(100, 1, 0.5**4, "exponential", every))
    expected = [0.001 if s < 10 else 0.01 * 0.5 ** (min((s - 10) // every * every, 100) / 25) for s in STEPS]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_constant_parts_and_the_last_stays():
    np.testing.assert_allclose(
        rates(Phase(3, 1), Phase(2, 0.1), Phase(1, 0.01))[:8] * 100, [1] * 3 + [0.1] * 2 + [0.01] * 3
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 0, "start": 1}, "steps and every of at least 1"),
        ({"steps": 1, "start": -1}, "factors of at least 0"),
        ({"steps": 1, "start": 1, "end": 0, "form": "exponential"}, "above 0 of an exponential phase"),
        ({"steps": 1, "start": 1, "form": "sine"}, "Expected form"),
        ({"step": 1, "start": 1}, "Did you mean 'steps'"),
    ],
)
def test_invalid_phases(fields, message):
    with pytest.raises(ConfigError, match=message):
        TrainingSettings(schedule=[fields])


def test_optimizers_take_the_options_of_keras():
    settings = TrainingSettings(
        optimizer="rmsprop", optimizer_options={"rho": 0.8, "momentum": 0.7, "epsilon": 1.0}, schedule=[Phase(5, 1)]
    )
    optimizer = make_optimizer(settings, 10)
    assert (optimizer.rho, optimizer.momentum, optimizer.epsilon) == (0.8, 0.7, 1.0)
    sgd = make_optimizer(TrainingSettings(optimizer="sgd", optimizer_options={"momentum": 0.5}), 10)
    assert sgd.momentum == 0.5


@pytest.mark.parametrize("option", ["decay", "learning_rate", "global_clipnorm", "use_ema", "clipnorm"])
def test_unknown_options_and_those_of_other_settings_are_refused(option):
    with pytest.raises(ConfigError, match=f"optimizer_options of .*'epsilon'.*Received: \\['{option}'\\]"):
        make_optimizer(TrainingSettings(optimizer_options={option: 1}), 10)
