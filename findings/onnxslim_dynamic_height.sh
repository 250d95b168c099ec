#!/usr/bin/env bash
# onnxslim takes a dimension whose name contains "unk__" for unknown, not for varying, and may fix it: here the height of an
# input at 1, after which the file refuses every image of another height. tf2onnx gives all dimensions that vary such names.
#
# Guess before running: a dimension's name has no meaning, and an optimizer leaves the shapes of inputs alone.
# Seen (onnxslim 0.1.98): a graph appends a row of zeros to images, with the four operations that tf2onnx writes for
# tf.concat([x, tf.zeros_like(x[:, :1])], 1). With the names b, h, w the input stays as it is. With the names unk__13,
# unk__14, unk__15 it is (unk__13, 1, unk__15, 3) after `onnxslim.slim`, and ONNX Runtime refuses an image of 4 rows. With
# `no_shape_infer=True` the height stays.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxslim==0.1.98 onnx==1.23.2 onnxruntime==1.32.0
cat >"$folder/run.py" <<'PYTHON'
from importlib.metadata import version

import numpy as np
import onnxruntime
import onnxslim
from onnx import TensorProto, helper, numpy_helper

axes = {"start": [0, 0], "end": [2**31 - 1, 1], "axes": [0, 1]}
nodes = [
    helper.make_node("Slice", ["x", *axes], ["first_row"]),
    helper.make_node("Shape", ["first_row"], ["shape"]),
    helper.make_node("ConstantOfShape", ["shape"], ["zeros"], value=helper.make_tensor("v", TensorProto.UINT8, [1], [0])),
    helper.make_node("Concat", ["x", "zeros"], ["y"], axis=1),
]


def model(*names: str) -> object:
    graph = helper.make_graph(
        nodes,
        "pad",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [*names, 3])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [names[0], "h1", names[2], 3])],
        [numpy_helper.from_array(np.array(values, np.int64), name) for name, values in axes.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def height(made: object) -> int | str:
    side = made.graph.input[0].type.tensor_type.shape.dim[1]
    return side.dim_value or side.dim_param


def runs(made: object) -> bool:
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    try:
        return session.run(None, {"x": np.ones((1, 4, 5, 3), np.uint8)})[0].shape == (1, 5, 5, 3)
    except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
        return False


seen = {}
for names in (("b", "h", "w"), ("unk__13", "unk__14", "unk__15")):
    slimmed, without = onnxslim.slim(model(*names)), onnxslim.slim(model(*names), no_shape_infer=True)
    seen[names[1]] = [(height(made), runs(made)) for made in (model(*names), slimmed, without)]
print(f"onnxslim {version('onnxslim')}: height and whether 4 rows run, before, after, without shape inference: {seen}")
expected = {"h": [("h", True)] * 3, "unk__14": [("unk__14", True), (1, False), ("unk__14", True)]}
raise SystemExit(seen != expected)
PYTHON
"$folder/venv/bin/python" "$folder/run.py"
