"""Several passes over one image: what a detector of points makes of mirrored and scaled views."""

from __future__ import annotations

import dataclasses
import math
import re
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from small import picture, small_detector
from small_triplets import small_triplets

from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError
from centernet.models.config import ModelConfig
from centernet.models.points.passes import _average
from centernet.models.settings import PointDecoderSettings, TripletDecoderSettings
from centernet.models.test_time import TestTime
from centernet.ops.nms import SuppressionSettings, soft_nms
from centernet.ops.preprocessing import Preprocessing

TASK = KeypointTask("a", ("left", "right", "top"), flip=(1, 0, 2))
FLIP = TestTime(flip=True)


@pytest.fixture(scope="module")
def detector():
    return small_detector(decoder=PointDecoderSettings(max_detections=60))


@pytest.fixture(scope="module")
def with_keypoints():
    return small_detector(keypoints=TASK, decoder=PointDecoderSettings(max_detections=60, candidates=60))


@pytest.fixture(scope="module")
def symmetric():
    """An image that is its own mirror image."""
    half = picture(64, 32)
    return np.concatenate([half, half[:, ::-1]], axis=1)


class TestFlip:
    def test_centers_of_a_symmetric_image_lie_symmetrically(self, detector, symmetric):
        batch, _ = detector.preprocess(symmetric)
        both = keras.ops.concatenate([batch, keras.ops.flip(batch, axis=2)])
        maps = {name: stacks[-1] for name, stacks in detector(both, training=False).items()}
        for name in ("heatmap", "size"):
            averaged = keras.ops.convert_to_numpy(_average(name, maps[name], detector))
            np.testing.assert_allclose(averaged, averaged[:, :, ::-1], atol=1e-4)
        # The network alone isn't symmetric.
        alone = keras.ops.convert_to_numpy(maps["heatmap"][:1])
        assert np.abs(alone - alone[:, :, ::-1]).max() > 0.1

    def test_detections_of_a_symmetric_image_come_in_pairs(self, symmetric):
        centered = small_detector(decoder=PointDecoderSettings(max_detections=60))
        # The offset is the upright pass's; in the middle of each cell it is symmetric.
        centered.get_layer("offset_0").set_weights([np.zeros((1, 1, 256, 2)), np.full(2, 0.5)])
        found = centered.detect(symmetric, min_score=0, test_time=FLIP)
        whole = found.scores > found.scores[-1] + 1e-3  # the twin of the last may be one too many
        assert whole.sum() > 20
        mirrored = found.boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [64, 0, 64, 0]
        for box, score, class_id in zip(found.boxes, found.scores[whole], found.class_ids, strict=False):
            distance = np.abs(mirrored - box).max(axis=1) + np.abs(found.scores - score)
            assert distance[found.class_ids == class_id].min() < 1e-2
        plain = centered.detect(symmetric, min_score=0)
        assert np.abs(plain.scores[:20] - found.scores[:20]).max() > 1e-3

    def test_probabilities_are_averaged_and_not_logits(self, detector):
        maps = np.float32([-4, 3, 0, 2]).reshape(2, 1, 2, 1)
        found = keras.ops.sigmoid(_average("heatmap", keras.ops.convert_to_tensor(maps), detector))
        probability = 1 / (1 + np.exp(-maps[..., 0]))
        expected = (probability[0] + probability[1, :, ::-1]) / 2
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found)[0, ..., 0], expected, atol=1e-6)

    def test_logits_beyond_all_measure_stay_certain(self, detector):
        maps = np.float32([[200, -200]] * 2).reshape(2, 1, 2, 1)
        maps[1] = maps[1, :, ::-1]
        found = keras.ops.sigmoid(_average("heatmap", keras.ops.convert_to_tensor(maps), detector))
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found).ravel(), [1, 0], atol=1e-6)

    @pytest.mark.parametrize("name", ["offset", "keypoint_offset"])
    def test_what_a_mirror_would_turn_around_is_the_upright_pass_s(self, with_keypoints, name):
        maps = np.random.default_rng(0).standard_normal((2, 3, 4, 6), np.float32)
        found = keras.ops.convert_to_numpy(_average(name, keras.ops.convert_to_tensor(maps), with_keypoints))
        np.testing.assert_array_equal(found, maps[:1])

    @pytest.mark.parametrize(("flip", "partner"), [((1, 0, 2), (1, 0, 2)), ((), (0, 1, 2)), ((2, 0, 1), (2, 0, 1))])
    def test_a_mirrored_left_is_a_right(self, flip, partner):
        logits = np.random.default_rng(0).standard_normal((2, 2, 4, 3), np.float32)
        detector = SimpleNamespace(config=SimpleNamespace(keypoints=dataclasses.replace(TASK, flip=flip)))
        found = keras.ops.sigmoid(_average("keypoint_heatmap", keras.ops.convert_to_tensor(logits), detector))
        probability = 1 / (1 + np.exp(-logits))
        expected = (probability[0] + probability[1, :, ::-1][..., list(partner)]) / 2
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found)[0], expected, atol=1e-6)

    def test_vectors_to_keypoints_are_averaged_in_the_mirror(self, with_keypoints):
        maps = np.random.default_rng(0).standard_normal((2, 3, 4, 6), np.float32)
        found = keras.ops.convert_to_numpy(
            _average("keypoint_regression", keras.ops.convert_to_tensor(maps), with_keypoints)
        )
        vectors = maps[1, :, ::-1].reshape(3, 4, 3, 2)[:, :, list(TASK.flip)] * [1, -1]
        np.testing.assert_allclose(found, (maps[:1] + vectors.reshape(1, 3, 4, 6)) / 2, atol=1e-6)

    def test_keypoints_come_with_their_boxes(self, with_keypoints, symmetric):
        found = with_keypoints.detect(symmetric, min_score=0, test_time=FLIP)
        plain = with_keypoints.detect(symmetric, min_score=0)
        assert found.keypoints.shape == (len(found), 3, 2)
        assert found.keypoint_scores.shape == (len(found), 3)
        assert not np.array_equal(found.keypoint_scores, plain.keypoint_scores[: len(found)])


