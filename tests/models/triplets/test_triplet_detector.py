"""A detector of triplets as its user meets it, and its decoder from end to end."""

from __future__ import annotations

import dataclasses
import gc
from typing import Any

import keras
import numpy as np
import pytest
from backends import forward
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from small import BACKBONE, picture, same, state
from small_triplets import enliven, small_triplets

import centernet
from centernet import Detections, TripletDetector
from centernet.errors import ConfigError
from centernet.models.settings import TripletDecoderSettings, TripletHeadSettings
from centernet.models.test_time import TestTime
from centernet.models.triplets.heads import BRANCHES
from centernet.ops.nms import SuppressionSettings, soft_nms
from centernet.ops.preprocessing import Preprocessing

CHANNELS = {
    **{"top_left": 2, "top_left_offset": 2, "top_left_embedding": 1},
    **{"bottom_right": 2, "bottom_right_offset": 2, "bottom_right_embedding": 1},
    **{"center": 2, "center_offset": 2},
}
ORIGINAL = Preprocessing((127, 127), fit="original", sampling="half_pixel")


@pytest.fixture(scope="module")
def detector():
    return small_triplets()


@pytest.fixture(scope="module")
def original():
    """A detector that sees images at their own size, mirrored as well, as the published ones do."""
    config = small_triplets(preprocessing=ORIGINAL, image_size=None, lively=False).config
    keras.utils.set_random_seed(0)
    detector = TripletDetector(dataclasses.replace(config, test_time=TestTime(flip=True)))
    enliven(detector)
    return detector


def equal(a: Detections, b: Detections, tolerance: float = 1e-4) -> bool:
    pairs = ((a.boxes, b.boxes), (a.scores, b.scores), (a.class_ids, b.class_ids))
    return len(a) == len(b) and all(np.allclose(x, y, atol=tolerance) for x, y in pairs)


class TestNetwork:
    @pytest.mark.parametrize("backbone", [BACKBONE, "mobilenetv2_fpn", "resnet50_v1_fpn"], ids=str)
    @pytest.mark.parametrize("side", [128, 127])
    def test_every_backbone_gives_maps_of_a_quarter_of_the_input(self, backbone, side):
        detector = small_triplets(backbone=backbone, image_size=(side, 128), lively=False)
        maps = detector.compute_output_spec(keras.KerasTensor((2, side, 128, 3)))
        found = {name: [tuple(one.shape) for one in stacks] for name, stacks in maps.items()}
        assert found == {name: [(2, 32, 32, count)] for name, count in CHANNELS.items()}

    def test_every_stack_has_maps(self):
        detector = small_triplets(backbone={**BACKBONE, "stacks": 2}, lively=False)
        assert {name: len(stacks) for name, stacks in detector.output.items()} == dict.fromkeys(CHANNELS, 2)

    def test_untrained_heatmaps_start_at_a_tenth(self):
        detector = small_triplets(lively=False)
        for name in CHANNELS:
            bias = ops.convert_to_numpy(detector.get_layer(f"{name}_0").bias)
            np.testing.assert_allclose(bias, -2.19 if name in BRANCHES else 0)
        maps = forward(detector, np.zeros((1, 64, 64, 3), np.float32))
        for name in BRANCHES:
            probability = 1 / (1 + np.exp(-maps[name][0]))
            np.testing.assert_allclose(probability.mean(), 0.1, atol=0.01)

    def test_pooling_is_as_wide_as_told(self, detector):
        names = [f"{branch}_0_pooling" for branch in BRANCHES]
        assert all(detector.get_layer(name).output.shape[-1] == 16 for name in names)

    @pytest.mark.heavy
    @pytest.mark.parametrize(
        ("name", "count"),
        [("centernet_triplet_hourglass52", 104_844_152), ("centernet_triplet_hourglass104", 210_062_960)],
    )
    def test_presets_have_as_many_parameters_as_the_reference(self, name, count):
        detector = centernet.load(name, weights=None)
        assert sum(int(np.prod(variable.shape)) for variable in detector.trainable_variables) == count
        assert len(detector.class_names) == 80
        del detector
        keras.backend.clear_session()
        gc.collect()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"image_size": (60, 64)}, "multiples of 8, or one less"),
            ({"decoder": TripletDecoderSettings(keypoints=300)}, "at most 256 keypoints"),
            (
                {"preprocessing": ORIGINAL, "image_size": None, "decoder": TripletDecoderSettings(keypoints=1025)},
                "at most 1024",
            ),
        ],
    )
    def test_sizes_that_can_t_be_are_refused(self, options, message):
        with pytest.raises(ConfigError, match=message):
            small_triplets(**{"image_size": None} | options if "preprocessing" in options else options)

    @pytest.mark.parametrize("options", [{"pooling_filters": 0}, {"pooling_inner_filters": 0}, {"filters": 0}])
    def test_heads_that_can_t_be_are_refused(self, options):
        with pytest.raises(ConfigError, match="Received"):
            TripletHeadSettings(**options)


