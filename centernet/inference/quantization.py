"""Computes the network of an ONNX file in 8-bit integers; preprocessing, last convolutions and decoder stay float32."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

CONVOLUTIONS = ("Conv", "ConvTranspose")
QUANTIZED = ("Conv", "Clip", "Relu", "Add")  # operations with 8-bit forms in runtimes
PHOTOS = 32  # for the ranges of activations


def quantize(path: Path, photos: Iterable[np.ndarray]) -> None:
    """Quantize an ONNX file in place (QuantizeLinear and DequantizeLinear around the operations of the network).

    Ranges of activations are the smallest and largest values that the photos give; kernels have one scale per channel.
    The last convolutions are left alone: 256 levels of a heatmap would make whole areas equal, which all are peaks.

    Args:
        path: A file that `write_onnx` wrote.
        photos: uint8 RGB images `(height, width, 3)`, of the sizes that the file takes.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Photos(CalibrationDataReader):
        def __init__(self, batches: Iterator[np.ndarray]) -> None:
            self.batches = batches

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self.batches, None)
            return None if batch is None else {images: batch}

    model = onnx.load(path)
    images, kept = model.graph.input[0].name, {one.key: one.value for one in model.metadata_props}
    most = max(model.graph.input[0].type.tensor_type.shape.dim[0].dim_value, 1)
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"  # tf2onnx leaves some unnamed
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=path.parent))
        named = Path(folder) / path.name
        onnx.save(model, named)
        stack.enter_context(_without_advice())
        quantize_static(
            named,
            path,
            Photos(np.repeat(photo[None], most, axis=0) for photo in photos),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(QUANTIZED),
            nodes_to_quantize=[node.name for node in inner_nodes(model.graph.node) if node.op_type in QUANTIZED],
        )
    written = onnx.load(path)
    onnx.helper.set_model_props(written, kept)
    onnx.save(written, path)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Leave out the advice to optimize a file before; it is logged whatever the file is."""

    def others(record: logging.LogRecord) -> bool:
        return "pre-processing" not in record.getMessage()

    logging.getLogger().addFilter(others)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(others)


def inner_nodes(nodes: Iterable[Any]) -> list[Any]:
    """The nodes of a graph between its first and last convolutions, without the last ones."""
    nodes = list(nodes)
    made_by = {name: number for number, node in enumerate(nodes) for name in node.output}
    before = [{made_by[name] for name in node.input if name in made_by} for node in nodes]
    after: list[set[int]] = [set() for _ in nodes]
    for number, others in enumerate(before):
        for other in others:
            after[other].add(number)
    convolutions = {number for number, node in enumerate(nodes) if node.op_type in CONVOLUTIONS}
    follow = _reached(convolutions, lambda number: after[number])
    precede = _reached({one for start in convolutions for one in before[start]}, lambda number: before[number])
    return [nodes[number] for number in sorted((follow | convolutions) & precede)]


def _reached(start: set[int], step: Callable[[int], Iterable[int]]) -> set[int]:
    """What is reached from a set, the set itself included."""
    found, waiting = set(start), list(start)
    while waiting:
        new = set(step(waiting.pop())) - found
        found |= new
        waiting += new
    return found
