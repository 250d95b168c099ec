"""A detector is a Keras model: calls that would silently do something else are refused, or do the right thing."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image
from small import picture, small_detector
from small_triplets import small_triplets

import centernet
from centernet.errors import ConfigError
from centernet.inference.folding import fold_batch_normalization
from centernet.models.network import Network

BATCH = np.zeros((1, 64, 64, 3), np.float32)


@pytest.fixture(scope="module", params=[small_detector, small_triplets])
def detector(request) -> Network:
    return request.param()


class TestInputsThatAreNotPreprocessed:
    @pytest.mark.parametrize(
        ("images", "received"),
        [
            (np.zeros((1, 64, 64, 3), np.uint8), "an array of uint8"),
            (np.zeros((1, 64, 64, 3), np.int64), "an array of int64"),
            ([np.zeros((1, 64, 64, 3), np.uint8)], "an array of uint8"),
            ("photo.jpg", "str"),
            (["photo.jpg", "other.jpg"], "str"),
            (b"bytes", "bytes"),
            (Image.new("RGB", (64, 64)), "Image"),
        ],
    )
    @pytest.mark.parametrize("method", ["__call__", "predict", "predict_on_batch"])
    def test_they_are_refused_and_detect_is_named(self, detector, method, images, received) -> None:
        with pytest.raises(ConfigError, match=rf"float32 batch.*Received: {received}.*detector\.detect\(images\)"):
            getattr(detector, method)(images)

    def test_a_preprocessed_batch_gives_head_maps(self, detector) -> None:
        assert detector(BATCH).keys() == detector.predict(BATCH, verbose=0).keys()
        assert detector(keras.ops.convert_to_tensor(BATCH, "float64")).keys() == detector(BATCH).keys()

    def test_a_symbolic_batch_gives_symbolic_maps(self, detector) -> None:
        assert detector(keras.Input((64, 64, 3))).keys() == detector.output.keys()


class TestCopies:
    def test_clone_model_is_refused(self, detector) -> None:
        with pytest.raises(ConfigError, match=r"from_config\(detector\.get_config\(\)\).*clone_model"):
            keras.models.clone_model(detector)

    def test_the_copy_that_the_message_names_detects_the_same(self, detector) -> None:
        copy = type(detector).from_config(detector.get_config())
        copy.set_weights(detector.get_weights())
        expected, found = (one.detect(picture(), min_score=0) for one in (detector, copy))
        np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-4)
        assert copy.class_names == detector.class_names


def test_quantize_is_refused_because_it_would_change_nothing(detector) -> None:
    before = [weight.copy() for weight in detector.get_weights()]
    with pytest.raises(ConfigError, match="convolutions, which Keras leaves in float32"):
        detector.quantize("int8")
    assert all(map(np.array_equal, before, detector.get_weights()))


def test_detect_uses_lora_updates_as_predict_does(tmp_path) -> None:
    detector = small_detector()
    plain = detector.infer([picture()])
    lora = [layer for layer in detector.layers if isinstance(layer, keras.layers.Conv2D)]
    for layer in lora:
        layer.enable_lora(2)
        layer.lora_kernel_b.assign(np.random.default_rng(0).normal(0, 0.5, layer.lora_kernel_b.shape))
    detector.refresh()
    batch, sizes = detector.preprocess(picture())
    expected = detector.decode(detector.predict(batch, verbose=0), sizes)
    found = detector.infer([picture()])
    for name in ("boxes", "scores"):
        np.testing.assert_allclose(found[name], keras.ops.convert_to_numpy(expected[name]), atol=1e-3)
    assert not np.allclose(found["scores"], plain["scores"])
    detector.save(tmp_path / "model")
    np.testing.assert_allclose(
        centernet.load(tmp_path / "model").infer([picture()])["boxes"], found["boxes"], atol=1e-3
    )
    assert len(fold_batch_normalization(detector).layers) == len(detector.layers)


def test_a_keras_file_names_this_library_where_it_is_not_imported(detector, tmp_path) -> None:
    detector.save(tmp_path / "model.keras")
    with keras.saving.custom_object_scope({}):
        registered = keras.saving.get_custom_objects()
        name = f"centernet>{type(detector).__name__}"
        kept = registered.pop(name)
        try:
            with pytest.raises(TypeError, match=r"import centernet; centernet\.load\(path\)"):
                keras.saving.load_model(tmp_path / "model.keras")
        finally:
            registered[name] = kept
    assert centernet.load(tmp_path / "model.keras").class_names == detector.class_names


class TestConstructors:
    @pytest.mark.parametrize("kind", [centernet.PointDetector, centernet.TripletDetector])
    def test_a_backbone_without_a_name_is_told(self, kind) -> None:
        with pytest.raises(
            ConfigError, match=r"Expected a backbone with its name. Received: backbone=\{'weights': None\}"
        ):
            kind({"weights": None}, classes=2)

    def test_settings_of_the_other_family_are_refused(self) -> None:
        with pytest.raises(ConfigError, match=r"heads of family 'triplets' as centernet\.TripletHeadSettings"):
            centernet.TripletDetector("mobilenetv2_fpn", 2, heads=centernet.HeadSettings())
        with pytest.raises(ConfigError, match=r"decoder of family 'triplets' as centernet\.TripletDecoderSettings"):
            centernet.TripletDetector("mobilenetv2_fpn", 2, decoder=centernet.DecoderSettings())
        with pytest.raises(ConfigError, match=r"heads of family 'points' as centernet\.PointHeadSettings"):
            centernet.PointDetector("mobilenetv2_fpn", 2, heads=centernet.TripletHeadSettings())

    def test_old_names_are_those_of_points(self) -> None:
        assert centernet.HeadSettings is centernet.PointHeadSettings
        assert centernet.DecoderSettings is centernet.PointDecoderSettings

    def test_a_description_of_the_other_family_is_refused(self, detector) -> None:
        kinds = {centernet.PointDetector, centernet.TripletDetector}
        (other,) = kinds - {type(detector)}
        with pytest.raises(ConfigError, match=f"Use {type(detector).__name__}"):
            other(detector.config)

    def test_a_backbone_of_ones_own_that_is_called_hourglass_has_its_own_options(self, monkeypatch) -> None:
        def my_hourglass(depth: int = 1) -> keras.Model:
            raise AssertionError

        monkeypatch.setitem(centernet.backbones.BACKBONES, "my_hourglass", my_hourglass)
        with pytest.raises(ConfigError, match=r"it takes \['depth'\]"):
            centernet.PointDetector({"name": "my_hourglass", "stacks": 2}, 2)
        with pytest.raises(ConfigError, match=r"it takes \['blocks', 'filters'.*'weights'\]"):
            centernet.TripletDetector({"name": "hourglass52", "stack": 2}, 2)