class TestDetection:
    def test_one_image_gives_detections(self, detector):
        found = detector.detect(picture(64, 64), min_score=0)
        assert isinstance(found, Detections)
        assert len(found) > 3
        assert (np.diff(found.scores) <= 0).all()
        assert found.boxes.min() >= 0
        assert (found.boxes[:, 2:].max(axis=0) <= (64, 64)).all()

    def test_a_list_gives_what_single_images_give(self, detector):
        images = [picture(64, 64, seed) for seed in range(3)]
        together = detector.detect(images, min_score=0, batch_size=2)
        alone = [detector.detect(image, min_score=0) for image in images]
        assert all(equal(one, other) for one, other in zip(together, alone, strict=True))

    def test_the_heatmap_is_of_the_centers(self, detector):
        batch, _ = detector.preprocess(picture(64, 64))
        probability = 1 / (1 + np.exp(-forward(detector, batch)["center"][0][0].max(axis=-1)))
        np.testing.assert_allclose(detector.heatmap(picture(64, 64)), probability, atol=1e-5)

    def test_its_own_passes_are_the_default(self, original):
        image = picture(125, 127)
        own, asked = (original.detect(image, min_score=0, **more) for more in ({}, {"test_time": TestTime(flip=True)}))
        upright = original.detect(image, min_score=0, test_time=TestTime())
        assert len(own) > 3
        assert equal(own, asked, 0)
        assert not equal(own, upright)

    def test_a_mirrored_image_gives_mirrored_boxes(self, original):
        # So wide that the canvas is filled, mirrored or not.
        image = picture(125, 127)
        found, mirrored = (original.detect(view, min_score=0.05) for view in (image, image[:, ::-1].copy()))
        assert len(found) == len(mirrored) > 3
        boxes = mirrored.boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [126, 0, 126, 0]
        inside = (found.boxes[:, 0] > 0) & (found.boxes[:, 2] < 126)
        assert inside.any()
        for box, score in zip(found.boxes[inside], found.scores[inside], strict=True):
            distance = np.abs(boxes - box).max(axis=1) + np.abs(mirrored.scores - score)
            assert distance.min() < 0.01

    def test_scales_are_joined_best_first(self, original):
        test_time = TestTime(flip=True, scales=(0.6, 1.0, 1.5))
        found = original.detect(picture(125, 127), min_score=0, test_time=test_time)
        assert 0 < len(found) <= 50
        assert (np.diff(found.scores) <= 0).all()

    @pytest.mark.parametrize(("name", "size"), [("original", (125, 127)), ("detector", (100, 120))])
    def test_scale_1_without_a_mirror_is_the_plain_detection_before_suppression(self, request, name, size):
        detector, image = request.getfixturevalue(name), picture(*size)
        plain = {name: values[0] for name, values in detector.infer([image]).items()}
        once = detector.infer_passes([image], TestTime())[0]
        left = soft_nms(plain["boxes"], plain["scores"], plain["class_ids"])
        assert len(left.rows) > 3
        np.testing.assert_allclose(once["boxes"][:3], left.boxes[:3], atol=1e-3)
        np.testing.assert_allclose(once["scores"][:3], left.scores[:3], atol=1e-5)

    def test_a_fixed_canvas_grows_with_the_scale(self, detector):
        image = picture(100, 120)
        grown = small_triplets(image_size=(96, 96))
        found = detector.infer_passes([image], TestTime(scales=(1.5,)))[0]
        expected = grown.infer_passes([image], TestTime())[0]
        np.testing.assert_allclose(found["boxes"], expected["boxes"], atol=1e-3)
        np.testing.assert_allclose(found["scores"], expected["scores"], atol=1e-5)

    def test_a_mirrored_pass_over_a_fixed_canvas_lies_on_the_upright_one(self, detector):
        # The image and its mirror image are the same.
        half, unsuppressed = picture(64, 32), SuppressionSettings("hard", iou_threshold=1.0)
        test_time = TestTime(True, suppression=unsuppressed)
        found = detector.infer_passes([np.concatenate([half, half[:, ::-1]], axis=1)], test_time)[0]
        assert len(found["boxes"]) > 10
        for box, score in zip(found["boxes"], found["scores"], strict=True):
            twin = (box[[2, 1, 0, 3]] * [-1, 1, -1, 1] + [63, 0, 63, 0]).clip(0, 64)
            distance = np.abs(found["boxes"] - twin).max(axis=1) + np.abs(found["scores"] - score)
            # What is clipped at 0 and at 64 is not the same.
            assert distance.min() < (0.01 if box[0] > 0 and box[2] < 63 else 1.01)

    def test_boxes_vote_at_several_scales_unless_told_otherwise(self, original):
        image, scales = picture(125, 127), (0.6, 1.0, 1.5)
        ten = SuppressionSettings(voting_exponent=10.0)
        published, voted, stayed, explicit, single = (
            original.infer_passes([image], test_time)[0]
            for test_time in (
                TestTime(True, scales),
                TestTime(True, scales, vote=True),
                TestTime(True, scales, vote=False),
                TestTime(True, scales, ten),
                TestTime(True),
            )
        )
        for other in (voted, explicit):
            np.testing.assert_array_equal(published["boxes"], other["boxes"])
        np.testing.assert_array_equal(published["scores"], stayed["scores"])
        assert np.abs(published["boxes"] - stayed["boxes"]).max() > 0.01
        for other, vote in ((TestTime(True, vote=False), True), (TestTime(True, vote=True), False)):
            same_boxes = np.array_equal(single["boxes"], original.infer_passes([image], other)[0]["boxes"])
            assert same_boxes == vote

    @pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 200), (300, 3)])
    @pytest.mark.parametrize("test_time", [None, TestTime(True, (0.6, 1.0))], ids=["plain", "passes"])
    @pytest.mark.parametrize("name", ["original", "detector"])
    def test_images_smaller_than_a_cell_go_through(self, request, name, test_time, size):
        found = request.getfixturevalue(name).detect(picture(*size), min_score=0, test_time=test_time)
        assert found.image_size == size
        assert (found.boxes >= 0).all()
        assert (found.boxes <= [size[1], size[0]] * 2).all()

    @pytest.mark.parametrize("branch", BRANCHES)
    def test_an_empty_heatmap_gives_no_detections(self, branch):
        detector = small_triplets()
        last = detector.get_layer(f"{branch}_0")
        last.set_weights([np.zeros(last.kernel.shape), np.full(last.bias.shape, -200.0)])
        detector.refresh()
        assert len(detector.detect(picture(64, 64), min_score=0, test_time=TestTime(True))) == 0
        maps = forward(detector, detector.preprocess(picture(64, 64))[0])
        assert not ops.convert_to_numpy(detector.decode(maps, np.int32([[64, 64]]))["scores"]).any()

    @pytest.mark.parametrize(
        ("name", "test_time"), [("center", None), ("top_left_offset", None), ("top_left_offset", TestTime(True))]
    )
    def test_maps_that_are_no_numbers_give_no_detections(self, name, test_time):
        detector = small_triplets()
        kernel = detector.get_layer(f"{name}_0").kernel
        values = np.full(kernel.shape, 3e37, np.float32)
        values[:, :, ::2] *= -1  # finite, but infinity less infinity comes out
        kernel.assign(values)
        detector.refresh()
        maps = forward(detector, detector.preprocess(picture(64, 64))[0])
        assert not np.isfinite(maps[name][0]).all()
        assert len(detector.detect(picture(64, 64), min_score=0, test_time=test_time)) == 0


