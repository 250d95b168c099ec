"""The pooling layers in files that other programs run: they compute there what they compute here."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from exported import Form, each_form_of_keras

from centernet.models.layers import (
    BottomPool,
    CascadeCornerPooling,
    CenterPooling,
    CornerPooling,
    LeftPool,
    RightPool,
    TopPool,
)

SIZES = {"fixed size": (7, 9, 5), "any size": (None, None, 5)}
BATCH = np.random.default_rng(0).normal(size=(2, 7, 9, 5)).astype(np.float32)
pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras exports all three formats on the TensorFlow backend only"
)


def all_layers(size: tuple[int | None, ...]) -> keras.Model:
    """A model with an output for each layer."""
    inputs = keras.Input(size)
    layers = [TopPool(), BottomPool(), LeftPool(), RightPool(), CenterPooling(6, 4)]
    layers += [CornerPooling("top_left", 6, 4), CascadeCornerPooling("bottom_right", 6, 4)]
    return keras.Model(inputs, [layer(inputs) for layer in layers])


@pytest.mark.parametrize("size", SIZES)
@each_form_of_keras
def test_an_exported_file_computes_the_same(form: Form, size: str, tmp_path: Path) -> None:
    model = all_layers(SIZES[size])
    expected = [output.numpy() for output in model(BATCH, training=False)]
    found = form.export_and_run(model, tmp_path, BATCH)
    assert len(found) == len(expected)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    for got, wanted in zip(found[:4], expected[:4], strict=True):  # maxima are exact
        np.testing.assert_array_equal(got, wanted)
