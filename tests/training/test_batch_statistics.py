"""Statistics of batch normalization follow a training, however short it is."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from small import BACKBONE, SIZE, small_detector, state
from small_triplets import small_triplets

from centernet.data import synthetic
from centernet.training.temporary_changes import changed_normalization


def momenta(detector):
    layers = detector._flatten_layers()
    return {layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)}


def slow(make=small_detector, momentum=0.9997):
    return make(("circle",), backbone={**BACKBONE, "momentum": momentum}, lively=False)


@pytest.mark.parametrize("make", [small_detector, small_triplets])
@pytest.mark.parametrize(("steps", "expected"), [(1, 0.9), (200, 0.9), (1000, 0.98)])
def test_the_longer_the_training_the_longer_they_remember(make, steps, expected):
    detector = slow(make)
    with changed_normalization(detector, steps):
        assert max(momenta(detector)) == pytest.approx(expected)
    assert max(momenta(detector)) == 0.9997


def test_a_long_training_and_layers_that_forget_sooner_are_left_alone():
    long, quick = slow(), slow(momentum=0.5)
    with changed_normalization(long, 10**6), changed_normalization(quick, 100):
        assert (momenta(long), momenta(quick)) == ({0.9997}, {0.5})


def test_they_are_as_before_after_an_interruption():
    detector = slow()
    with pytest.raises(KeyboardInterrupt), changed_normalization(detector, 100):
        raise KeyboardInterrupt
    assert momenta(detector) == {0.9997}


def test_fit_leads_a_slow_network_to_the_statistics_of_a_quick_one():
    trained = [slow(momentum=momentum) for momentum in (0.9997, 0.9)]
    for detector in trained:
        detector.fit(synthetic.shapes(8, SIZE, classes=("circle",)), epochs=3, batch_size=4, verbose=0)
    assert all(map(np.array_equal, *map(state, trained)))
    assert momenta(trained[0]) == {0.9997}
