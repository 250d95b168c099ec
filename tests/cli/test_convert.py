from pathlib import Path

import numpy as np
import pytest

from centernet import load


def test_convert_writes_a_model_that_loads_and_detects_the_same(run, tiny, compiled, photo):
    done = run("convert", tiny, "half.zip", "--dtype", "float16")
    assert (done.code, done.err) == (0, "")
    assert "taken: " in done.out
    assert "Saved tiny to half.zip" in done.out
    before, after = (detector.detect(str(photo), min_score=0) for detector in (compiled, load("half.zip")))
    np.testing.assert_allclose(before.scores[:5], after.scores[:5], atol=1e-3)
    assert Path("half.zip").stat().st_size < 0.8 * sum(file.stat().st_size for file in tiny.iterdir())


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("half.keras", ["--dtype", "float16"], "A .keras file has no dtype of its own"),
        ("a.onnx", [], "detector.export"),
    ],
)
def test_a_form_that_cannot_be_is_refused_before_the_model_is_loaded(run, target, options, message):
    done = run("convert", "missing", target, *options)
    assert done.code == 2
    assert message in done.error
    assert not Path(target).exists()


def test_a_keras_file_is_written_without_a_precision(run, tiny):
    assert run("convert", tiny, "tiny.keras").code == 0
    assert load("tiny.keras").class_names == ("cat", "dog")


def test_convert_says_which_classes_are_new(run, tiny):
    done = run("convert", tiny, "other", "--classes", "dog,cow,hen")
    assert done.code == 0
    assert "1 kept by name (dog), 2 new (cow, hen)" in done.out
    assert load("other").class_names == ("dog", "cow", "hen")


def test_convert_replaces_a_model_only_if_told_to(run, tiny):
    assert run("convert", tiny, "copy").code == 0
    refused = run("convert", tiny, "copy")
    assert refused.code == 2
    assert "--overwrite" in refused.error
    assert run("convert", tiny, "copy", "--overwrite").code == 0
