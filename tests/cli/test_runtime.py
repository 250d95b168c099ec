"""The command line on other runtimes than Keras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
pytest.importorskip("onnxruntime", reason="runs ONNX files: pip install onnxruntime")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports on TensorFlow only")
def test_an_exported_file_is_a_model(run, tiny, photo):
    assert run("export", tiny, "tiny.onnx").code == 0
    found = [
        json.loads(
            run(
                "detect", photo, "--model", model, "--runtime", runtime, "--min-score", "0", "--json", "-", "--no-draw"
            ).out
        )
        for model, runtime in ((tiny, "keras"), ("tiny.onnx", "onnx"), ("tiny.onnx", "auto"))
    ]
    assert found[0][0]["objects"]
    assert [len(rows[0]["objects"]) for rows in found] == [len(found[0][0]["objects"])] * 3


@pytest.mark.parametrize("option", [["--exact"], ["--show-heatmap"], ["--flip"], ["--scales", "1,2"], ["--vote"]])
def test_what_needs_keras_is_told(run, photo, option):
    done = run("detect", photo, "--model", "shapes", "--runtime", "onnx", *option)
    assert done.code == 2
    assert f"Expected --runtime keras or auto for {option[0]}. Received: onnx" in done.error


def test_the_first_detection_imports_neither_keras_nor_tensorflow(tmp_path):
    code = (
        "import sys\nfrom centernet.cli.app import main\n"
        f"sys.argv = ['centernet', 'detect', {str(EXAMPLES / 'blood_cells.png')!r}, '--model', 'bccd', '--no-draw']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code)\n"
        "print(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    )
    environment = {**os.environ, "CENTERNET_RUNTIME": "onnx", "CENTERNET_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-2:] == ["0", "[]"]
    assert "10 RBC, 4 Platelets, 1 WBC" in done.stdout
