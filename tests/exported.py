"""Runs files that other programs read: what each gives for a batch, output by output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest


def run_saved_model(path: Path, batch: np.ndarray) -> dict[str, np.ndarray]:
    import tensorflow as tf

    outputs = tf.saved_model.load(path).signatures["serving_default"](tf.constant(batch))
    return {name: value.numpy() for name, value in outputs.items()}


def run_onnx(path: Path, batch: np.ndarray) -> dict[str, np.ndarray]:
    runtime = pytest.importorskip("onnxruntime", reason="runs ONNX files: pip install onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: batch}), strict=True))


def run_litert(path: Path, batch: np.ndarray) -> dict[str, np.ndarray]:
    runtime = pytest.importorskip("ai_edge_litert.interpreter", reason="runs LiteRT: pip install ai-edge-litert")
    signature = runtime.Interpreter(str(path)).get_signature_runner()
    (name,) = signature.get_input_details()
    return signature(**{name: batch})


def run_openvino(path: Path, batch: np.ndarray) -> dict[str, np.ndarray]:
    runtime = pytest.importorskip("openvino", reason="runs OpenVINO's files: pip install openvino")
    compiled = runtime.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.get_any_name(): np.array(values) for output, values in compiled(batch).items()}


@dataclass(frozen=True)
class Form:
    """A form of file: its name, the ending of its files, how they are run, what writes them, Keras's name."""

    name: str
    suffix: str
    run: Callable[[Path, np.ndarray], dict[str, np.ndarray]]
    needs: tuple[str, ...] = ()
    keras_name: str = ""

    def path(self, folder: Path) -> Path:
        """Where a file of this form may be written; skips where what writes it is not installed."""
        for module in self.needs:
            pytest.importorskip(module, reason="writes this form: pip install centernet[export]")
        return folder / f"model{self.suffix}"

    def export_and_run(self, model: Any, folder: Path, batch: np.ndarray) -> list[np.ndarray]:
        """The outputs of a Keras model's file, in the order of their names."""
        path = self.path(folder)
        model(batch, training=False)  # Keras's exporter of ONNX wants a model that was called
        model.export(str(path), format=self.keras_name, verbose=False)
        outputs = self.run(path, batch)
        return [outputs[name] for name in sorted(outputs)]


FORMS = (
    Form("SavedModel", "", run_saved_model, keras_name="tf_saved_model"),
    Form("ONNX", ".onnx", run_onnx, ("onnx", "tf2onnx"), "onnx"),
    Form("LiteRT", ".tflite", run_litert, ("ai_edge_litert",), "litert"),
    Form("OpenVINO", ".xml", run_openvino, ("onnx", "tf2onnx", "openvino")),
)
each_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
each_form_of_keras = pytest.mark.parametrize(
    "form", [form for form in FORMS if form.keras_name], ids=lambda form: form.name
)