class TestSaving:
    @pytest.mark.parametrize("name", ["model", "model.zip", "model.keras"])
    def test_it_comes_back_the_same(self, original, tmp_path, name):
        original.save(tmp_path / name)
        loaded = centernet.load(tmp_path / name)
        assert type(loaded) is TripletDetector
        assert loaded.config == original.config
        assert same(state(loaded), state(original))

    def test_keras_loads_its_own_form(self, detector, tmp_path):
        detector.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert equal(loaded.detect(picture(64, 64), min_score=0), detector.detect(picture(64, 64), min_score=0))

    def test_other_classes_keep_the_trunk(self, detector, tmp_path):
        detector.save(tmp_path / "model")
        loaded = centernet.load(tmp_path / "model", classes=["b", "c", "d"])
        assert loaded.output["top_left"][0].shape[-1] == 3
        for name in BRANCHES:
            old, new = (ops.convert_to_numpy(one.get_layer(f"{name}_0").kernel) for one in (detector, loaded))
            np.testing.assert_array_equal(new[..., 0], old[..., 1])
        hidden = [ops.convert_to_numpy(one.get_layer("top_left_0_hidden").kernel) for one in (detector, loaded)]
        np.testing.assert_array_equal(*hidden)


def drawn(boxes: list[Any], size: tuple[int, int]) -> dict[str, list[Any]]:
    """Maps of a network that is sure of boxes (in cells), each with an embedding of its own."""
    maps = {name: np.zeros((1, *size, count), np.float32) for name, count in CHANNELS.items()}
    for branch in BRANCHES:
        maps[branch] -= 20
    for number, (x0, y0, x1, y1, class_id) in enumerate(boxes):
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        for branch, (x, y) in zip(BRANCHES, ((x0, y0), (x1, y1), middle), strict=True):
            column, row = int(x), int(y)
            maps[branch][0, row, column, class_id] = 3 - 0.1 * number
            maps[f"{branch}_offset"][0, row, column] = (x - column, y - row)
            if branch != "center":
                maps[f"{branch}_embedding"][0, row, column] = number
    return {name: [ops.convert_to_tensor(value)] for name, value in maps.items()}