class TestScales:
    @pytest.mark.parametrize("name", ["detector", "with_keypoints"])
    def test_one_scale_unmirrored_is_the_plain_detection(self, request, name):
        detector, image = request.getfixturevalue(name), picture()
        found, plain = (detector.detect(image, min_score=0, **more) for more in ({"test_time": TestTime()}, {}))
        for field in ("boxes", "scores", "class_ids", *(("keypoints",) if name == "with_keypoints" else ())):
            np.testing.assert_allclose(getattr(found, field), getattr(plain, field), atol=1e-4)

    def test_scales_are_joined_by_soft_suppression(self, detector):
        image, suppression = picture(), SuppressionSettings(sigma=0.4)
        every = [detector.infer_passes([image], TestTime(scales=(scale,)))[0] for scale in (1, 1.5)]
        arrays = {name: np.concatenate([one[name] for one in every]) for name in every[0]}
        left = soft_nms(*(arrays[name] for name in ("boxes", "scores", "class_ids")), suppression, max_detections=60)
        found = detector.detect(image, min_score=0, test_time=TestTime(scales=(1, 1.5), suppression=suppression))
        kept = left.scores > 0
        np.testing.assert_allclose(found.boxes, left.boxes[kept], atol=1e-5)
        np.testing.assert_allclose(found.scores, left.scores[kept], atol=1e-6)
        np.testing.assert_array_equal(found.class_ids, arrays["class_ids"][left.rows][kept])
        # Both scales have a say.
        assert (left.rows < 60).any()
        assert (left.rows >= 60).any()

    def test_keypoints_stay_with_the_box_that_they_were_found_with(self, with_keypoints):
        image, test_time = picture(), TestTime(flip=True, scales=(1, 1.5))
        found = with_keypoints.detect(image, min_score=0, test_time=test_time)
        every = [with_keypoints.infer_passes([image], TestTime(True, (scale,)))[0] for scale in (1, 1.5)]
        boxes, keypoints = (np.concatenate([one[name] for one in every]) for name in ("boxes", "keypoints"))
        assert len(found) > 5
        for box, points in zip(found.boxes, found.keypoints, strict=True):
            rows = np.abs(boxes - box).max(axis=1) < 1e-4
            assert any(np.allclose(points, keypoints[row], atol=1e-4) for row in np.flatnonzero(rows))

    def test_a_scale_without_room_for_all_detections_is_refused(self, detector):
        with pytest.raises(ConfigError, match=r"each of 60 detections .* scale 0\.1, where an input of 8×8 .* has 4"):
            detector.detect(picture(), test_time=TestTime(scales=(1, 0.1)))

    def test_a_list_is_looked_at_image_by_image(self, detector):
        images = [picture(seed=0), picture(40, 90, seed=1)]
        together = detector.detect(images, min_score=0, test_time=FLIP, batch_size=2)
        for image, found in zip(images, together, strict=True):
            alone = detector.detect(image, min_score=0, test_time=FLIP)
            np.testing.assert_array_equal(found.boxes, alone.boxes)

    def test_other_weights_are_used_at_once(self, detector):
        own = small_detector(seed=3, decoder=detector.config.decoder)
        before = own.detect(picture(), min_score=0, test_time=FLIP)
        own.set_weights(detector.get_weights())
        after = own.detect(picture(), min_score=0, test_time=FLIP)
        expected = detector.detect(picture(), min_score=0, test_time=FLIP)
        assert not np.array_equal(before.scores, after.scores)
        np.testing.assert_array_equal(after.scores, expected.scores)


