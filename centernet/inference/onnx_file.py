"""Writes a Keras model as an ONNX file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import keras

from centernet.checkpoints.saved.saving import metadata

OPSET = 18


def write_onnx(model: keras.Model, path: Path, description: str) -> None:
    """Write an ONNX file with its description in `metadata_props`."""
    import onnx

    converted = _converted(model)
    for node in converted.graph.node:
        if node.op_type == "Loop":
            _capture_invariants(node)
    onnx.helper.set_model_props(converted, metadata(description))
    onnx.save(converted, path)


def _converted(model: keras.Model) -> Any:
    """A model as ONNX. Keras's own export traces it four times and has tf2onnx copy it at every step."""
    import tensorflow as tf
    import tf2onnx

    images = model.inputs[0]
    signature = [tf.TensorSpec(images.shape, images.dtype, name="images")]
    function = tf.function(lambda images: model(images, training=False), input_signature=signature, autograph=False)
    # Without this, tf2onnx copies the graph before each of its passes, to undo those that fail. None does here.
    with mock.patch.dict(os.environ, {"TF2ONNX_CATCH_ERRORS": "FALSE"}):
        return tf2onnx.convert.from_function(function, signature, opset=OPSET)[0]


def _capture_invariants(loop: Any) -> None:
    """Have the body of a Loop read what it doesn't change from outside, instead of passing it from turn to turn.

    That is how tf2onnx writes a while loop; OpenVINO refuses a body whose outputs are its own inputs.
    """
    body = loop.attribute[0].g
    first = 2  # after the number of turns and the condition; the body's outputs begin with the condition
    fixed = [place for place in range(first, len(body.input)) if body.input[place].name == body.output[place - 1].name]
    outer = {body.input[place].name: loop.input[place] for place in fixed}
    for node in body.node:
        for place, name in enumerate(node.input):
            node.input[place] = outer.get(name, name)
    for place in reversed(fixed):
        del body.input[place], body.output[place - 1], loop.input[place], loop.output[place - first]
