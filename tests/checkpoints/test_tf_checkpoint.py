from __future__ import annotations

import shutil

import numpy as np
import pytest
from checkpoint_writer import SUFFIX, tensors_of, write_saved_model, write_training
from goldens.checkpoints import GRAPH, write
from small import small_detector

from centernet.checkpoints.zoo.tf_checkpoint import MODEL_GARDEN, SAVED_MODEL, TRAINING, TensorFlowCheckpoint
from centernet.errors import CheckpointError

KERNEL = ("model", "_feature_extractor", "_network", "downsample_input", "conv_block", "conv", "kernel")
SIZE_BIAS = ("model", "_prediction_head_dict", "box/scale", "0", "layer_with_weights-1", "bias")


@pytest.fixture(scope="module")
def detector():
    return small_detector()


@pytest.fixture(scope="module")
def written(detector, tmp_path_factory):
    return write_training(detector, tmp_path_factory.mktemp("written") / "ckpt-0")


@pytest.fixture
def prefix(written, tmp_path):
    """A copy that may be damaged."""
    for path in written.parent.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path / "ckpt-0"


def files(prefix):
    return prefix.with_name("ckpt-0.index"), prefix.with_name("ckpt-0.data-00000-of-00001")


def small_one(prefix, **tensors):
    return write(prefix, tensors or {"a": np.arange(3, dtype=np.float32)}, {})


class TestNames:
    @pytest.mark.parametrize("path", [KERNEL, SIZE_BIAS])
    def test_a_path_of_objects_leads_to_the_tensor(self, written, detector, path):
        checkpoint = TensorFlowCheckpoint(written)
        name = "/".join(part.replace("/", ".S") for part in path)
        assert checkpoint.form == TRAINING
        assert checkpoint.key(path) == f"{name}{SUFFIX}"
        assert np.array_equal(checkpoint.read(checkpoint.key(path)), tensors_of(detector)[name])

    def test_names_do_where_the_object_graph_is_empty(self, detector, tmp_path):
        checkpoint = TensorFlowCheckpoint(write_training(detector, tmp_path / "ckpt-0", objects=False))
        assert checkpoint.key(SIZE_BIAS).endswith(f"box.Sscale/0/layer_with_weights-1/bias{SUFFIX}")

    def test_numbered_keys_of_a_saved_model_are_found_through_the_object_graph(self, detector, tmp_path):
        checkpoint = TensorFlowCheckpoint(write_saved_model(detector, tmp_path) / "variables" / "variables")
        assert checkpoint.form == SAVED_MODEL
        key = checkpoint.key(KERNEL)
        assert key.startswith("_model/_feature_extractor/variables/")
        assert np.array_equal(checkpoint.read(key), tensors_of(detector)["/".join(KERNEL)])

    @pytest.mark.parametrize("path", [(), ("model",), ("model", "nothing"), (*KERNEL, "more"), ("a", "b")])
    def test_a_path_that_leads_nowhere_gives_none(self, written, path):
        assert TensorFlowCheckpoint(written).key(path) is None

    def test_all_shapes_are_there(self, written, detector):
        shapes = TensorFlowCheckpoint(written).shapes
        expected = {f"{name}{SUFFIX}": value.shape for name, value in tensors_of(detector).items()}
        assert shapes == {**expected, f"save_counter{SUFFIX}": (), GRAPH: ()}

    def test_the_keypoint_task_may_have_any_name(self, tmp_path):
        name = "model/_prediction_head_dict/dog pose.Skeypoint.Sheatmap/0/layer_with_weights-1/bias"
        assert TensorFlowCheckpoint(small_one(tmp_path / "c", **{name: np.zeros(3)})).keypoint_task() == "dog pose"
        assert TensorFlowCheckpoint(small_one(tmp_path / "d")).keypoint_task() is None

    def test_model_garden_s_names_are_recognized(self, tmp_path):
        name = "backbone/layer_with_weights-2/inner_hg/encoder_block1/layer_with_weights-0/_conv1/kernel"
        checkpoint = TensorFlowCheckpoint(small_one(tmp_path / "c", **{name: np.zeros((3, 3, 2, 2), np.float32)}))
        assert checkpoint.form == MODEL_GARDEN

    @pytest.mark.parametrize(
        ("key", "reason"),
        [
            (f"save_counter{SUFFIX}", "counter"),
            (f"step{SUFFIX}", "counter"),
            ("global_step", "counter"),
            (f"optimizer/iter{SUFFIX}", "optimizer state"),
            (f"optimizer/decay{SUFFIX}", "optimizer state"),
            (f"model/a/kernel/.OPTIMIZER_SLOT/optimizer/m{SUFFIX}", "optimizer slot"),
            (GRAPH, "object graph"),
            (f"model/a/kernel{SUFFIX}", None),
            (f"model/step_embedding/kernel{SUFFIX}", None),
            (f"stepwise/kernel{SUFFIX}", None),
            (f"model/optimizer_free/kernel{SUFFIX}", None),
        ],
    )
    def test_what_is_beside_the_model_has_a_reason(self, written, key, reason):
        assert TensorFlowCheckpoint(written).beside_the_model(key) == reason

    @pytest.mark.parametrize("folder", ["a b", "[x]*?", "ünï", "dots.in.it"])
    @pytest.mark.parametrize("name", ["ckpt-0", "my[1] ckpt*", "model.v2-7"])
    def test_paths_with_any_characters(self, tmp_path, folder, name):
        checkpoint = TensorFlowCheckpoint(small_one(tmp_path / folder / name))
        assert checkpoint.read(f"a{SUFFIX}").tolist() == [0, 1, 2]

    def test_files_of_an_interrupted_save_are_no_part_of_it(self, tmp_path):
        prefix = small_one(tmp_path / "ckpt-1")
        for stray in (
            "ckpt-1.data-00000-of-00001.tempstate123",
            "ckpt-1.data-00000-of-000x",
            "ckpt-10.data-00000-of-00002",
        ):
            (tmp_path / stray).write_bytes(b"")
        assert f"a{SUFFIX}" in TensorFlowCheckpoint(prefix).shapes