@st.composite
def separate_boxes(draw: Any) -> list[Any]:
    """Boxes in cells of 32×32, one in each quarter: none shares a keypoint's neighbourhood with another."""
    found = []
    for left, top in draw(st.sets(st.sampled_from([(0, 0), (16, 0), (0, 16), (16, 16)]), min_size=1)):
        x0, y0 = left + draw(st.floats(1, 4, width=16)), top + draw(st.floats(1, 4, width=16))
        x1, y1 = x0 + draw(st.floats(5, 9, width=16)), y0 + draw(st.floats(5, 9, width=16))
        found.append((x0, y0, x1, y1, draw(st.integers(0, 1))))
    return found


@pytest.fixture(scope="module")
def larger():
    return small_triplets(image_size=(128, 128), lively=False)


@settings(max_examples=25, deadline=None)
@given(boxes=separate_boxes())
@pytest.mark.parametrize("size", [(128, 128), (256, 256), (50, 64)])
def test_boxes_come_back_from_the_maps_that_they_make(larger: Any, size: tuple[int, int], boxes: list[Any]) -> None:
    found = larger.decode(drawn(boxes, (32, 32)), np.int32([size]))
    boxes_found, scores, class_ids = (ops.convert_to_numpy(found[name])[0] for name in ("boxes", "scores", "class_ids"))
    scale = max(size) / 128
    expected = np.float32([row[:4] for row in boxes]) * 4 * scale
    limits = np.float32([size[1], size[0]] * 2)
    near = ((expected[:, :2] > -5 * scale) & (expected[:, 2:] < limits[2:] + 5 * scale)).all(axis=1)
    clipped = np.clip(expected, 0, limits)
    # Clipping moves the central region, from which the center may fall.
    kept = near & (clipped == expected).all(axis=1)
    for number in np.flatnonzero(kept):
        distance = np.abs(boxes_found - expected[number]).max(axis=1)
        best = distance.argmin()
        assert distance[best] < 0.05
        np.testing.assert_allclose(scores[best], 1 / (1 + np.exp(-(3 - 0.1 * number))), atol=1e-5)
        assert class_ids[best] == boxes[number][4]
    assert kept.sum() <= (scores > 0.7).sum() <= near.sum()
