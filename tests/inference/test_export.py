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

import centernet
from centernet import load
from centernet.data import synthetic
from centernet.data.keypoints import KeypointTask
from centernet.errors import CenterNetError, ConfigError, MissingExtraError, WriteError
from centernet.inference.formats import FORMATS
from centernet.models.config import ModelConfig
from centernet.models.test_time import TestTime
from centernet.ops.preprocessing import Preprocessing
from centernet.results.detections import Detections

TASK = KeypointTask("a", ("left", "right", "top"), flip=(1, 0, 2))
SEVERAL = TestTime(flip=True, scales=(1.0, 1.5))


def with_passes(detector: Any) -> Any:
    detector.config = dataclasses.replace(detector.config, test_time=SEVERAL)
    return detector


DETECTORS: dict[str, Callable[[], Any]] = {
    "points with keypoints": lambda: small_detector(keypoints=TASK),
    "points in several passes": lambda: with_passes(small_detector(keypoints=TASK)),
    "triplets": small_triplets,
    "triplets in several passes": lambda: with_passes(small_triplets()),
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


def expected(detector: Any, images: list[np.ndarray]) -> dict[str, np.ndarray]:
    """What a detector finds in its own passes, padded with empty rows."""
    test_time = detector.config.test_time
    if test_time is None:
        return detector.infer(images)
    count = detector.config.decoder.max_detections
    found = detector.infer_passes(images, test_time)
    rows = {name: [] for name in found[0]}
    for one in found:
        for name, values in one.items():
            rows[name].append(np.concatenate([values, np.zeros((count - len(values), *values.shape[1:]))]))
    return {name: np.stack(values) for name, values in rows.items()}


@on_tensorflow
@each_form
def test_a_file_finds_what_its_detector_finds(form: Form, detector: Any, tmp_path: Path) -> None:
    path = form.path(tmp_path / "new")
    detector.export(path)
    image = picture(100, 120)
    loaded = load(path)
    assert loaded.config == detector.config
    for images in ([image], [picture(97, 80)[:64, :64]] * 2, [image, image[:, ::-1], image[::-1]]):
        found, wanted = form.run(path, np.stack(images)), expected(detector, images)
        equal(found, wanted)
        for name, values in loaded.infer(images).items():
            np.testing.assert_allclose(values, found[name], atol=1e-4)
        for here, there in zip(detector.detect(images), loaded.detect(images), strict=True):
            same_detections(here, there)
    described = path.with_name(f"{path.name}.json") if form.suffix else path / "config.json"
    assert ModelConfig.from_dict(json.loads(described.read_text())["model"]) == detector.config
    assert len(list((tmp_path / "new").iterdir())) == {"": 1, ".xml": 3}.get(form.suffix, 2)
    if form.suffix:  # the description is inside, too
        described.unlink()
        assert load(path).config == detector.config


def same_detections(here: Detections, there: Detections) -> None:
    assert (here.class_names, here.keypoint_names, here.skeleton) == (
        there.class_names,
        there.keypoint_names,
        there.skeleton,
    )
    assert here.names == there.names
    np.testing.assert_allclose(here.boxes, there.boxes, atol=1e-3)
    np.testing.assert_allclose(here.scores, there.scores, atol=1e-4)


@on_tensorflow
def test_without_passes_it_gives_the_boxes_of_the_decoder(tmp_path: Path) -> None:
    detector, image = with_passes(small_triplets()), picture(100, 120)
    detector.export(tmp_path / "model", passes=False)
    loaded = load(tmp_path / "model")
    assert loaded.config.test_time is None
    equal(loaded.infer([image]), detector.infer([image]))
    assert len(loaded.detect(image)) == (detector.infer([image])["scores"] >= 0.3).sum()
    with pytest.raises(ConfigError, match=r"Expected the passes that model computes.*export\(passes=False\)"):
        loaded.detect(image, test_time=SEVERAL)
    with pytest.raises(ConfigError, match="Expected exact=False"):
        loaded.detect(image, exact=True)
    with pytest.raises(ConfigError, match="Expected a detector on Keras for fit"):
        loaded.fit(image)


@on_tensorflow
def test_passes_at_scales_made_outside_the_graph_are_refused(tmp_path: Path) -> None:
    preprocessing = Preprocessing((64, 64), fit="original", step=16)
    detector = with_passes(small_triplets(image_size=None, preprocessing=preprocessing))
    with pytest.raises(ConfigError, match=r"Expected passes at scale 1 .*passes=False"):
        detector.export(tmp_path / "model", image_size=(50, 90))
    detector.export(tmp_path / "model", image_size=(50, 90), passes=False)
    image = picture(50, 90)
    equal(load(tmp_path / "model").infer([image]), detector.infer([image]))


@on_tensorflow
@each_form
def test_heads_alone_are_decoded_in_numpy(form: Form, detector: Any, tmp_path: Path) -> None:
    path, images = form.path(tmp_path), [picture(100, 120), picture(100, 120)[:, ::-1]]
    detector.export(path, heads_only=True)
    loaded, wanted = load(path), detector.infer(images)
    assert loaded.config == dataclasses.replace(detector.config, test_time=None)
    equal(loaded.infer(images), wanted)
    maps = form.run(path, np.stack(images))
    assert maps.keys() == detector(np.zeros((1, 64, 64, 3), np.float32)).keys()
    described = path.with_name(f"{path.name}.json") if form.suffix else path / "config.json"
    for sizes, model in ((np.array([[100, 120]] * 2), detector.config), ((100, 120), described)):
        found = centernet.decode(maps, sizes, model)
        assert {name: values.dtype for name, values in found.items()} == {
            name: values.dtype for name, values in wanted.items()
        }
        equal(found, wanted)


@on_tensorflow
def test_heads_of_images_at_their_own_size(tmp_path: Path) -> None:
    preprocessing = Preprocessing((63, 63), fit="original", step=16)
    detector, image = small_triplets(image_size=None, preprocessing=preprocessing), picture(50, 90)
    detector.export(tmp_path / "model", image_size=(50, 90), heads_only=True)
    equal(load(tmp_path / "model").infer([image]), detector.infer([image]))


def test_maps_that_are_not_the_models_are_refused() -> None:
    detector = small_detector(keypoints=TASK)
    maps = {name: np.asarray(stacks[-1]) for name, stacks in detector(np.zeros((1, 64, 64, 3), np.float32)).items()}
    assert len(centernet.decode(maps, (64, 64), detector.config)["keypoints"]) == 1
    without_keypoints = {name: values for name, values in maps.items() if "keypoint" not in name}
    transposed = {name: values.transpose(0, 3, 1, 2) for name, values in maps.items()}
    for broken, sizes, message in (
        ({}, (64, 64), "Expected maps, and the height and width"),
        (maps, (64.0, 64.0), "Expected maps, and the height and width"),
        (maps, (0, 64), "Expected maps, and the height and width"),
        (maps, [(64, 64)] * 2, "Expected maps, and the height and width"),
        ({**maps, "size": maps["size"][:, 1:]}, (64, 64), r"otherwise: {'size': \(1, 15, 16, 2\)}"),
        ({**maps, "heatmap": maps["heatmap"][..., :1]}, (64, 64), r"otherwise: {'heatmap': \(1, 16, 16, 1\)}"),
        ({**maps, "more": maps["size"]}, (64, 64), r"otherwise: {'more': \(1, 16, 16, 2\)}"),
        (without_keypoints, (64, 64), r"otherwise: {'keypoint_heatmap': None, 'keypoint_regression': None, "),
        (transposed, (64, 64), r"otherwise: {'heatmap': \(1, 2, 16, 16\), "),
    ):
        with pytest.raises(ConfigError, match=message):
            centernet.decode(broken, np.asarray(sizes), detector.config)


@pytest.fixture(scope="module")
def scenes() -> Any:
    return synthetic.shapes(6, (100, 120), seed=0)


@on_tensorflow
def test_int8_computes_the_inner_network_in_integers(scenes: Any, tmp_path: Path) -> None:
    onnx, path = pytest.importorskip("onnx"), tmp_path / "int8.onnx"
    detector = small_detector(classes=scenes.class_names)
    compared = detector.export(path, precision="int8", calibration=scenes)
    detector.export(tmp_path / "full.onnx")
    nodes = onnx.load(path).graph.node
    made_by = {name: node.op_type for node in nodes for name in node.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    floats = [node for node in convolutions if made_by.get(node.input[1]) != "DequantizeLinear"]
    heads = len(detector(np.zeros((1, 64, 64, 3), np.float32)))
    assert len(floats) == heads < len(convolutions)
    whole, quantized, image = load(tmp_path / "full.onnx"), load(path), scenes[0].image
    before, after = (one.infer([image]) for one in (whole, quantized))
    np.testing.assert_allclose(after["scores"], before["scores"], atol=0.05)
    assert not np.array_equal(after["scores"], before["scores"])
    assert quantized.config == detector.config
    assert compared.photos == 6
    assert compared.ap["AP"] == (whole.evaluate(scenes).ap, quantized.evaluate(scenes).ap)
    sizes = [one.path.stat().st_size / 1e6 for one in (whole, quantized)]
    np.testing.assert_allclose(compared.megabytes, sizes, rtol=0.01)
    rows = [line.split() for line in str(compared).splitlines()]
    assert rows[0] == ["6", "photos", "AP", "ms", "MB"]
    assert [row[:2] for row in rows[1:]] == [
        [name, f"{ap:.4f}"] for name, ap in zip(("float32", "int8"), compared.ap["AP"], strict=True)
    ]
    assert (whole.precision, quantized.precision) == ("float32", "int8")
    assert "int8.onnx (int8) on onnx" in repr(quantized)


@on_tensorflow
def test_int8_that_loses_too_much_is_not_written(scenes: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    path, detector = tmp_path / "model.onnx", small_detector(classes=scenes.class_names)
    detector.export(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"(?s)Expected int8 to lose at most -1 AP.*float32 .*Nothing is written"):
        detector.export(path, precision="int8", calibration=scenes, max_loss=-1.0)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
    for options, message in (
        ({"calibration": None}, "Expected calibration=.*as datasets"),
        ({"calibration": scenes[:0]}, "Expected photos to calibrate with.*Received: 0 and 0"),
        (
            {"calibration": scenes, "validation_data": scenes[:0]},
            "Expected photos to calibrate with.*Received: 6 and 0",
        ),
        ({"calibration": scenes, "precision": "float32"}, "Expected precision='float32' without calibration"),
        ({"calibration": scenes, "precision": "int4"}, "or 'int8' for a path ending in .onnx"),
        ({"calibration": scenes, "dtype": "float16"}, "or 'int8' for a path ending in .onnx"),
        ({"calibration": scenes, "image_size": (90, 80)}, r"Expected images of 90×80 pixels.*Received: 100×120"),
    ):
        with pytest.raises(ConfigError, match=message):
            detector.export(path, **{"precision": "int8", **options})
    with pytest.raises(ConfigError, match=r"or 'int8' for a path ending in \.onnx"):
        detector.export(tmp_path / "model", precision="int8", calibration=scenes)
    assert path.read_bytes() == before


@on_tensorflow
@pytest.mark.heavy
def test_int8_of_a_trained_model_keeps_its_accuracy(tmp_path: Path) -> None:
    train, test = (synthetic.shapes(24, (240, 320), seed=seed, keypoints=True) for seed in (0, 1))
    options = {"calibration": train, "validation_data": test, "max_loss": 0.03}  # 0.009 where processors have VNNI
    compared = load("shapes").export(tmp_path / "shapes.onnx", precision="int8", **options)
    assert min(compared.ap["AP"]) > 0.85
    assert min(compared.ap["keypoint AP"]) > 0.85
    assert compared.megabytes[1] < 0.5 * compared.megabytes[0]


@on_tensorflow
@each_form
def test_sizes_can_be_fixed(form: Form, tmp_path: Path) -> None:
    detector, path = small_detector(), form.path(tmp_path)
    detector.export(path, image_size=(50, 90), batch_size=2)
    loaded, images = load(path), [picture(50, 90), picture(50, 90)[:, ::-1], picture(50, 90)[::-1]]
    equal(loaded.infer(images), detector.infer(images))  # a batch and a half
    with pytest.raises(ConfigError, match=r"Expected images of 50×90 pixels.*Received: 90×50"):
        loaded.detect(picture(90, 50))
    with pytest.raises(ConfigError, match="Expected a whole batch_size of at least 1"):
        detector.export(path, batch_size=0)


@on_tensorflow
def test_half_precision_stores_saved_weights_exactly(tmp_path: Path) -> None:
    pytest.importorskip("tf2onnx")
    small_detector().save(tmp_path / "half", dtype="float16")
    detector = load(tmp_path / "half")
    for dtype in ("float32", "float16"):
        detector.export(tmp_path / f"{dtype}.onnx", dtype=dtype)
    full, half = (load(tmp_path / f"{dtype}.onnx") for dtype in ("float32", "float16"))
    images = [picture(100, 120)]
    for name, values in full.infer(images).items():
        np.testing.assert_allclose(half.infer(images)[name], values, atol=1e-4)
    assert half.path.stat().st_size < 0.8 * full.path.stat().st_size
    with pytest.raises(ConfigError, match=r"half precision: ONNX or OpenVINO\. Received: SavedModel"):
        detector.export(tmp_path / "model", dtype="float16")
    with pytest.raises(ConfigError, match="Expected a dtype of"):
        detector.export(tmp_path / "x.onnx", dtype="int4")


@on_tensorflow
def test_the_graph_has_nothing_that_stops_other_runtimes(detector: Any, tmp_path: Path) -> None:
    onnx, path = pytest.importorskip("onnx"), tmp_path / "model.onnx"
    detector.export(path)
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert "ReverseSequence" not in {node.op_type for node in model.graph.node}
    sides = model.graph.input[0].type.tensor_type.shape.dim
    assert [side.dim_param or side.dim_value for side in sides] == ["batch", "height", "width", 3]
    assert {one.key for one in model.metadata_props} >= {"names", "keypoint_names", "boxes", "scores"}
    slim = pytest.importorskip("onnxslim", reason="an optimizer of ONNX files: pip install onnxslim")
    slim.slim(str(path), str(tmp_path / "slim.onnx"))
    images = [picture(100, 120)]
    whole, slimmed = (load(place).infer(images) for place in (path, tmp_path / "slim.onnx"))
    for name, values in whole.items():
        np.testing.assert_allclose(slimmed[name], values, atol=1e-4)


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
def test_weights_that_are_not_finite_are_not_exported(tmp_path: Path) -> None:
    detector = small_detector()
    detector.variables[0].assign(np.full(detector.variables[0].shape, np.nan))
    with pytest.raises(CenterNetError, match="Expected finite weights"):
        detector.export(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@on_tensorflow
def test_the_current_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for path in ("", ".", tmp_path):
        with pytest.raises(ConfigError, match="other than the current folder"):
            small_detector().export(path)


@on_tensorflow
@pytest.mark.parametrize("size", [320, (480, 640, 3), (3.5, 5), ("480", "640"), (0, 5)])
def test_sizes_that_are_none_are_refused(tmp_path: Path, size: Any) -> None:
    with pytest.raises(ConfigError, match="image_size as a height and width in whole pixels"):
        small_detector().export(tmp_path / "model", image_size=size)


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = small_detector()
    with pytest.raises(ConfigError, match=r"saved_model, onnx, litert, openvino\. Received: 'coreml'"):
        detector.export(tmp_path / "model", "coreml")
    with pytest.raises(ConfigError, match=r"path for litert with \.tflite\. Received: .*model\.onnx"):
        detector.export(tmp_path / "model.onnx", "litert")
    with pytest.raises(ConfigError, match=r"path for saved_model with no ending"):
        detector.export(tmp_path / "model.onnx", "saved_model")
    for name in ("model.zip", "model.keras", "model.H5", "model.tar.gz"):
        with pytest.raises(ConfigError, match=r"ends in \.onnx, \.tflite or \.xml, or a folder's"):
            detector.export(tmp_path / name)
    if keras.backend.backend() == "tensorflow":
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        with pytest.raises(MissingExtraError, match=r"onnx, tf2onnx is needed: pip install centernet\[export\]"):
            detector.export(tmp_path / "model.onnx")
    else:
        with pytest.raises(ConfigError, match="KERAS_BACKEND=tensorflow"):
            detector.export(tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []
