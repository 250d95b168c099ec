"""A detector as its user meets it: images in, `Detections` out, with the weights that it has now."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image
from small import BACKBONE, SIZE, picture, same, small_detector, state

from centernet import Detections, PointDetector
from centernet.data.keypoints import KeypointTask
from centernet.errors import CenterNetError, CheckpointError, ConfigError, SourceError
from centernet.inference import compiled as inference
from centernet.inference.folding import fold_batch_normalization
from centernet.models.settings import PointDecoderSettings
from centernet.models.test_time import TestTime
from centernet.ops.preprocessing import Preprocessing

TASK = KeypointTask("a", ("left", "right", "top"), skeleton=((0, 1), (1, 2)))


@pytest.fixture(scope="module")
def detector():
    return small_detector()


@pytest.fixture(scope="module")
def with_keypoints():
    return small_detector(keypoints=TASK)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, size in enumerate([(50, 70), (70, 50), (64, 64)]):
        Image.fromarray(picture(*size, seed=number)).save(folder / f"{number}.png")
    return folder


def equal(a: Detections, b: Detections, tolerance: float = 1e-4) -> bool:
    pairs = ((a.boxes, b.boxes), (a.scores, b.scores), (a.class_ids, b.class_ids))
    return len(a) == len(b) and all(np.allclose(x, y, atol=tolerance) for x, y in pairs)


class TestSources:
    def test_one_image_gives_detections(self, detector):
        found = detector.detect(picture(), min_score=0)
        assert isinstance(found, Detections)
        assert found.image_size == (50, 70)
        assert found.class_names == ("a", "b")
        assert len(found) > 10
        assert np.ptp(found.scores) > 0.1

    def test_the_same_image_in_any_form_gives_the_same(self, detector, photos):
        path = photos / "0.png"
        array = np.asarray(Image.open(path))
        found = [detector.detect(form) for form in (path, str(path), path.read_bytes(), Image.open(path), array)]
        assert all(equal(found[0], other, 0) for other in found)
        assert found[0].source.endswith("0.png")

    def test_a_list_gives_a_list_in_its_order(self, detector, photos):
        found = detector.detect([photos / "2.png", picture(), photos / "1.png"])
        assert isinstance(found, list)
        assert [one.image_size for one in found] == [(64, 64), (50, 70), (70, 50)]

    def test_a_folder_gives_a_stream_that_reads_one_image_at_a_time(self, detector, photos):
        found = detector.detect(photos)
        assert isinstance(found, Iterator)
        next(found)
        (photos / "2.png").unlink()
        rest = list(found)
        assert rest[0].error is None
        assert "2.png" in rest[1].error

    def test_an_empty_list_gives_an_empty_list(self, detector):
        assert detector.detect([]) == []

    def test_a_missing_file_is_an_error_when_it_is_the_only_one(self, detector, tmp_path):
        with pytest.raises(SourceError, match=r"missing\.jpg"):
            detector.detect(tmp_path / "missing.jpg")

    def test_a_camera_that_cannot_be_opened_is_an_error_before_its_first_image(self, detector):
        pytest.importorskip("av")
        for number in (99, -1):
            with pytest.raises(SourceError, match=f"camera {number}: "):
                detector.detect(number)

    def test_what_cannot_be_read_keeps_its_place_and_the_others_are_not_lost(self, detector, photos, caplog):
        (photos / "0.png").write_bytes(b"no image")
        images = [photos / "0.png", picture(), photos / "missing.png", picture(seed=1), np.zeros((4, 4), np.float32)]
        with caplog.at_level(logging.WARNING, "centernet"):
            found = detector.detect(images, batch_size=2)
        assert [one.error is None for one in found] == [False, True, False, True, False]
        assert [len(one) for one in found if one.error] == [0, 0, 0]
        assert "0.png" in found[0].error
        names = [str(photos / "0.png"), "image[1]", str(photos / "missing.png"), "image[3]", "image[4]"]
        assert [one.source for one in found] == names
        assert all(Detections.from_dict(one.to_dict()) == one for one in found)
        assert len([record for record in caplog.records if "skipped" in record.message]) == 3
        assert equal(found[1], detector.detect(picture()))

    def test_a_row_that_failed_has_the_fields_of_the_others(self, with_keypoints, photos):
        good, bad = with_keypoints.detect([picture(), photos / "missing.png"])
        assert bad.keypoints.shape == (0, 3, 2)
        assert (bad.class_names, bad.keypoint_names) == (good.class_names, good.keypoint_names)
        assert bad.to_tf().keys() == good.to_tf().keys()

    @pytest.mark.parametrize("size", [(1, 1), (1, 64), (3, 2000), (2000, 3), (640, 480)])
    def test_images_of_any_shape_go_through(self, detector, size):
        found = detector.detect(picture(*size), min_score=0)
        assert found.image_size == size
        assert (found.boxes >= 0).all()
        assert (found.boxes[:, 2::2] <= size[1] + 1e-3).all()
        assert (found.boxes[:, 1::2] <= size[0] + 1e-3).all()

    @pytest.mark.parametrize(
        "image", [np.zeros((8, 8, 3), np.float64), np.full((8, 8, 3), np.nan), np.zeros((0, 8, 3))]
    )
    def test_arrays_that_are_no_images_are_refused(self, detector, image):
        with pytest.raises(SourceError, match="uint8"):
            detector.detect(image)


class TestOptions:
    @pytest.mark.parametrize("batch_size", [2, 3, 10])
    def test_a_batch_finds_what_each_image_finds_alone(self, detector, batch_size):
        images = [picture(50, 70, 0), picture(20, 90, 1), picture(64, 64, 2), picture(90, 20, 3)]
        together = detector.detect(images, min_score=0, batch_size=batch_size)
        alone = [detector.detect(image, min_score=0) for image in images]
        assert all(equal(a, b) for a, b in zip(together, alone, strict=True))

    def test_a_batch_finds_the_same_keypoints(self, with_keypoints):
        images = [picture(50, 70, 0), picture(64, 64, 2)]
        for one, image in zip(with_keypoints.detect(images, batch_size=2, min_score=0), images, strict=True):
            alone = with_keypoints.detect(image, min_score=0)
            assert np.allclose(one.keypoints, alone.keypoints, atol=1e-3)
            assert np.allclose(one.keypoint_scores, alone.keypoint_scores, atol=1e-5)

    def test_min_score_keeps_those_that_reach_it(self, detector):
        everything = detector.detect(picture(), min_score=0)
        limit = float(everything.scores[4])
        found = detector.detect(picture(), min_score=limit)
        assert len(found) == (everything.scores >= np.float32(limit)).sum() >= 5
        assert equal(found, everything[: len(found)], 0)
        assert len(detector.detect(picture(), min_score=1)) == 0

    def test_max_detections_keeps_the_best(self, detector):
        everything = detector.detect(picture(), min_score=0)
        assert equal(detector.detect(picture(), min_score=0, max_detections=3), everything[:3], 0)
        assert len(detector.detect(picture(), min_score=0, max_detections=5000)) == len(everything)

    @pytest.mark.parametrize(
        "options",
        [
            {"min_score": -0.1},
            {"min_score": 1.1},
            {"min_score": float("nan")},
            {"min_score": "high"},
            {"min_score": None},
            {"max_detections": 0},
            {"max_detections": 2.5},
            {"batch_size": 0},
            {"batch_size": 1.5},
            {"batch_size": None},
        ],
        ids=str,
    )
    def test_an_option_that_cannot_be_is_refused_before_anything_is_read(self, detector, options, tmp_path):
        with pytest.raises(ConfigError, match=f"Received: .*{next(iter(options))}"):
            detector.detect(tmp_path / "missing.jpg", **options)


def test_one_image_is_no_batch(detector):
    with pytest.raises(SourceError, match=r"give one as \[image\]. Received: an array of shape \(50, 70, 3\)"):
        detector.infer(picture(50, 70))


class TestSizesOfTheirOwn:
    """Images that keep their size: a canvas, and a compiled form, for each size."""

    IMAGES = (picture(50, 70, 0), picture(20, 90, 1), picture(100, 64, 2), picture(50, 70, 3))

    @pytest.fixture
    def detector(self):
        return small_detector(image_size=None, preprocessing=Preprocessing((64, 64), fit="original", step=16))

    def test_a_batch_finds_what_each_image_finds_alone(self, detector):
        together = detector.detect(list(self.IMAGES), min_score=0, batch_size=4)
        alone = [detector.detect(image, min_score=0) for image in self.IMAGES]
        assert all(equal(a, b) for a, b in zip(together, alone, strict=True))

    def test_all_share_one_copy_of_the_weights(self, detector, monkeypatch):
        folded = []

        def fold(model):
            folded.append(fold_batch_normalization(model))
            return folded[-1]

        monkeypatch.setattr(inference, "fold_batch_normalization", fold)
        monkeypatch.setattr(inference, "FROZEN_BYTES", 0)
        detector.detect(list(self.IMAGES), batch_size=4)
        detector.detect(self.IMAGES[0], test_time=TestTime(flip=True, scales=(1, 1.5)))
        assert len(folded) == 1
        detector.refresh()
        detector.detect(self.IMAGES[0])
        assert len(folded) == 2

    def test_few_are_kept_and_frozen_ones_within_a_budget(self, detector, monkeypatch):
        compiled = []
        compile_with_network = inference.compile_with_network

        def count(network, step, signature, *, frozen):
            compiled.append(frozen)
            return compile_with_network(network, step, signature, frozen=frozen)

        size = 4 * sum(variable.numpy().size for variable in fold_batch_normalization(detector).variables)
        monkeypatch.setattr(inference, "compile_with_network", count)
        monkeypatch.setattr(inference, "MAX_FORMS", 2)
        monkeypatch.setattr(inference, "FROZEN_BYTES", size)
        first, second, third, _ = self.IMAGES
        for image in (first, second, first):
            detector.detect(image)
        assert compiled == [True, False]
        detector.detect(third)  # takes the place of the second
        detector.detect(first)
        assert compiled == [True, False, False]
        detector.detect(second)
        assert compiled == [True, False, False, False]
        detector.detect(third)  # takes the place of the first, the frozen one
        assert compiled[4:] == [True]


class TestPresentWeights:
    """What was compiled for `detect` must never outlive the weights that it was compiled from."""

    @pytest.fixture
    def used(self):
        detector = small_detector()
        return detector, detector.detect(picture(), min_score=0)

    def test_set_weights(self, used):
        detector, before = used
        other = small_detector(seed=5)
        detector.set_weights(other.get_weights())
        after = detector.detect(picture(), min_score=0)
        assert equal(after, other.detect(picture(), min_score=0))
        assert not equal(after, before)

    def test_load_weights(self, used, tmp_path):
        detector, before = used
        other = small_detector(seed=5)
        other.save_weights(tmp_path / "other.weights.h5")
        detector.load_weights(tmp_path / "other.weights.h5")
        after = detector.detect(picture(), min_score=0)
        assert equal(after, other.detect(picture(), min_score=0))
        assert not equal(after, before)

    @pytest.mark.parametrize("name", ["other", "other.zip", "other.keras"])
    def test_load_weights_of_a_saved_detector(self, tmp_path, name, monkeypatch):
        monkeypatch.setenv("CENTERNET_HOME", str(tmp_path / "home"))
        detector, other = small_detector(), small_detector(seed=5)
        other.save(tmp_path / name)
        detector.load_weights(tmp_path / name)
        assert same(state(detector), state(other))

    def test_load_weights_says_what_is_missing_or_of_another_form(self, detector, tmp_path):
        detector.save_weights(tmp_path / "small.weights.h5")
        (tmp_path / "ckpt-1.index").touch()
        with pytest.raises(CheckpointError, match=r"smal\.weights\.h5: no such file\. Did you mean small\.weights\.h5"):
            detector.load_weights(tmp_path / "smal.weights.h5")
        with pytest.raises(CheckpointError, match=r"centernet\.load\(model, weights='.*ckpt-1'\)"):
            detector.load_weights(tmp_path / "ckpt-1")
        (tmp_path / "text").mkdir()
        with pytest.raises(CheckpointError, match=r"Found: an empty folder"):
            detector.load_weights(tmp_path / "text")

    def test_weights_that_differ_in_one_kernel_only(self, used):
        detector, before = used
        weights = detector.get_weights()
        largest = max(range(len(weights)), key=lambda index: weights[index].size)
        weights[largest] = weights[largest] + 0.5
        detector.set_weights(weights)
        assert not equal(detector.detect(picture(), min_score=0), before)

    @pytest.mark.parametrize("part", ["everything", "heatmap_0", "size_0", "offset_0", "backbone"])
    def test_a_training_step_of_any_part(self, used, part):
        detector, before = used
        parts = {"everything": detector, "backbone": detector.backbone}
        trained = parts[part] if part in parts else detector.get_layer(part)
        for layer in detector._flatten_layers(include_self=False, recursive=False):
            layer.trainable = part == "everything" or layer is trained
        train_once(detector)
        after = detector.detect(picture(), min_score=0)
        detector.refresh()
        assert equal(after, detector.detect(picture(), min_score=0), 0)
        assert not equal(after, before, 1e-7)

    def test_setting_a_layer_by_hand_needs_refresh(self, used):
        detector, before = used
        layer = detector.backbone.get_layer("stack0_level1_0_1_conv")
        layer.set_weights([layer.get_weights()[0] + 0.5])
        detector.refresh()
        assert not equal(detector.detect(picture(), min_score=0), before)

    def test_detecting_changes_no_weight(self, used):
        detector, _ = used
        before = state(detector)
        detector.detect(picture())
        assert same(state(detector), before)

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize("where", ["heatmap_0", "size_0", "backbone"])
    def test_weights_that_are_no_numbers_are_told(self, used, value, where):
        detector, _ = used
        variable = detector.backbone.variables[0] if where == "backbone" else detector.get_layer(where).weights[0]
        values = np.array(variable)
        values.flat[0] = value
        variable.assign(values)
        detector.refresh()
        with pytest.raises(CenterNetError, match="NaN or infinity"):
            detector.detect(picture())

    def test_scores_that_are_no_numbers_are_told(self, used, monkeypatch):
        detector, _ = used
        found = detector.infer([picture()])
        found["scores"][0, -1] = np.nan
        monkeypatch.setattr(detector, "infer", lambda images, exact: found)
        with pytest.raises(CenterNetError, match="NaN or infinity in scores"):
            detector.detect(picture())


class TestContract:
    """`preprocess`, calling the model and `decode` are what `detect` does."""

    def test_preprocess_and_decode_find_what_detect_finds(self, detector):
        images = [picture(50, 70), picture(90, 20, 1)]
        batch, sizes = detector.preprocess(images)
        assert tuple(batch.shape) == (2, *SIZE, 3)
        assert keras.backend.standardize_dtype(batch.dtype) == "float32"
        assert sizes.tolist() == [[50, 70], [90, 20]]
        maps = detector(batch, training=False)
        assert {name: [tuple(m.shape) for m in stacks] for name, stacks in maps.items()} == {
            "heatmap": [(2, 16, 16, 2)],
            "size": [(2, 16, 16, 2)],
            "offset": [(2, 16, 16, 2)],
        }
        decoded = {name: ops.convert_to_numpy(value) for name, value in detector.decode(maps, sizes).items()}
        for row, found in enumerate(detector.detect(images, min_score=0)):
            count = len(found)
            assert np.allclose(decoded["boxes"][row, :count], found.boxes, atol=1e-2)
            assert np.allclose(decoded["scores"][row, :count], found.scores, atol=1e-4)
            assert (np.diff(decoded["scores"][row]) <= 0).all()

    def test_one_array_is_a_batch_of_one(self, detector):
        batch, sizes = detector.preprocess(picture())
        assert (tuple(batch.shape), sizes.tolist()) == ((1, *SIZE, 3), [[50, 70]])
        batch, sizes = detector.preprocess(np.stack([picture(), picture()]))
        assert (tuple(batch.shape), sizes.tolist()) == ((2, *SIZE, 3), [[50, 70], [50, 70]])

    @pytest.mark.parametrize("images", [[], np.zeros((4, 4)), np.zeros((1, 4, 4, 3)), ["a.jpg"], [np.zeros((4, 4, 4))]])
    def test_preprocess_refuses_what_is_no_image(self, detector, images):
        with pytest.raises(SourceError, match="Expected"):
            detector.preprocess(images)

    def test_decoded_keypoints_are_those_of_detect(self, with_keypoints):
        batch, sizes = with_keypoints.preprocess(picture())
        decoded = with_keypoints.decode(with_keypoints(batch, training=False), sizes)
        found = with_keypoints.detect(picture(), min_score=0)
        assert found.keypoint_names == TASK.names
        assert found.skeleton == TASK.skeleton
        assert np.allclose(ops.convert_to_numpy(decoded["keypoints"])[0, : len(found)], found.keypoints, atol=1e-2)

    def test_the_heatmap_is_of_the_image_without_the_padding(self, detector):
        heat = detector.heatmap(picture(32, 64))
        assert heat.shape == (8, 16)
        assert 0 <= heat.min() < heat.max() <= 1

    def test_the_heatmap_is_of_one_image_in_any_form(self, detector, photos):
        path = photos / "0.png"
        array = np.asarray(Image.open(path))
        maps = [detector.heatmap(form) for form in (array, path, str(path), path.read_bytes(), Image.open(path))]
        assert all(np.array_equal(maps[0], other) for other in maps)

    def test_the_heatmap_of_several_images_is_refused(self, detector, photos):
        batch = np.stack([picture(), picture()])
        sources = ((batch, "batch"), (list(batch), "list"), (photos, "stream"), (iter(batch), "stream"))
        for several, kind in sources:
            with pytest.raises(SourceError, match=f"expected one image. Received a {kind} of images.*one by one"):
                detector.heatmap(several)


class TestBuilding:
    def test_classes_come_as_a_number(self):
        assert small_detector(3, lively=False).class_names == ("class_0", "class_1", "class_2")

    def test_mobilenet_detects_on_a_small_input(self):
        found = PointDetector("mobilenetv2_fpn", ["a"], image_size=SIZE).detect(picture(), min_score=0)
        assert len(found) > 0

    @pytest.mark.parametrize("name", ["my model (1)", "_x", "日本", "a/b", "a:b", "x[1]", "a\\b", "1"])
    def test_any_name_will_do(self, name):
        detector = small_detector(lively=False, name=name)
        assert detector.config.name == name
        assert len(detector.detect(picture(), min_score=0)) > 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"backbone": "hourglass105"}, "'hourglass105'"),
            ({"backbone": {"stacks": 1}}, "its name"),
            ({"backbone": {**BACKBONE, "stack": 2}}, "stack"),
            ({"backbone": {**BACKBONE, "blocks": [1]}}, "blocks"),
            ({"image_size": (100, 64)}, "multiples of 8"),
            ({"image_size": (32, 32)}, "64 detections"),
            ({"image_size": "64"}, "size"),
            ({"classes": []}, "class"),
            ({"classes": "cat"}, "classes"),
            ({"keypoints": KeypointTask("z", ("x",))}, "'z'"),
        ],
    )
    def test_what_cannot_be_built_is_a_config_error(self, options, message):
        with pytest.raises(ConfigError, match=message):
            small_detector(**{"lively": False, **options})

    def test_fewer_detections_fit_a_smaller_input(self):
        detector = small_detector(image_size=(32, 32), decoder=PointDecoderSettings(max_detections=64))
        assert len(detector.detect(picture(), min_score=0)) > 0

    def test_preprocessing_is_the_trunk_s_unless_given(self):
        assert small_detector(lively=False).config.preprocessing.channels == "bgr"
        given = Preprocessing((128, 64), "rgb", (0, 0, 0), (1, 1, 1))
        assert small_detector(lively=False, preprocessing=given, image_size=None).config.preprocessing == given


class TestKerasForm:
    def test_it_comes_back_from_a_keras_file_with_weights_and_description(self, with_keypoints, tmp_path):
        with_keypoints.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        assert isinstance(loaded, PointDetector)
        assert loaded.config == with_keypoints.config
        assert same(state(loaded), state(with_keypoints))
        assert equal(loaded.detect(picture()), with_keypoints.detect(picture()))

    def test_its_configuration_is_plain_data(self, detector):
        again = PointDetector.from_config(detector.get_config())
        assert again.config == detector.config

    def test_a_keras_file_has_no_other_precision(self, detector, tmp_path):
        with pytest.raises(ConfigError, match="dtype"):
            detector.save(tmp_path / "model.keras", dtype="float16")


def train_once(detector) -> None:
    """One step of gradient descent that pulls every map."""
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        pytest.skip("the step is written for TensorFlow")
    batch, _ = detector.preprocess(picture())
    with tf.GradientTape() as tape:
        maps = detector(batch, training=True)
        loss = sum(tf.reduce_mean(tf.square(m - 3)) for stacks in maps.values() for m in stacks)
    variables = detector.trainable_variables
    keras.optimizers.SGD(0.1).apply(tape.gradient(loss, variables), variables)
