"""Strictness: everything in the file is used or explained, everything in the model is set, or nothing is."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from checkpoint_writer import SUFFIX, tensors_of, write_saved_model, write_training
from goldens.checkpoints import write
from small import BACKBONE, picture, same, small_detector, state
from small_triplets import small_triplets

from centernet import PointDetector
from centernet.checkpoints.zoo import loading
from centernet.checkpoints.zoo.loading import transfer
from centernet.checkpoints.zoo.tf_checkpoint import SAVED_MODEL, TRAINING, TensorFlowCheckpoint
from centernet.data.keypoints import KeypointTask
from centernet.errors import CheckpointError, ConfigError
from centernet.loading.load_keras import changed, rebuilt

TASK = KeypointTask("a", ("left", "right"))
STEM = "model/_feature_extractor/_network/downsample_input/conv_block/conv/kernel"
HEATMAP = "model/_prediction_head_dict/object_center/0/layer_with_weights-1/bias"


@pytest.fixture(scope="module")
def detector():
    return small_detector()


@pytest.fixture(scope="module")
def shape_of(detector):
    return {name: value.shape for name, value in tensors_of(detector).items()}


def with_classes(detector, classes, **others):
    return rebuilt(detector, changed(detector.config, classes, **others))


def load_checkpoint(detector, prefix):
    return loading.load_checkpoint(detector, TensorFlowCheckpoint(prefix))


def refused(detector, prefix, *messages):
    """The error names the problem, and the detector is as it was."""
    before = state(detector)
    with pytest.raises(CheckpointError, match=messages[0]) as caught:
        load_checkpoint(detector, prefix)
    assert all(message in str(caught.value) for message in messages[1:])
    assert same(state(detector), before)


class TestForms:
    def check(self, detector, prefix, form):
        target = small_detector(seed=9)
        report = load_checkpoint(target, prefix)
        assert same(state(target), state(detector))
        assert (report.source, report.form) == (str(prefix), form)
        assert len(report.taken) == len(set(report.taken)) == len(detector.variables)
        assert report.new == {}
        return report

    def test_a_training_checkpoint(self, detector, tmp_path):
        report = self.check(detector, write_training(detector, tmp_path / "ckpt-0"), TRAINING)
        assert set(report.left_over.values()) == {"counter", "object graph"}

    def test_a_training_checkpoint_without_an_object_graph(self, detector, tmp_path):
        self.check(detector, write_training(detector, tmp_path / "ckpt-0", objects=False), TRAINING)

    def test_a_saved_model(self, detector, tmp_path):
        folder = write_saved_model(detector, tmp_path)
        report = self.check(detector, folder / "variables" / "variables", SAVED_MODEL)
        assert any("/variables/" in name for name in report.taken)

    def test_several_shards(self, detector, tmp_path):
        import tensorflow as tf

        tensors = {f"{name}{SUFFIX}": value for name, value in tensors_of(detector).items()}
        names, parts = sorted(tensors), []
        for half in (names[::2], names[1::2]):
            part = tmp_path / f"part{len(parts)}"
            tf.raw_ops.SaveV2(
                prefix=str(part),
                tensor_names=half,
                shape_and_slices=[""] * len(half),
                tensors=[tensors[n] for n in half],
            )
            parts.append(str(part))
        tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(tmp_path / "ckpt-0"))
        assert len(list(tmp_path.glob("ckpt-0.data-*-of-00002"))) == 2
        self.check(detector, tmp_path / "ckpt-0", TRAINING)

    @pytest.mark.parametrize("dtype", [np.float16, np.float64])
    def test_other_precisions_are_converted(self, detector, tmp_path, dtype):
        changes = {STEM: tensors_of(detector)[STEM].astype(dtype)}
        target = small_detector(seed=9)
        load_checkpoint(target, write_training(detector, tmp_path / "ckpt-0", changes=changes))
        assert all(np.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in zip(state(target), state(detector), strict=True))

    def test_keypoints_under_any_name_of_the_task(self, tmp_path):
        source = small_detector(keypoints=TASK)
        prefix = write_training(source, tmp_path / "ckpt-0", task="dog pose")
        target = small_detector(keypoints=TASK, seed=9)
        load_checkpoint(target, prefix)
        assert same(state(target), state(source))

    def test_what_is_loaded_is_what_detects(self, detector, tmp_path):
        target = small_detector(seed=9)
        before = target.detect(picture(), min_score=0)
        load_checkpoint(target, write_training(detector, tmp_path / "ckpt-0"))
        after, expected = (one.detect(picture(), min_score=0) for one in (target, detector))
        assert np.allclose(after.scores, expected.scores, atol=1e-6)
        assert not np.array_equal(before.scores, after.scores)


class TestLeftOvers:
    def test_what_training_leaves_is_tolerated_with_its_reason(self, detector, tmp_path):
        one, eight = np.ones((), np.int64), np.zeros(8, np.float32)
        extra = {
            f"{STEM}/.OPTIMIZER_SLOT/optimizer/m": eight,
            f"{STEM}/.OPTIMIZER_SLOT/optimizer/v": eight,
            "optimizer/iter": one,
            "optimizer/beta_1": np.float32(0.9),
            "step": one,
            "global_step": one,
        }
        report = load_checkpoint(small_detector(), write_training(detector, tmp_path / "ckpt-0", changes=extra))
        reasons = {name.removesuffix(SUFFIX): why for name, why in report.left_over.items()}
        assert reasons == {
            f"{STEM}/.OPTIMIZER_SLOT/optimizer/m": "optimizer slot",
            f"{STEM}/.OPTIMIZER_SLOT/optimizer/v": "optimizer slot",
            "optimizer/iter": "optimizer state",
            "optimizer/beta_1": "optimizer state",
            "step": "counter",
            "global_step": "counter",
            "save_counter": "counter",
            "_CHECKPOINTABLE_OBJECT_GRAPH": "object graph",
        }
        assert "2 × optimizer slot" in str(report)

    @pytest.mark.heavy
    @pytest.mark.parametrize(
        ("backbone", "extra"),
        [
            ("resnet50_v1_fpn", {106: {"kernel": (2048, 1000), "bias": (1000,)}}),
            (
                "resnet50_v2",
                {
                    101: dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (2048,)),
                    102: {"kernel": (2048, 1000), "bias": (1000,)},
                },
            ),
        ],
    )
    @pytest.mark.parametrize("form", ["training", "saved_model"])
    def test_layers_of_the_trunk_that_the_network_lacks_are_tolerated(self, tmp_path, backbone, extra, form):
        detector = PointDetector(backbone, ["a"], image_size=(64, 64))
        changes = {
            f"model/_feature_extractor/_base_model/layer_with_weights-{layer}/{leaf}": np.zeros(shape, np.float32)
            for layer, leaves in extra.items()
            for leaf, shape in leaves.items()
        }
        if form == "training":
            prefix = write_training(detector, tmp_path / "ckpt-0", changes=changes)
        else:
            prefix = write_saved_model(detector, tmp_path, changes=changes) / "variables" / "variables"
        report = load_checkpoint(PointDetector(backbone, ["a"], image_size=(64, 64)), prefix)
        assert len(report.taken) == len(detector.variables)
        reasons = [why for why in report.left_over.values() if why not in ("counter", "object graph")]
        assert len(reasons) == len(changes)
        assert sum("ImageNet classifier" in why for why in reasons) == 2


class TestRefusals:
    @pytest.mark.parametrize("name", [STEM, HEATMAP])
    def test_a_missing_tensor_is_named(self, detector, tmp_path, name):
        prefix = write_training(detector, tmp_path / "ckpt-0", changes={name: None})
        short = "stem_conv/kernel" if name == STEM else "heatmap_0/bias"
        refused(small_detector(), prefix, "1 of 82 variables are not in it", short, str(prefix), "Nothing was loaded")

    def test_many_missing_tensors_are_counted_and_some_named(self, detector, tmp_path):
        gone = {name: None for name in tensors_of(detector) if "/hourglass_network/" in name}
        prefix = write_training(detector, tmp_path / "ckpt-0", changes=gone)
        refused(small_detector(), prefix, f"{len(gone)} of 82 variables are not in it", f"and {len(gone) - 8} more")

    @pytest.mark.parametrize(
        "name", ["model/_feature_extractor/_network/hourglass_network/1/extra/kernel", "model/extra/kernel", "extra"]
    )
    def test_an_extra_tensor_is_named(self, detector, tmp_path, name):
        prefix = write_training(detector, tmp_path / "ckpt-0", changes={name: np.zeros(3, np.float32)})
        refused(small_detector(), prefix, "holds 1 tensors that small has no place for", name, "Nothing was loaded")

    def test_an_imagenet_classifier_in_an_hourglass_is_no_excuse(self, detector, tmp_path):
        name = "model/_feature_extractor/_base_model/layer_with_weights-106/kernel"
        prefix = write_training(detector, tmp_path / "ckpt-0", changes={name: np.zeros((4, 4), np.float32)})
        refused(small_detector(), prefix, "no place for", name)

    def test_a_tensor_of_another_shape_is_named_with_both(self, detector, tmp_path, shape_of):
        shape = (5, 5, *shape_of[STEM][2:])
        prefix = write_training(detector, tmp_path / "ckpt-0", changes={STEM: np.zeros(shape, np.float32)})
        refused(
            small_detector(),
            prefix,
            "1 have another shape",
            f"stem_conv/kernel is {shape_of[STEM]} here and {shape} in",
        )

    def test_a_transposed_tensor_is_no_match(self, detector, tmp_path, shape_of):
        shape = shape_of[STEM][::-1]
        prefix = write_training(detector, tmp_path / "ckpt-0", changes={STEM: np.zeros(shape, np.float32)})
        refused(small_detector(), prefix, "another shape")

    @pytest.mark.parametrize("value", [np.array(["text"] * 3), np.array([b"bytes"] * 3)])
    def test_text_in_place_of_numbers_is_refused(self, tmp_path, value):
        source = small_detector(3)
        prefix = write_training(source, tmp_path / "ckpt-0", changes={HEATMAP: value})
        refused(small_detector(3), prefix, "Expected numbers in .*object_center")

    @pytest.mark.parametrize(
        ("other", "looks"),
        [
            ({"classes": 3}, "hourglass (stacks=1, filters=[16, 16], blocks=[1, 1]) with 3 classes"),
            ({"keypoints": TASK}, "with 2 classes, 2 keypoints"),
            ({"backbone": {**BACKBONE, "stacks": 2}}, "hourglass (stacks=2, filters=[16, 16]"),
            ({"backbone": {**BACKBONE, "filters": [16, 16, 16], "blocks": [1, 1, 1]}}, "filters=[16, 16, 16]"),
            ({"backbone": {**BACKBONE, "filters": [16, 24]}}, "filters=[16, 24]"),
            ({"backbone": "mobilenetv2_fpn"}, "mobilenetv2_fpn (separable=True) with 2 classes"),
        ],
        ids=str,
    )
    def test_another_model_is_refused_and_named(self, tmp_path, other, looks):
        source = small_detector(**{"lively": False, **other})
        prefix = write_training(source, tmp_path / "ckpt-0")
        refused(small_detector(), prefix, "It looks like", looks, "Nothing was loaded")

    def test_a_box_model_does_not_fill_one_with_keypoints(self, detector, tmp_path):
        prefix = write_training(detector, tmp_path / "ckpt-0")
        refused(small_detector(keypoints=TASK), prefix, "12 of 94 variables are not in it", "keypoint_heatmap_0")

    def test_the_pyramid_that_is_not_separable_does_not_fill_one_that_is(self, tmp_path):
        """The most common complaint about these files: three kernels left unset, and nothing detected."""
        plain, separable = (
            PointDetector({"name": "mobilenetv2_fpn", "separable": kind}, ["a"], image_size=(64, 64))
            for kind in (False, True)
        )
        prefix = write_training(plain, tmp_path / "ckpt-0")
        refused(separable, prefix, "6 of 301 variables are not in it", "separable=False", "fpn1_conv/depthwise_kernel")

    def test_an_ssd_is_named_as_such(self, tmp_path):
        names = ("model/_box_predictor/a/kernel", "model/_feature_extractor/classification_backbone/b/kernel")
        prefix = write(tmp_path / "ckpt-0", {name: np.zeros(3, np.float32) for name in names}, {})
        refused(small_detector(), prefix, "It looks like an SSD or EfficientDet of the Detection API")

    @pytest.mark.parametrize("damage", ["flipped", "truncated"])
    def test_data_that_is_damaged_at_its_end_leaves_the_detector_unchanged(self, detector, tmp_path, damage):
        prefix = write_training(detector, tmp_path / "ckpt-0")
        data = prefix.with_name("ckpt-0.data-00000-of-00001")
        content = bytearray(data.read_bytes())
        if damage == "flipped":
            content[-100] ^= 1
        else:
            del content[-100:]
        data.write_bytes(content)
        refused(small_detector(seed=9), prefix, "damaged or truncated")


class TestOtherClasses:
    """The trunk and what has a name in common are kept, bit for bit; the rest is new and the report says so."""

    def heads(self, detector):
        return {layer.name: layer.get_weights() for layer in detector.layers[2:] if layer.weights}

    def transferred(self, classes, source=None):
        source = source or small_detector(("cat", "dog", "bird"))
        return source, with_classes(source, classes)

    def test_the_trunk_and_the_other_heads_are_kept(self):
        source, target = self.transferred(("fish", "dog"))
        assert same(state(target.backbone), state(source.backbone))
        old, new = self.heads(source), self.heads(target)
        assert set(old) == set(new)
        assert all(same(old[name], new[name]) for name in old if name != "heatmap_0")

    def test_names_in_common_keep_their_channel_and_others_start_at_the_prior(self):
        source, target = self.transferred(("fish", "dog", "horse", "cat"))
        (old_kernel, old_bias), (kernel, bias) = (one.get_layer("heatmap_0").get_weights() for one in (source, target))
        for index, origin in ((1, 1), (3, 0)):
            assert np.array_equal(kernel[..., index], old_kernel[..., origin])
            assert bias[index] == old_bias[origin]
        assert bias[0] == bias[2] == np.float32(-2.19)
        assert not np.array_equal(kernel[..., 0], kernel[..., 2])
        assert 0 < np.abs(kernel[..., 0]).max() < 1

    def test_the_report_says_what_is_kept_new_and_dropped(self):
        _, target = self.transferred(("fish", "dog"))
        report = target.report
        assert set(report.new) == {"heatmap_0/kernel", "heatmap_0/bias"}
        assert all("fish" in why for why in report.new.values())
        assert report.left_over == {"cat": "class that is no longer there", "bird": "class that is no longer there"}
        assert len(report.taken) == len(target.variables) - 2
        assert "1 kept by name (dog), 1 new (fish), 2 dropped" in str(report)

    def test_the_report_of_the_file_is_not_lost(self, detector, tmp_path):
        source = small_detector()
        source.report = load_checkpoint(source, write_training(detector, tmp_path / "ckpt-0"))
        target = with_classes(source, ("a", "z"))
        assert (target.report.source, target.report.form) == (str(tmp_path / "ckpt-0"), TRAINING)
        assert f"save_counter{SUFFIX}" in target.report.left_over

    def test_a_new_order_keeps_everything_where_the_names_are(self):
        source, target = self.transferred(("bird", "cat", "dog"))
        found, expected = (one.detect(picture(), min_score=0) for one in (target, source))
        assert np.allclose(found.scores, expected.scores, atol=1e-6)
        assert found.names == expected.names
        assert target.report.new == {}

    def test_without_the_class_of_the_keypoints_they_go_and_that_is_said(self):
        source = small_detector(("person", "ball"), keypoints=KeypointTask("person", ("x", "y")))
        _, target = self.transferred(("ball", "bat"), source)
        assert (target.config.task, target.config.keypoints) == ("boxes", None)
        assert not any("keypoint" in name for name in self.heads(target))
        assert "keypoint heads are dropped" in str(target.report)
        assert target.detect(picture(), min_score=0).keypoints is None

    def test_with_the_class_of_the_keypoints_they_stay(self):
        source = small_detector(("ball", "person"), keypoints=KeypointTask("person", ("x", "y")))
        _, target = self.transferred(("person", "bat"), source)
        assert (target.config.keypoint_class, target.config.keypoints.names) == (0, ("x", "y"))
        old, new = self.heads(source), self.heads(target)
        assert all(same(old[name], new[name]) for name in old if name != "heatmap_0")

    def test_every_heatmap_of_triplets_gets_its_classes(self):
        source = small_triplets(("cat", "dog"))
        target = with_classes(source, ("dog", "fish"))
        for name in ("top_left_0", "bottom_right_0", "center_0"):
            old, new = (one.get_layer(name).get_weights()[0] for one in (source, target))
            assert np.array_equal(new[..., 0], old[..., 1])
            assert not np.array_equal(new[..., 1], old[..., 1])
            assert not np.array_equal(new[..., 1], old[..., 0])
            assert "fish" in target.report.new[f"{name}/kernel"]
        old, new = (one.get_layer("top_left_embedding_0").get_weights() for one in (source, target))
        assert same(old, new)

    def test_every_stack_gets_its_classes(self):
        source = small_detector(("cat", "dog"), backbone={**BACKBONE, "stacks": 2}, lively=False)
        _, target = self.transferred(("dog", "fish"), source)
        for stack in range(2):
            old, new = (one.get_layer(f"heatmap_{stack}").get_weights()[0] for one in (source, target))
            assert np.array_equal(new[..., 0], old[..., 1])

    def test_the_source_is_unchanged(self):
        source = small_detector(("cat", "dog"))
        before = state(source)
        with_classes(source, ("fish",))
        assert same(state(source), before)
        assert source.class_names == ("cat", "dog")

    def test_figures_and_ids_of_the_old_classes_do_not_stick(self):
        _, target = self.transferred(("fish", "dog"))
        assert target.config.dataset_ids == (1, 2)
        assert target.config.published.box_ap is None

    def test_transfer_needs_no_names_in_common(self):
        source, target = small_detector(("cat",)), small_detector(("fish", "dog"), lively=False)
        report = transfer(source, target)
        assert "0 kept by name (none), 2 new (fish, dog)" in str(report)


class TestOtherKeypoints:
    """Their heads are new, whatever else is kept."""

    def test_of_a_detector_without_any(self):
        source = small_detector(("a", "b"))
        target = with_classes(source, None, keypoints=TASK)
        assert (target.config.task, target.config.keypoints, target.class_names) == (
            "boxes+keypoints",
            TASK,
            ("a", "b"),
        )
        assert same(target.get_layer("heatmap_0").get_weights(), source.get_layer("heatmap_0").get_weights())
        assert {name.partition("_0")[0] for name in target.report.new} == {
            "keypoint_heatmap",
            "keypoint_regression",
            "keypoint_offset",
        }
        assert "the heads of 2 keypoints are new" in str(target.report)
        assert target.detect(picture(), min_score=0).keypoints is not None

    @pytest.mark.parametrize("names", [("x", "y"), ("left", "right", "top")])
    def test_as_many_or_more_of_other_names(self, names):
        source = small_detector(("a", "b"), keypoints=TASK)
        target = with_classes(source, None, keypoints=KeypointTask("a", names))
        assert target.get_layer("keypoint_heatmap_0").bias.shape == (len(names),)
        assert np.all(target.get_layer("keypoint_heatmap_0").bias.numpy() == np.float32(-2.19))
        assert same(state(target.backbone), state(source.backbone))

    def test_the_same_ones_of_another_class_are_kept(self):
        source = small_detector(("a", "b"), keypoints=TASK)
        target = with_classes(source, ("c",), keypoints=KeypointTask("c", TASK.names))
        kept = "keypoint_heatmap_0"
        assert same(target.get_layer(kept).get_weights(), source.get_layer(kept).get_weights())
        assert not any(name.startswith("keypoint") for name in target.report.new)

    def test_triplets_find_none(self):
        with pytest.raises(ConfigError, match="family 'points' to find keypoints"):
            with_classes(small_triplets(("a", "b")), None, keypoints=TASK)

    def test_a_class_that_is_not_there_is_refused(self):
        with pytest.raises(ConfigError, match="class with keypoints to be one of the classes"):
            with_classes(small_detector(("b", "c")), None, keypoints=TASK)


class TestOtherInputSizes:
    def test_all_weights_are_kept(self):
        source = small_detector()
        target = with_classes(source, None, image_size=(96, 128))
        assert target.config.preprocessing.size == (96, 128)
        assert same(state(target), state(source))
        assert target.report.new == {}

    def test_its_own_changes_nothing(self):
        config = small_detector().config
        assert changed(config, image_size=list(config.preprocessing.size)) == config

    @pytest.mark.parametrize("size", [(0, 64), (64,), 64, (65, 64)])
    def test_one_that_cannot_be_is_refused(self, size):
        with pytest.raises(ConfigError, match="size"):
            with_classes(small_detector(), None, image_size=size)


def test_loading_logs_nothing_that_frightens(detector, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        load_checkpoint(small_detector(), write_training(detector, tmp_path / "ckpt-0"))
    assert caplog.records == []
