#!/usr/bin/env bash
# OpenVINO refuses an ONNX Loop whose body hands a value on unchanged, if the body's output is its input itself. tf2onnx
# writes every value that a TensorFlow while loop only reads in this way.
#
# Guess before running: a valid Loop that ONNX's checker and ONNX Runtime accept is read, or refused for an operation.
# Seen (OpenVINO 2026.4.1): "loop body graph canonical inputs size ... does not match". The same body with an Identity
# between, or with the value read from outside the loop, is converted and gives ONNX Runtime's result.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0
cat >"$folder/run.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper


def tensor(name: str, kind: int = TensorProto.FLOAT, shape: tuple = (3,)) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(way: str) -> onnx.ModelProto:
    """y = x + 4 * step, in four turns; the step is a value that the body only reads."""
    outside = way == "outside"
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["sum", "step" if outside else "fixed"], ["next"]),
            *([helper.make_node("Identity", ["fixed"], ["handed_on"])] if way == "identity" else []),
        ],
        "body",
        [
            tensor("turn", TensorProto.INT64, ()),
            tensor("go", TensorProto.BOOL, ()),
            tensor("sum"),
            *([] if outside else [tensor("fixed")]),
        ],
        [
            tensor("go_on", TensorProto.BOOL, ()),
            tensor("next"),
            *([] if outside else [tensor("handed_on" if way == "identity" else "fixed")]),
        ],
    )
    values, results = (["x"], ["y"]) if outside else (["x", "step"], ["y", "unused"])
    graph = helper.make_graph(
        [helper.make_node("Loop", ["turns", "", *values], results, body=body)],
        "loop",
        [tensor("x"), tensor("step")],
        [tensor("y")],
        [numpy_helper.from_array(np.array(4, np.int64), "turns")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(made, full_check=True)
    return made


inputs = {"x": np.float32([1, 2, 3]), "step": np.float32([1, 0, 2])}
seen = {}
for way in ("itself", "identity", "outside"):
    path = Path(sys.argv[1]) / f"{way}.onnx"
    onnx.save(model(way), path)
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, inputs)
    try:
        found = openvino.compile_model(path, "CPU")(inputs)
        seen[way] = bool(np.array_equal(found[0], expected))
    except Exception as error:  # noqa: BLE001
        seen[way] = "canonical inputs size" in str(error) and "refused"
print(f"OpenVINO {openvino.__version__}: {seen}")
raise SystemExit(seen != {"itself": "refused", "identity": True, "outside": True})
PYTHON
"$folder/venv/bin/python" "$folder/run.py" "$folder"
