"""Setting a detector's weights from a PyTorch file: every tensor has its place, or nothing is loaded."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from pytorch_writer import State, legacy, tensor, zipped
from small import BACKBONE, picture, same, small_detector, state
from small_triplets import small_triplets

import centernet
from centernet.checkpoints.pytorch import loading as module
from centernet.checkpoints.pytorch.checkpoint import PyTorchCheckpoint
from centernet.checkpoints.pytorch.loading import triplet_source
from centernet.checkpoints.pytorch.names import VARIABLES, head_source, layer_source
from centernet.data.keypoints import KeypointTask
from centernet.errors import CheckpointError, DownloadError

TRIPLETS = "centernet_triplet_hourglass52"
TWO_STACKS = {**BACKBONE, "stacks": 2}
PAIRS = ("size", "offset", "keypoint_regression", "keypoint_offset")
TASK = KeypointTask("a", ("left", "right", "top"))


def load_pytorch(detector, path):
    return module.load_pytorch(detector, PyTorchCheckpoint(path))


def torch_layout(name, value):
    """A variable of ours as PyTorch has it, x before y."""
    if name.rpartition("_")[0] in PAIRS:
        value = value[..., np.arange(value.shape[-1]) ^ 1]
    return value.transpose(3, 2, 0, 1) if value.ndim == 4 else value


def sources(detector):
    """Key in the file → array, for every variable."""
    found = {}
    for layer in detector.layers:
        for part in layer.layers if layer is detector.backbone else [layer]:
            for variable in part.weights:
                leaf, channels = variable.name, variable.shape[-1]
                if layer is detector.backbone:
                    key = layer_source(part.name, leaf).key
                elif detector.config.family == "triplets":
                    key = triplet_source(part.name, variable.path).key
                else:
                    key = head_source(part.name, leaf, channels, hourglass=True).key
                found[key] = torch_layout(layer.name, keras.ops.convert_to_numpy(variable))
    return found


def with_counters(arrays):
    counters = [key.replace("running_var", "num_batches_tracked") for key in arrays if key.endswith("running_var")]
    return arrays | {key: np.array(480_000) for key in counters}


def tensors(arrays, prefix="module."):
    return State((prefix + key, tensor(np.ascontiguousarray(value), key)) for key, value in arrays.items())


@pytest.fixture(scope="module")
def triplets():
    return small_triplets(seed=1)


@pytest.fixture(scope="module")
def arrays(triplets):
    return with_counters(sources(triplets))


@pytest.fixture
def file(tmp_path):
    """Writes arrays as the authors of Keypoint Triplets published theirs."""

    def file(arrays, write=legacy, **options):
        path = tmp_path / "weights.pkl"
        path.write_bytes(write(tensors(arrays, **options)))
        return path

    return file


@pytest.fixture
def other():
    return small_triplets(seed=2)


class TestLoading:
    @pytest.mark.parametrize("write", [legacy, zipped])
    @pytest.mark.parametrize("prefix", ["module.", ""])
    def test_every_variable_is_set(self, triplets, other, arrays, file, write, prefix):
        report = load_pytorch(other, file(arrays, write, prefix=prefix))
        assert same(state(other), state(triplets))
        assert len(report.taken) == len(set(report.taken)) == len(other.variables)

    def test_counters_are_left_over_with_a_reason(self, other, arrays, file):
        report = load_pytorch(other, file(arrays))
        assert {key.rpartition(".")[2] for key in report.left_over} == {"num_batches_tracked"}
        assert set(report.left_over.values()) == {"counter of batch normalization"}

    def test_old_files_without_counters_are_loaded(self, triplets, other, file):
        assert not load_pytorch(other, file(sources(triplets))).left_over
        assert same(state(other), state(triplets))

    def test_a_description_and_a_file_are_a_model(self, triplets, arrays, file, tmp_path):
        small_triplets(seed=2).save(tmp_path / "described")
        loaded = centernet.load(tmp_path / "described", weights=file(arrays))
        assert same(state(loaded), state(triplets))
        assert loaded.report.form.startswith("PyTorch")
        found, expected = (one.detect(picture(64, 64), min_score=0) for one in (loaded, triplets))
        assert len(found) > 3
        np.testing.assert_array_equal(found.boxes, expected.boxes)

    def test_stacks_have_their_own_tensors(self, file):
        first, second = (small_triplets(backbone=TWO_STACKS, seed=seed) for seed in (1, 2))
        load_pytorch(second, file(sources(first)))
        assert same(state(second), state(first))


class TestPoints:
    @pytest.mark.parametrize("options", [{}, {"keypoints": TASK}, {"backbone": TWO_STACKS}], ids=str)
    def test_objects_as_points_are_loaded(self, file, options):
        first, second = (small_detector(seed=seed, **options) for seed in (1, 2))
        report = load_pytorch(second, file(with_counters(sources(first))))
        assert same(state(second), state(first))
        assert len(report.taken) == len(second.variables)

    def test_what_training_saved_beside_the_weights_has_a_reason(self, tmp_path):
        first, second = small_detector(seed=1), small_detector(seed=2)
        root = {"epoch": 140, "state_dict": tensors(sources(first), prefix=""), "optimizer": {"param_groups": []}}
        path = tmp_path / "model_last.pth"
        path.write_bytes(zipped(root))
        report = load_pytorch(second, path)
        assert report.left_over == {"epoch": "counter", "optimizer": "optimizer state"}
        assert same(state(second), state(first))

    def test_one_offset_for_all_keypoints_serves_each(self, file):
        detector = small_detector(keypoints=TASK)
        arrays = sources(detector)
        values = np.float32([[0.25, 0.75]])
        arrays["hp_offset.0.1.bias"] = values[0]
        arrays["hp_offset.0.1.weight"] = arrays["hp_offset.0.1.weight"][:2]
        load_pytorch(detector, file(arrays))
        bias = keras.ops.convert_to_numpy(detector.get_layer("keypoint_offset_0").bias)
        np.testing.assert_array_equal(bias, [0.75, 0.25] * 3)

    def test_their_other_networks_have_no_place_for_triplets(self, other, file):
        before = state(other)
        with pytest.raises(CheckpointError, match="It looks like Objects as Points"):
            load_pytorch(other, file(sources(small_detector())))
        assert same(state(other), before)


class TestRefusal:
    def refused(self, detector, path, reason):
        before = state(detector)
        with pytest.raises(CheckpointError, match=reason) as caught:
            load_pytorch(detector, path)
        assert same(state(detector), before)
        return str(caught.value)

    def test_a_tensor_too_few(self, other, arrays, file):
        left = {key: value for key, value in arrays.items() if key != "br_tags.0.1.bias"}
        message = self.refused(other, file(left), r"1 of \d+ variables are not in it: bottom_right_embedding_0/bias")
        assert "Nothing was loaded" in message

    def test_a_tensor_too_many(self, other, arrays, file):
        extra = arrays | {"tl_masks.0.1.bias": np.zeros(3, np.float32)}
        self.refused(other, file(extra), r"1 tensors that have no place: tl_masks\.0\.1\.bias")

    def test_another_shape(self, other, arrays, file):
        changed = arrays | {"ct_regrs.0.1.bias": np.zeros(3, np.float32)}
        self.refused(other, file(changed), r"center_offset_0/bias is \(2,\) here and \(3,\) in the file")

    def test_a_transposed_kernel(self, other, arrays, file):
        key = "tl_cnvs.0.p_conv1.weight"
        changed = arrays | {key: arrays[key].transpose(1, 0, 2, 3)}
        self.refused(other, file(changed), r"1 have another shape: top_left_0_pooling/")

    def test_other_classes(self, file):
        three = with_counters(sources(small_triplets(3)))
        message = self.refused(small_triplets(2), file(three), "3 classes")
        assert "2 classes" in message

    def test_a_network_of_one_stack_for_one_of_two(self, arrays, file):
        larger = small_triplets(backbone=TWO_STACKS)
        self.refused(larger, file(arrays), r"looks like Keypoint Triplets, hourglass52, 2 .* of \d+ variables")

    def test_a_network_of_two_stacks_for_one_of_one(self, other, file):
        larger = sources(small_triplets(backbone=TWO_STACKS))
        self.refused(other, file(larger), r"looks like Keypoint Triplets, hourglass104, .* tensors that have no place")

    def test_many_names_are_counted(self, other, arrays, file):
        left = {key: value for key, value in arrays.items() if not key.startswith("kps")}
        assert "and " in self.refused(other, file(left), r"and \d+ more")

    def test_deformable_convolution(self, other, file):
        keys = ("base.base_layer.0.weight", "dla_up.ida_0.proj_1.conv.conv_offset_mask.weight", "hm.2.bias")
        message = self.refused(other, file({key: np.zeros(2, np.float32) for key in keys}), "deformable convolution")
        assert "hourglass or ResNet-18/101 weights" in message

    def test_corners_without_centers(self, other, arrays, file):
        corners = {key: value for key, value in arrays.items() if not key.startswith("ct_")}
        self.refused(other, file(corners), "CornerNet")

    @pytest.mark.parametrize("backbone", ["mobilenetv2_fpn", "resnet50_v1_fpn"])
    def test_backbones_that_were_never_published_in_this_form(self, arrays, file, backbone):
        detector = small_triplets(backbone=backbone, lively=False)
        self.refused(detector, file(arrays), f"No PyTorch weights were published for {backbone}")

    def test_a_file_that_is_cut(self, other, arrays, file):
        path = file(arrays)
        path.write_bytes(path.read_bytes()[:-1000])
        self.refused(other, path, "weights.pkl")


def test_without_a_file_the_message_says_where_the_authors_link_it():
    with pytest.raises(DownloadError, match=r"github\.com/Duankaiwen/CenterNet") as caught:
        centernet.load(TRIPLETS)
    assert "CenterNet-52_480000.pkl" in str(caught.value)
    assert f"centernet.load({TRIPLETS!r}, weights=" in str(caught.value)


def test_a_file_alone_says_that_it_needs_a_description(arrays, file):
    with pytest.raises(centernet.errors.ConfigError, match="hourglass52, 2 classes"):
        centernet.load(file(arrays))


@pytest.mark.parametrize("layer", ["left_0_pooling", "top_left_0_side", "center_embedding", "heatmap_0"])
def test_a_layer_that_the_reference_lacks_is_an_error(layer):
    with pytest.raises(KeyError):
        triplet_source(layer, f"{layer}/kernel")


def test_every_kind_of_variable_is_known():
    assert {variable.name for variable in small_triplets(lively=False).variables} == set(VARIABLES)
