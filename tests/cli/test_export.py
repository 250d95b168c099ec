from pathlib import Path

import numpy as np
import pytest
from exported import FORMS
from PIL import Image


def test_a_model_becomes_a_file_of_the_form_that_it_is_called_after(run, tiny, compiled, photo):
    done = run("export", tiny, "tiny_model")
    assert (done.code, done.err) == (0, "")
    assert "Exported tiny to tiny_model." in done.out
    image = np.asarray(Image.open(photo))
    found = FORMS[0].run(Path("tiny_model"), image[None])
    np.testing.assert_allclose(found["boxes"], compiled.infer([image])["boxes"], atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["there.onnx"], "there.onnx exists already. Choose another path, or add --overwrite"),
        (["new.onnx", "--image-size", "0", "64"], "image_size"),
        (["new.onnx", "--precision", "int8"], "--calibration for int8 alone. Received: int8, --calibration None"),
        (
            ["new.onnx", "--calibration", "photos"],
            "--calibration for int8 alone. Received: float32, --calibration photos",
        ),
        (["new.onnx", "--precision", "int4"], "Expected --precision float32 or int8"),
    ],
)
def test_what_cannot_be_exported_is_told(run, tiny, arguments, message):
    Path("there.onnx").write_text("mine")
    done = run("export", tiny, *arguments)
    assert done.code == 2
    assert message in done.error
    assert Path("there.onnx").read_text() == "mine"
