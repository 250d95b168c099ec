"""The table of the zoo's names: every variable of ours is one of the checkpoint's, and nothing is left."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from goldens.checkpoints import SUFFIX, write_training
from goldens.reference import MODELS, POINTS, manifests, read_json, training

from centernet.checkpoints.zoo.loading import load_checkpoint
from centernet.checkpoints.zoo.names import DEFAULT_TASK, UNUSED_LAYERS, head_paths, layer_paths
from centernet.checkpoints.zoo.tf_checkpoint import BESIDE_THE_MODEL, TensorFlowCheckpoint
from centernet.loading.load_keras import build
from centernet.models.presets import find_model

MOBILENET = "centernet_mobilenetv2fpn_512x512_coco17_od"
LAST_NORM = ("gamma", "beta", "moving_mean", "moving_variance")
Names = dict[str, tuple[int, ...]]


@pytest.fixture(scope="module", params=MODELS)
def built(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any]]:
    """A published model without its weights."""
    yield request.param, build(find_model(request.param), initialize=False)
    keras.backend.clear_session()
    gc.collect()


def places(detector: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Every layer with weights and where the table puts it."""
    paths = layer_paths(detector.config.backbone["name"], detector.backbone)
    for layer in (layer for layer in detector.backbone.layers if layer.weights):
        yield layer, paths[layer.name]
    for layer in (layer for layer in detector.layers if layer.weights and layer is not detector.backbone):
        yield layer, head_paths(layer.name, DEFAULT_TASK)


def named_variables(detector: Any) -> Names:
    """Name in the checkpoint → shape here, by the table."""
    names = {}
    for layer, path in places(detector):
        for variable in layer.weights:
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D) and variable.name == "kernel"
            parts = (*path, "depthwise_kernel" if depthwise else variable.name)
            name = "/".join(part.replace("/", ".S") for part in parts)
            assert name not in names, f"{name} belongs to two layers"
            names[name] = tuple(variable.shape)
    return names


def unused_variables(detector: Any, layer: str) -> set[str]:
    """Names that belong to a layer of the trunk which the network doesn't use."""
    path = layer_paths(detector.config.backbone["name"], detector.backbone).get(layer, ())
    leaves = LAST_NORM if layer == "post_bn" else ("kernel", "bias")
    return {"/".join((*path, leaf)) for leaf in leaves} if path else set()


def test_every_tensor_is_named_once_and_has_our_shape(built: tuple[str, Any]) -> None:
    name, detector = built
    ours = named_variables(detector)
    assert len(ours) == len(detector.variables)
    theirs = {key: tuple(shape) for key, shape in training(name).items()}
    left = theirs.keys() - ours.keys()
    assert left == (unused_variables(detector, "post_bn") if "resnet50_v2" in name else set())
    assert {key: theirs[key] for key in ours} == ours


def test_what_published_files_hold_besides_is_the_imagenet_classifier(built: tuple[str, Any]) -> None:
    name, detector = built
    extra = manifests()[name]["published_extra"]
    assert set(extra) == (unused_variables(detector, "imagenet_fc") if "resnet" in name else set())
    assert all(UNUSED_LAYERS.values())


def test_numbered_layers_are_the_references(built: tuple[str, Any]) -> None:
    """Names of the trunk, strides, epsilon and momentum, which shapes alone don't tell."""
    name, detector = built
    manifest = manifests()[name]
    numbers = {path[2:]: layer for layer, path in places(detector) if path[1] == "_feature_extractor"}
    for part, layers in manifest["layers"].items():
        for index, strides, epsilon, momentum in layers:
            layer = numbers.get((part, f"layer_with_weights-{index}"))
            if layer is None:  # number 0 of the neck is the trunk; the last normalization of v2 is not ours
                assert index == 0 or manifest["layer_names"][index] == "post_bn"
                continue
            if part == "_base_model":
                assert layer.name == manifest["layer_names"][index]
            if strides is not None:
                assert list(layer.strides) == strides, layer.name
            if epsilon is not None:
                assert (layer.epsilon, layer.momentum) == pytest.approx((epsilon, momentum)), layer.name


def test_the_hourglass_normalizes_as_published() -> None:
    backbone = build(find_model("centernet_hg104_512x512_coco17_tpu-8"), initialize=False).backbone
    norms = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {(norm.epsilon, norm.momentum) for norm in norms} == {(1e-5, 0.1)}


def index_names(path: Path, folder: Path) -> Names:
    """What an index file of TensorFlow lists: variables, without their ending, and shapes."""
    import tensorflow as tf

    (folder / path.name).write_bytes(path.read_bytes())
    (folder / f"{path.stem}.data-00000-of-00001").touch()
    reader = tf.train.load_checkpoint(str(folder / path.stem))
    shapes = reader.get_variable_to_shape_map().items()
    return {key.removesuffix(SUFFIX): tuple(shape) for key, shape in shapes}


@pytest.fixture(scope="module")
def mobilenet() -> Any:
    return build(find_model(MOBILENET), initialize=False)


def test_the_index_of_a_published_checkpoint_names_304_of_304(mobilenet: Any, tmp_path: Path) -> None:
    listed = index_names(POINTS / "zoo" / "ckpt-301.index", tmp_path)
    ours = named_variables(mobilenet)
    assert len(ours) == 304
    assert {name: listed.get(name) for name in ours} == ours
    explained = {name for name in listed if any(pattern.search(f"{name}{SUFFIX}") for pattern, _ in BESIDE_THE_MODEL)}
    assert explained == (listed.keys() - ours.keys()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}


def test_the_index_says_what_the_entries_say(tmp_path: Path) -> None:
    listed = index_names(POINTS / "zoo" / "ckpt-301.index", tmp_path)
    entries = read_json(POINTS / "zoo" / "ckpt-301.entries.json.gz")
    assert listed == {name.removesuffix(SUFFIX): tuple(shape) for name, (_, shape, _) in entries.items()}


def test_the_index_of_the_published_export_leads_to_304_of_304(mobilenet: Any, tmp_path: Path) -> None:
    listed = index_names(POINTS / "zoo" / "saved_model_variables.index", tmp_path)
    origins = read_json(POINTS / "zoo" / "saved_model_names.json.gz")
    ours = named_variables(mobilenet)
    assert sorted(origins.values()) == sorted(ours)
    assert {key: listed[key] for key in origins} == {key: ours[origin] for key, origin in origins.items()}
    assert origins == manifests()[MOBILENET]["saved_model"]


def test_a_file_with_everything_that_the_published_one_holds_loads(mobilenet: Any, tmp_path: Path) -> None:
    entries = read_json(POINTS / "zoo" / "ckpt-301.entries.json.gz")
    extra = {
        name.removesuffix(SUFFIX): np.zeros(shape, dtype)
        for name, (dtype, shape, _) in entries.items()
        if dtype != "string" and name.removesuffix(SUFFIX) not in manifests()[MOBILENET]["training"]
    }
    report = load_checkpoint(mobilenet, TensorFlowCheckpoint(write_training(MOBILENET, tmp_path / "ckpt-301", extra)))
    assert {*report.taken, *report.left_over} == entries.keys()
    assert len(report.taken) == 304
    reasons = list(report.left_over.values())
    assert {reason: reasons.count(reason) for reason in reasons} == {
        "optimizer slot": 388,
        "optimizer state": 4,
        "counter": 2,
        "object graph": 1,
    }
