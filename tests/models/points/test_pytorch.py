"""The networks of Zhou's PyTorch implementation, from a file of its form to their raw heads and detections."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from backends import Tolerance, forward
from goldens.decoding import manifest
from goldens.merging import arrays as drawn
from goldens.pytorch_points import CELL_STEP, CLASS_STEP, CLASSES, HEADS, as_ours, group, network_input
from goldens.triplets.seeded import stand_in
from pytorch_writer import State, legacy, tensor

import centernet
from centernet.errors import CheckpointError, ConfigError, DownloadError
from centernet.models.presets import find_model

# Model → its network in the manifests, its prefix in the goldens, parameters.
MODELS = {
    "objects_as_points_resnet18": ("objects_as_points_res18", "res18_ctdet", 15_831_508),
    "objects_as_points_resnet101": ("objects_as_points_res101", "res101_ctdet", 53_542_356),
    "objects_as_points_hourglass104": ("objects_as_points_hg", "hg_ctdet", 191_401_512),
    "objects_as_points_hourglass104_pose": ("objects_as_points_hg_multi_pose", "hg_multi_pose", 194_928_628),
}
REFUSED = {
    "objects_as_points_dla34": "DLA-34",
    "objects_as_points_resdcn18": "ResNet-18 with deformable convolution",
    "objects_as_points_resdcn101": "ResNet-101 with deformable convolution",
}
RESNET18, RESNET101 = "objects_as_points_resnet18", "objects_as_points_resnet101"


def write(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """A file as the implementation's training saves it: keys without `module.`, the epoch and Adam's state beside."""
    state = State((key, tensor(value, key)) for key, value in tensors.items())
    path.write_bytes(legacy({"epoch": 140, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}))
    return path


def stand_ins(network: str) -> dict[str, np.ndarray]:
    return {key: stand_in(key, shape) for key, shape in manifest(network).items()}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name == RESNET18 else pytest.mark.heavy) for name in MODELS],
)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    path = tmp_path_factory.mktemp("pytorch") / "model_best.pth"
    detector = centernet.load(request.param, weights=write(path, stand_ins(MODELS[request.param][0])))
    path.unlink()
    yield detector
    del detector
    keras.backend.clear_session()
    gc.collect()


def test_every_tensor_of_the_file_is_taken_but_counters(published: Any) -> None:
    network, _, parameters = MODELS[published.config.name]
    report, keys = published.report, set(manifest(network))
    counters = {key for key in keys if key.endswith("num_batches_tracked")}
    assert set(report.left_over) == counters | {"epoch", "optimizer"}
    assert sorted(report.taken) == sorted(keys - counters)
    assert len(report.taken) == len(published.variables)
    # Ours has an offset for each keypoint, filled with the one that the reference has for all.
    shared = sum(2 * 16 * (256 + 1) for stack in (0, 1)) if published.config.keypoints else 0
    assert published.count_params() == parameters + shared


def test_raw_heads_of_every_stack_are_those_of_the_reference(published: Any, tolerance: Tolerance) -> None:
    expected = group(f"{MODELS[published.config.name][1]}/")
    compared = 0
    for head, stacks in forward(published, network_input()).items():
        for stack, found in enumerate(stacks):
            theirs = as_ours(HEADS[head], expected[f"stack{stack}/{HEADS[head]}"])
            if found.shape[-1] == CLASSES:
                found = found[..., ::CLASS_STEP]
            if head in ("keypoint_heatmap", "keypoint_regression"):
                found = found[:, ::CELL_STEP, ::CELL_STEP]
            if head == "keypoint_offset":
                theirs = np.tile(theirs, len(published.config.keypoints.names))
            np.testing.assert_allclose(found, theirs, atol=tolerance.heads, rtol=0, err_msg=f"{head} {stack}")
            assert theirs.std() > 0.05
            compared += 1
    assert compared == len(expected)


def test_detections_are_decoded_from_these_heads(published: Any) -> None:
    image = np.ascontiguousarray(drawn("canvas")["image"][..., ::-1])
    found = published.detect(image, min_score=0)
    assert 10 < len(found) <= 100
    batch, sizes = published.preprocess(image)
    if not published.config.test_time:
        again = published.decode(published(batch, training=False), sizes)
        best = keras.ops.convert_to_numpy(again["boxes"])[0, 0]
        np.testing.assert_allclose(found.boxes[0], best, atol=0.05)
    assert (found.keypoints is not None) == (published.config.keypoints is not None)


@pytest.mark.parametrize("model", MODELS)
def test_a_preset_is_as_the_implementation_tests_it(model: str) -> None:
    config = find_model(model)
    assert config.decoder.rules == "2019-04"
    assert config.preprocessing.fit == "original"
    assert config.preprocessing.canvas(np.array([[200, 380]])) == ((256, 384) if "hourglass" in model else (224, 384))
    assert config.preprocessing.canvas(np.array([[512, 512]])) == ((640, 640) if "hourglass" in model else (544, 544))
    assert len(config.classes) == (1 if config.keypoints else 80)


@pytest.mark.parametrize(
    ("model", "file"),
    [
        ("objects_as_points_hourglass104", "ctdet_coco_hg.pth"),
        ("objects_as_points_hourglass104_pose", "multi_pose_hg_3x.pth"),
    ],
)
def test_without_a_file_the_message_says_where_the_authors_link_it(model: str, file: str) -> None:
    with pytest.raises(DownloadError, match=r"github\.com/xingyizhou/CenterNet.*MODEL_ZOO") as caught:
        centernet.load(model)
    assert file in str(caught.value)
    assert f"centernet.load({model!r}, weights=" in str(caught.value)
    assert "--weights PATH on the command line" in str(caught.value)


def test_without_published_weights_the_message_says_so() -> None:
    with pytest.raises(ConfigError, match="resnet18 has no published weights"):
        centernet.load(RESNET18)


class TestRefusal:
    @pytest.fixture(scope="class")
    def tensors(self) -> dict[str, np.ndarray]:
        """Zeros of the right shapes."""
        shapes = manifest(MODELS[RESNET18][0])
        return {key: np.zeros(shape, np.float32) for key, shape in shapes.items()}

    def refused(self, path: Path, reason: str, model: str = RESNET18) -> str:
        with pytest.raises(CheckpointError, match=reason) as caught:
            centernet.load(model, weights=path)
        return str(caught.value)

    def test_a_tensor_too_few(self, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
        left = {key: value for key, value in tensors.items() if key != "deconv_layers.3.weight"}
        self.refused(write(tmp_path / "few.pth", left), r"1 of \d+ variables are not in it: up2_deconv/kernel")

    def test_a_tensor_too_many(self, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
        more = tensors | {"hm_extra.0.weight": np.zeros(3, np.float32)}
        self.refused(write(tmp_path / "many.pth", more), r"1 tensors that have no place: hm_extra\.0\.weight")

    def test_another_shape(self, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
        other = tensors | {"layer2.0.conv1.weight": np.zeros((128, 64, 1, 1), np.float32)}
        self.refused(write(tmp_path / "other.pth", other), r"conv3_block1_1_conv/kernel is \(3, 3, 64, 128\) here")

    def test_another_depth(self, tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
        self.refused(write(tmp_path / "res18.pth", tensors), "looks like Objects as Points, ResNet-18", RESNET101)

    @pytest.mark.parametrize("network", REFUSED)
    @pytest.mark.parametrize("named", [True, False])
    def test_deformable_convolution_and_dla_in_one_sentence(self, network: str, named: bool, tmp_path: Path) -> None:
        # What is in the file doesn't matter, as long as it can be read: its names and shapes say what it is.
        shapes = {key: shape if key.endswith("bias") else (0,) for key, shape in manifest(network).items()}
        path = write(tmp_path / "dcn.pth", {key: np.zeros(shape, np.float32) for key, shape in shapes.items()})
        with pytest.raises(CheckpointError) as caught:
            centernet.load(*((RESNET18, path) if named else (path,)))
        words = f"{REFUSED[network]}, 80 classes: it needs deformable convolution"
        assert str(caught.value).startswith(f"The file {path} holds Objects as Points, {words}")
