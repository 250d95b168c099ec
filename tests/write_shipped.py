"""Writes the shipped models as ONNX: `python tests/write_shipped.py`.

The files hold the graphs. Their kernels are those of the `.weights.h5` beside them: an ONNX file may refer to bytes of
another file, and HDF5 keeps an array that is not compressed in one piece. So the weights ship once.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import centernet
from centernet.files.environment import configs_dir
from centernet.inference.onnx_file import LAYOUTS

NAMES = ("bccd", "shapes")
SUFFIX = "/half"  # of kernels in half precision


def write(name: str, path: Path) -> None:
    """Write one model; `path` is beside its weights."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "model.onnx"
        centernet.load(name).export(whole, dtype="float16")
        model = onnx.load(whole)
    weights = path.with_name(f"{name}.weights.h5")
    with h5py.File(weights) as file:
        stored = [dataset for dataset in datasets(file) if dataset.ndim == 4]
        turned = []
        for kernel in model.graph.initializer:
            if kernel.name.endswith(SUFFIX):
                dataset, axes = find(numpy_helper.to_array(kernel), stored)
                outside = f"{kernel.name}/stored"
                turned.append(helper.make_node("Transpose", [outside], [kernel.name], perm=axes))
                kernel.CopyFrom(reference(outside, dataset, weights.name))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*turned, *nodes])
    path.write_bytes(model.SerializeToString())


def datasets(group: h5py.Group) -> list[h5py.Dataset]:
    """All arrays of a file."""
    found: list[h5py.Dataset] = []
    group.visititems(lambda _, one: found.append(one) if isinstance(one, h5py.Dataset) else None)
    return found


def find(kernel: np.ndarray, stored: list[h5py.Dataset]) -> tuple[h5py.Dataset, tuple[int, ...]]:
    """The stored array that a kernel is, and the order of its axes in the kernel."""
    for dataset in stored:
        for axes in LAYOUTS:
            if np.array_equal(dataset[()].transpose(axes), kernel):
                return dataset, axes
    raise ValueError(f"no stored array is the kernel of shape {kernel.shape}")


def reference(name: str, dataset: h5py.Dataset, location: str) -> TensorProto:
    """A tensor whose values are bytes of another file."""
    assert dataset.chunks is None, "expected an array in one piece"
    place = {"location": location, "offset": dataset.id.get_offset(), "length": dataset.nbytes}
    tensor = TensorProto(
        name=name, data_type=TensorProto.FLOAT16, dims=dataset.shape, data_location=TensorProto.EXTERNAL
    )
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


if __name__ == "__main__":
    for model in NAMES:
        write(model, configs_dir() / "weights" / f"{model}.onnx")
