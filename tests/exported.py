"""Runs a Keras model in the forms that other programs read: what each gives for a batch, output by output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[[Any, Path, np.ndarray], list[np.ndarray]]


def run_saved_model(model: Any, path: Path, batch: np.ndarray) -> list[np.ndarray]:
    import tensorflow as tf

    model.export(path, format="tf_saved_model", verbose=False)
    loaded = tf.saved_model.load(path)
    return [output.numpy() for output in tf.nest.flatten(loaded.serve(batch))]


def run_onnx(model: Any, path: Path, batch: np.ndarray) -> list[np.ndarray]:
    pytest.importorskip("tf2onnx", reason="Keras writes ONNX with tf2onnx: pip install tf2onnx onnx")
    runtime = pytest.importorskip("onnxruntime", reason="runs ONNX files: pip install onnxruntime")
    file = path.with_suffix(".onnx")
    model(batch, training=False)  # Keras's exporter wants a model that was called
    model.export(file, format="onnx", verbose=False)
    session = runtime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: batch})


def run_litert(model: Any, path: Path, batch: np.ndarray) -> list[np.ndarray]:
    runtime = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="writes and runs LiteRT: pip install ai-edge-litert"
    )
    file = path.with_suffix(".tflite")
    model.export(file, format="litert", verbose=False)
    signature = runtime.Interpreter(str(file)).get_signature_runner()
    (name,) = signature.get_input_details()
    outputs = signature(**{name: batch})
    return [outputs[name] for name in sorted(outputs)]


FORMATS: tuple[Run, ...] = (run_saved_model, run_onnx, run_litert)
