"""Detectors on other runtimes than Keras: which one, from where, and what is told if that can't be."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small import picture, small_detector

import centernet
from centernet import ExportedDetector, load
from centernet.errors import CenterNetError, CheckpointError, ConfigError, MissingExtraError
from centernet.files.environment import configs_dir
from centernet.inference.runtimes import RUNTIMES

EXAMPLES = Path(__file__).parents[2] / "examples"
SHIPPED = {"bccd": "blood_cells.png", "shapes": "shapes.png"}
pytest.importorskip("onnxruntime", reason="runs ONNX files: pip install onnxruntime")
on_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports on TensorFlow only")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CENTERNET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("exports on TensorFlow only")
    path = tmp_path_factory.mktemp("exported") / "small.onnx"
    small_detector().export(path)
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_find_what_their_models_find(name: str) -> None:
    here, there = (load(name, runtime=runtime) for runtime in ("keras", "onnx"))
    assert isinstance(there, ExportedDetector)
    assert there.path == configs_dir() / "weights" / f"{name}.onnx"
    assert there.config == here.config
    assert there.path.stat().st_size < 8e6
    expected, found = (detector.detect(EXAMPLES / SHIPPED[name], min_score=0.05) for detector in (here, there))
    assert len(expected) >= 8
    assert found.names == expected.names
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.01)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    if expected.keypoints is not None:
        np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.01)


def test_neither_keras_nor_tensorflow_is_imported() -> None:
    code = (
        "import json, sys, centernet\n"
        f"found = centernet.load('bccd', runtime='onnx').detect({str(EXAMPLES / 'blood_cells.png')!r})\n"
        "print(json.dumps([len(found), sorted({name.split('.')[0] for name in sys.modules})]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, modules = json.loads(result.stdout)
    assert count == 15
    assert {"keras", "tensorflow", "jax", "torch"} & set(modules) == set()


@on_tensorflow
def test_a_model_is_exported_once_and_again_when_its_weights_change(cache: Path, tmp_path: Path) -> None:
    detector, image = small_detector(), picture(100, 120)
    detector.save(tmp_path / "saved")
    first = load(tmp_path / "saved", runtime="onnx")
    made = first.path.stat().st_mtime_ns
    assert first.path.parent == cache / "exported"
    np.testing.assert_allclose(first.infer([image])["scores"], detector.infer([image])["scores"], atol=1e-4)
    assert load(tmp_path / "saved", runtime="onnx").path.stat().st_mtime_ns == made
    small_detector(seed=1).save(tmp_path / "saved")
    assert load(tmp_path / "saved", runtime="onnx").path != first.path


@on_tensorflow
def test_other_weights_are_exported_apart(tmp_path: Path) -> None:
    for seed in (0, 1):
        small_detector(seed=seed).save(tmp_path / f"saved{seed}")
    image, names = [picture(100, 120)], ("saved0", "saved1")
    found = [load(tmp_path / "saved0", tmp_path / name, runtime="onnx") for name in names]
    assert found[0].path != found[1].path
    for name, detector in zip(names, found, strict=True):
        np.testing.assert_allclose(
            detector.infer(image)["scores"], load(tmp_path / name).infer(image)["scores"], atol=1e-4
        )


@on_tensorflow
def test_auto_stays_on_keras_where_exporting_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    small_detector().save(tmp_path / "saved")
    (tmp_path / "home").write_text("no folder")
    assert isinstance(load(tmp_path / "saved", runtime="auto"), centernet.Detector)
    assert "is not exported, and runs on Keras" in caplog.text
    with pytest.raises(CenterNetError):
        load(tmp_path / "saved", runtime="onnx")
    monkeypatch.setattr("centernet.loading.load_exported.MOST_BYTES", 10)
    assert isinstance(load(tmp_path / "saved", runtime="auto"), centernet.Detector)


def test_auto_measures_once_and_remembers(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = load("shapes", runtime="auto")
    installed = [name for name in ("onnx", "openvino") if RUNTIMES[name].is_installed]
    assert chosen.runtime in installed
    if len(installed) == 1:
        return
    kept = cache / "exported" / "fastest.json"
    (key,) = json.loads(kept.read_text())
    for name in installed:
        kept.write_text(json.dumps({key: name}))
        assert load("shapes", runtime="auto").runtime == name
    kept.write_text("damaged")
    assert load("shapes", runtime="auto").runtime in installed


def test_packages_of_other_names_have_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)  # as for tensorflow-cpu or onnxruntime-gpu

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert isinstance(load("shapes", runtime="auto"), ExportedDetector)


def test_auto_without_a_runtime_is_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("centernet.inference.runtimes.Runtime.is_installed", False)
    assert isinstance(load("shapes", runtime="auto"), centernet.Detector)
    with pytest.raises(MissingExtraError, match=r"onnxruntime is needed: pip install centernet\[onnx\]"):
        load("shapes", runtime="onnx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runtime": "tensorrt"}, r"Expected a runtime of auto, keras, onnx, openvino\. Received: 'tensorrt'"),
        ({"runtime": "onnx", "classes": ["a", "b", "c"]}, "Expected a trained detector as it is to run on onnx"),
        ({"runtime": "onnx", "weights": None}, "Received: random weights"),
    ],
)
def test_what_no_runtime_can_do_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("shapes", **options)


def test_models_that_see_images_at_their_own_size_stay_on_keras(tmp_path: Path) -> None:
    from centernet.ops.preprocessing import Preprocessing

    preprocessing = Preprocessing((64, 64), fit="original", step=16)
    small_detector(image_size=None, preprocessing=preprocessing).save(tmp_path / "saved")
    assert isinstance(load(tmp_path / "saved", runtime="auto"), centernet.Detector)
    with pytest.raises(ConfigError, match=r"export\(path, image_size=\(480, 640\)\)"):
        load(tmp_path / "saved", runtime="onnx")


def test_an_exported_file_takes_no_changes(exported: Path) -> None:
    for options in ({"classes": 3}, {"weights": "x.h5"}, {"image_size": (32, 32)}, {"runtime": "keras"}):
        with pytest.raises(ConfigError, match=f"Expected no {next(iter(options))}.*was exported"):
            load(exported, **options)
    with pytest.raises(
        ConfigError, match=r"Expected a runtime that reads .*: onnx, openvino. Received: runtime='litert'"
    ):
        load(exported, runtime="litert")
    assert load(str(exported), runtime="auto").runtime == "onnx"


def test_files_that_are_no_detectors_are_told(exported: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    with pytest.raises(CheckpointError, match="there is no such file"):
        load(tmp_path / "missing.onnx")
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(exported.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"damaged.onnx can't be read by onnx .*Export it again"):
        load(damaged)
    model = onnx.load(exported)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(CheckpointError, match=r"foreign.onnx has no description of a detector.*foreign.onnx.json"):
        load(tmp_path / "foreign.onnx")
    beside = tmp_path / "foreign.onnx.json"
    beside.write_text(exported.with_name("small.onnx.json").read_text())
    assert load(tmp_path / "foreign.onnx").class_names == ("a", "b")
    beside.write_text(json.dumps({"format": 99, "model": {}}))
    with pytest.raises(CheckpointError, match=r"has format 99.*Update centernet"):
        load(tmp_path / "foreign.onnx")
    beside.write_text("[1, 2")
    with pytest.raises(CheckpointError, match="Expected the description of a detector"):
        load(tmp_path / "foreign.onnx")
    model = onnx.load(exported)
    model.opset_import[0].version = 99
    onnx.save(model, tmp_path / "newer.onnx")
    with pytest.raises(CheckpointError, match="written for a newer version of the runtime"):
        load(tmp_path / "newer.onnx")


def test_an_exported_detector_evaluates_and_prints(exported: Path) -> None:
    detector = load(exported)
    images = [picture(100, 120), picture(64, 64)]
    found = detector.detect(images, min_score=0.1)
    rows = enumerate(zip(images, found, strict=True))
    samples = [centernet.data.Sample(image, one.boxes, one.class_ids, image_id=place) for place, (image, one) in rows]
    dataset = centernet.data.Dataset(samples, detector.class_names)
    evaluation = detector.evaluate(dataset)
    assert evaluation.ap50 > 0.9
    assert repr(detector) == "<ExportedDetector 'small': 2 classes, small.onnx on onnx>"
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        detector.nonsense  # noqa: B018
