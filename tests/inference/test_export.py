"""A whole detector in files that other programs run: they find what it finds here."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from exported import FORMS, Form, each_form
from small import picture, small_detector
from small_triplets import small_triplets

from centernet import load
from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError, MissingExtraError, WriteError
from centernet.inference.exporting import FORMATS
from centernet.models.config import ModelConfig
from centernet.ops.preprocessing import Preprocessing

TASK = KeypointTask("a", ("left", "right", "top"), flip=(1, 0, 2))
DETECTORS: dict[str, Callable[[], Any]] = {
    "points with keypoints": lambda: small_detector(keypoints=TASK),
    "triplets": small_triplets,
}
on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports on TensorFlow only")


@pytest.fixture(scope="module", params=DETECTORS)
def detector(request: pytest.FixtureRequest) -> Any:
    return DETECTORS[request.param]()


def equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    kept = expected["scores"] > 0
    assert kept.sum() >= 2
    np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-4)
    np.testing.assert_array_equal(found["class_ids"][kept], expected["class_ids"][kept])
    for name in expected.keys() - {"scores", "class_ids"}:
        np.testing.assert_allclose(found[name][kept], expected[name][kept], atol=1e-4)


def test_every_format_of_the_table_is_tested_here() -> None:
    assert {(form.name, form.suffix) for form in FORMS} == {(form.name, form.suffix) for form in FORMATS.values()}


@on_tensorflow
@each_form
def test_a_file_finds_the_same_in_batches_of_any_size(form: Form, detector: Any, tmp_path: Path) -> None:
    path = form.path(tmp_path / "new")
    detector.export(path)
    image = picture(100, 120)
    for images in ([image], [picture(97, 80)[:64, :64]] * 2, [image, image[:, ::-1], image[::-1]]):
        equal(form.run(path, np.stack(images)), detector.infer(images))
    described = path.with_name(f"{path.name}.json") if form.suffix else path / "config.json"
    assert ModelConfig.from_dict(json.loads(described.read_text())["model"]) == detector.config
    assert len(list((tmp_path / "new").iterdir())) == (2 if form.suffix else 1)


@on_tensorflow
def test_images_seen_at_their_own_size_have_one(tmp_path: Path) -> None:
    detector = small_detector(image_size=None, preprocessing=Preprocessing((64, 64), fit="original", step=16))
    with pytest.raises(ConfigError, match=r"export\(path, image_size=\(480, 640\)\)"):
        detector.export(tmp_path / "model")
    form = each_form.args[1][0]
    detector.export(tmp_path / "model", image_size=(50, 90))
    equal(form.run(tmp_path / "model", picture(50, 90)[None]), detector.infer([picture(50, 90)]))


@on_tensorflow
def test_only_what_is_of_the_same_form_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = small_detector()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "saved_model.pb").write_text("foreign")
    (tmp_path / "a.onnx.json").write_text("mine")
    for path in ("mine", "mine/thesis.tex", "foreign", "a.onnx"):
        with pytest.raises(ConfigError, match="is left alone"):
            detector.export(tmp_path / path)
    assert (tmp_path / "foreign" / "saved_model.pb").read_text() == "foreign"
    assert (tmp_path / "a.onnx.json").read_text() == "mine"
    assert not (tmp_path / "a.onnx").exists()
    detector.export(tmp_path / "model")
    before = (tmp_path / "model" / "saved_model.pb").stat().st_mtime_ns
    detector.export(tmp_path / "model")
    assert (tmp_path / "model" / "saved_model.pb").stat().st_mtime_ns > before


@on_tensorflow
def test_what_was_there_is_unchanged_if_it_cannot_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector, path = small_detector(), tmp_path / "model.tflite"
    each_form.args[1][2].path(tmp_path)  # skips without what writes it
    detector.export(path)
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    replace = os.replace

    def fail_at_the_model(source: Path, target: Path) -> None:
        if target == path:
            monkeypatch.setattr(os, "replace", replace)
            raise OSError("no")
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail_at_the_model)
    detector.config = dataclasses.replace(detector.config, name="other")
    with pytest.raises(WriteError, match="What was there before is unchanged"):
        detector.export(path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


@on_tensorflow
def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", tmp_path):
        with pytest.raises(ConfigError, match="other than the current folder"):
            small_detector().export(path)


@on_tensorflow
def test_what_was_exported_is_not_what_is_loaded(tmp_path: Path) -> None:
    small_detector().export(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"was exported for other programs.*detector\.save"):
        load(tmp_path / "model")


@on_tensorflow
@pytest.mark.parametrize("size", [320, (480, 640, 3), (3.5, 5), ("480", "640"), (0, 5)])
def test_sizes_that_are_none_are_refused(tmp_path: Path, size: Any) -> None:
    with pytest.raises(ConfigError, match="image_size as a height and width in whole pixels"):
        small_detector().export(tmp_path / "model", image_size=size)


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = small_detector()
    with pytest.raises(ConfigError, match=r"saved_model, onnx, litert\. Received: 'coreml'"):
        detector.export(tmp_path / "model", "coreml")
    with pytest.raises(ConfigError, match=r"path for litert with \.tflite\. Received: .*model\.onnx"):
        detector.export(tmp_path / "model.onnx", "litert")
    with pytest.raises(ConfigError, match=r"path for saved_model with no ending"):
        detector.export(tmp_path / "model.onnx", "saved_model")
    for name in ("model.zip", "model.keras", "model.H5", "model.tar.gz"):
        with pytest.raises(ConfigError, match=r"ends in \.onnx or \.tflite, or a folder's"):
            detector.export(tmp_path / name)
    if keras.backend.backend() == "tensorflow":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(MissingExtraError, match=r"onnx, tf2onnx is needed: pip install centernet\[export\]"):
            detector.export(tmp_path / "model.onnx")
    else:
        with pytest.raises(ConfigError, match="KERAS_BACKEND=tensorflow"):
            detector.export(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