@pytest.mark.parametrize("fit", ["canvas", "original"])
@pytest.mark.parametrize("make", [small_detector, small_triplets])
@pytest.mark.parametrize("scale", [300, 1e8, 1e200])
def test_a_scale_whose_input_is_out_of_all_proportion_is_refused(make, fit, scale):
    preprocessing = Preprocessing((128, 128), fit=fit, step=128 if make is small_triplets else 16)
    detector = make(preprocessing=preprocessing, image_size=None)
    with pytest.raises(
        ConfigError, match=rf"at most 67108864 pixels\. Received: scale {re.escape(f'{scale:g}')}, .* Choose a"
    ):
        detector.detect(picture(), test_time=TestTime(scales=(scale,)))


def test_triplets_too_say_which_scale_has_no_room():
    detector = small_triplets(decoder=TripletDecoderSettings(keypoints=70))
    with pytest.raises(
        ConfigError, match=r"each of 70 corners or centers\. Received: scale 0\.01, where an input of 8×8 .* has 4"
    ):
        detector.detect(picture(), test_time=TestTime(scales=(0.01,)))


class TestSettings:
    @pytest.mark.parametrize("test_time", [True, False, 2, {"flip": True}])
    def test_something_else_is_refused(self, test_time):
        with pytest.raises(ConfigError, match=r"TestTime\(\) is one pass.*Received: "):
            small_detector(lively=False).detect(picture(), test_time=test_time)

    @pytest.mark.parametrize(
        "options",
        [
            {"scales": ()},
            {"scales": (0,)},
            {"scales": (1, -1)},
            {"scales": (math.nan,)},
            {"scales": (math.inf,)},
            {"scales": 1.0},
            {"scales": "1"},
            {"scales": ("1",)},
            {"scales": None},
            {"flip": 1},
            {"flip": "yes"},
            {"vote": "yes"},
            {"suppression": "gaussian"},
            {"suppression": {"sigma": 0}},
            {"suppression": {"sgima": 1}},
        ],
        ids=str,
    )
    def test_what_can_t_be_is_refused(self, options):
        with pytest.raises(ConfigError):
            TestTime(**options)

    def test_a_list_and_a_mapping_will_do(self):
        found = TestTime(scales=[1, np.float32(1.5)], suppression={"method": "linear"})
        assert found == TestTime(scales=(1.0, 1.5), suppression=SuppressionSettings("linear"))
        assert all(type(scale) is float for scale in found.scales)

    @pytest.mark.parametrize("exponent", [None, 3.0])
    def test_who_votes(self, exponent):
        suppression = SuppressionSettings("linear", voting_exponent=exponent)
        found = {
            (vote, published): TestTime(suppression=suppression, vote=vote).joining(vote=published)
            for vote in (None, True, False)
            for published in (True, False)
        }
        voting = {key: settings.voting_exponent for key, settings in found.items()}
        asked = exponent or 10.0
        expected = {(None, True): asked, (None, False): exponent}
        expected |= {(True, True): asked, (True, False): asked, (False, True): None, (False, False): None}
        assert voting == expected
        assert all(settings.method == "linear" for settings in found.values())

    @pytest.mark.parametrize("make", [small_detector, small_triplets])
    def test_a_description_keeps_its_passes(self, make):
        own = TestTime(True, (0.6, 1.0), SuppressionSettings(voting_exponent=10.0))
        config = dataclasses.replace(make(lively=False).config, test_time=own)
        assert ModelConfig.from_dict(config.to_dict()) == config
