"""The pooling layers in files that other programs run: they compute there what they compute here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from centernet.layers import (
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


def run_saved_model(model: keras.Model, path: Path) -> list[np.ndarray]:
    import tensorflow as tf

    model.export(path, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(path)
    return [output.numpy() for output in loaded.serve(BATCH)]


def run_onnx(model: keras.Model, path: Path) -> list[np.ndarray]:
    pytest.importorskip("tf2onnx", reason="Keras writes ONNX with tf2onnx: pip install tf2onnx onnx")
    runtime = pytest.importorskip("onnxruntime", reason="runs ONNX files: pip install onnxruntime")
    file = path.with_suffix(".onnx")
    model.export(file, format="onnx", verbose=False)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: BATCH})


def run_litert(model: keras.Model, path: Path) -> list[np.ndarray]:
    runtime = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="writes and runs LiteRT: pip install ai-edge-litert"
    )
    file = path.with_suffix(".tflite")
    model.export(file, format="litert", verbose=False)
    signature = runtime.Interpreter(str(file)).get_signature_runner()
    (name,) = signature.get_input_details()
    outputs = signature(**{name: BATCH})
    return [outputs[name] for name in sorted(outputs)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("run", [run_saved_model, run_onnx, run_litert])
def test_an_exported_file_computes_the_same(run: Callable[..., Any], size: str, tmp_path: Path) -> None:
    model = all_layers(SIZES[size])
    expected = [output.numpy() for output in model(BATCH, training=False)]
    found = run(model, tmp_path / "model")
    assert len(found) == len(expected)
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)
    for got, wanted in zip(found[:4], expected[:4], strict=True):  # maxima are exact
        np.testing.assert_array_equal(got, wanted)
