"""Writes a Keras model as an ONNX file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np

from centernet.checkpoints.saved.saving import metadata
from centernet.errors import ConfigError

OPSET = 18
DIMENSIONS = ("batch", "height", "width")  # of the images
LAYOUTS = ((3, 2, 0, 1), (2, 3, 0, 1))  # of ONNX kernels, as axes of Keras's: convolution, depthwise or transposed


def write_onnx(model: keras.Model, path: Path, description: str, dtype: str) -> None:
    """Write an ONNX file with its description in `metadata_props`."""
    import onnx

    converted = _converted(model)
    unknown = sorted({node.op_type for node in converted.graph.node if not onnx.defs.has(node.op_type)})
    if unknown:
        raise ConfigError(
            f"Expected a network whose operations ONNX has. Received one with {', '.join(unknown)}, from a layer of "
            "your own backbone. Write it with other operations, or export a SavedModel."
        )
    for node in converted.graph.node:
        if node.op_type == "Loop":
            _capture_invariants(node)
    _name_dimensions(converted.graph)
    if dtype == "float16":
        _store_halves(converted.graph, [np.asarray(value) for value in model.variables if len(value.shape) == 4])
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


def _name_dimensions(graph: Any) -> None:
    """Name the dimensions that vary: under tf2onnx's (unk__1 …), onnxslim takes them for unknown and fixes some."""
    for tensor, names in ((graph.input[0], DIMENSIONS), *((output, DIMENSIONS[:1]) for output in graph.output)):
        for dimension, name in zip(tensor.type.tensor_type.shape.dim, names, strict=False):
            if not dimension.dim_value:
                dimension.dim_param = name
    del graph.value_info[:]  # of the tensors between, under the former names


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


def _store_halves(graph: Any, kernels: Sequence[np.ndarray]) -> None:
    """Store kernels in half precision; runtimes make them float32 once, when they load the file.

    tf2onnx folds batch normalization, so a kernel of the graph is one of the model times a scale per channel. The
    model's is stored in half precision, and the scale in float32: the product is exact where the model's kernel is.

    Args:
        graph: The ONNX graph.
        kernels: Those of the model `(height, width, channels, channels)`, float32.
    """
    import onnx

    by_shape: dict[tuple[int, ...], list[np.ndarray]] = {}
    for kernel in kernels:
        for axes in LAYOUTS:
            laid = kernel.transpose(axes)
            by_shape.setdefault(laid.shape, []).append(laid)
    made = []
    for weight in list(graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        found = _unscaled(values, by_shape.get(values.shape, ()))
        if found is None:
            continue
        half, full, scale = (f"{weight.name}/{part}" for part in ("half", "full", "scale"))
        made += [
            onnx.helper.make_node("Cast", [half], [full], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Mul", [full, scale], [weight.name]),
        ]
        graph.initializer.append(onnx.numpy_helper.from_array(found[1], scale))
        weight.CopyFrom(onnx.numpy_helper.from_array(found[0].astype(np.float16), half))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*made, *nodes])


def _unscaled(values: np.ndarray, kernels: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
    """The kernel of which `values` are a multiple per channel, and the multiples; None if there is none."""
    for kernel in kernels:
        for axis in (0, 1):
            others = tuple(place for place in range(4) if place != axis)
            squares = np.square(kernel, dtype=np.float64).sum(others, keepdims=True)
            products = np.multiply(values, kernel, dtype=np.float64).sum(others, keepdims=True)
            scale = np.divide(products, squares, out=np.zeros_like(products), where=squares > 0).astype(np.float32)
            if np.allclose(kernel * scale, values, rtol=1e-5, atol=1e-9):
                return kernel, scale
    return None