class TestDamage:
    def refused(self, prefix, message):
        with pytest.raises(CheckpointError, match=message) as caught:
            TensorFlowCheckpoint(prefix)
        assert str(prefix) in str(caught.value)

    @pytest.mark.parametrize("which", [0, 1])
    def test_a_missing_file_is_named(self, prefix, which):
        files(prefix)[which].unlink()
        self.refused(prefix, f"Missing in .*{['ckpt-0.index', 'ckpt-0.data-'][which]}")

    def test_nothing_at_all(self, tmp_path):
        self.refused(tmp_path / "nothing" / "ckpt-0", "Missing in")

    @pytest.mark.parametrize("which", [0, 1])
    def test_an_empty_file_is_named(self, prefix, which):
        files(prefix)[which].write_bytes(b"")
        self.refused(prefix, f"{files(prefix)[which].name} is empty.*copy it again")

    def test_a_missing_shard_is_counted(self, prefix):
        data = files(prefix)[1]
        data.rename(data.with_name("ckpt-0.data-00000-of-00003"))
        self.refused(prefix, "1 of 3 data files are there")

    @pytest.mark.parametrize("content", [b"garbage", b"\x00" * 5000, bytes(range(256)) * 20])
    def test_an_index_of_garbage(self, prefix, content):
        files(prefix)[0].write_bytes(content)
        self.refused(prefix, "damaged or truncated, or is no TensorFlow checkpoint")

    def test_a_truncated_index(self, prefix):
        index = files(prefix)[0]
        index.write_bytes(index.read_bytes()[:-200])
        self.refused(prefix, "damaged or truncated")

    def test_truncated_data_is_told_when_a_tensor_is_read(self, prefix):
        data = files(prefix)[1]
        data.write_bytes(data.read_bytes()[:1000])
        self.unreadable(prefix)

    def test_a_flipped_bit_in_the_data_is_told_when_its_tensor_is_read(self, prefix):
        data = files(prefix)[1]
        content = bytearray(data.read_bytes())
        content[len(content) // 2] ^= 1
        data.write_bytes(content)
        self.unreadable(prefix)

    def unreadable(self, prefix):
        def read_all():
            checkpoint = TensorFlowCheckpoint(prefix)
            for key in checkpoint.shapes:
                checkpoint.read(key)

        with pytest.raises(CheckpointError, match=r"damaged or truncated.*Download or copy it again") as caught:
            read_all()
        assert str(prefix) in str(caught.value)

    def test_damage_anywhere_in_the_index_is_never_another_error(self, prefix):
        index, rng = files(prefix)[0], np.random.default_rng(0)
        whole, refused = index.read_bytes(), 0
        for _ in range(30):
            damaged = bytearray(whole)
            damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
            index.write_bytes(damaged)
            try:
                checkpoint = TensorFlowCheckpoint(prefix)
                for key in checkpoint.shapes:
                    checkpoint.read(key)
            except CheckpointError:
                refused += 1
        assert refused > 20

    def test_an_object_graph_that_is_none(self, tmp_path):
        import tensorflow as tf

        tf.raw_ops.SaveV2(
            prefix=str(tmp_path / "c"), tensor_names=[GRAPH], shape_and_slices=[""], tensors=[tf.constant(b"\xff" * 9)]
        )
        self.refused(tmp_path / "c", "object graph of .* can't be read")

    @pytest.mark.parametrize("node", [7, -1, 2**31 - 1])
    def test_an_object_graph_that_points_nowhere(self, tmp_path, node):
        import tensorflow as tf
        from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

        graph = TrackableObjectGraph()
        graph.nodes.add().children.add(node_id=node, local_name="model")
        value = tf.constant(graph.SerializeToString())
        tf.raw_ops.SaveV2(prefix=str(tmp_path / "c"), tensor_names=[GRAPH], shape_and_slices=[""], tensors=[value])
        assert TensorFlowCheckpoint(tmp_path / "c").key(("model", "kernel")) is None

    def test_a_folder_in_place_of_the_index(self, prefix):
        files(prefix)[0].unlink()
        files(prefix)[0].mkdir()
        self.refused(prefix, "Missing in")
