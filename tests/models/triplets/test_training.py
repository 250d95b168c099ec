"""A small triplet detector learns: `fit` as its user calls it, on every backend the same."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from small import SIZE, picture
from small_triplets import small_triplets

import centernet
from centernet.errors import ConfigError
from centernet.models.triplets import pooling

# Of each image: x0 y0 x1 y1 and the class, which has a color.
OBJECTS = np.array([[[8, 10, 30, 40, 0], [36, 30, 60, 54, 1]], [[30, 6, 58, 28, 0], [6, 34, 34, 58, 1]]])
COLORS = np.uint8([[220, 60, 60], [60, 90, 230]])
PARTS = {"loss", "focal", "pull", "push", "offset"}
EPOCHS = 80
# Losses of three steps from the same weights; all three backends gave them.
STEPS = {
    "loss": [6.964412, 6.939555, 6.915078],
    "focal": [6.272226, 6.250770, 6.229673],
    "pull": [2.457008e-05, 2.457634e-05, 2.439118e-05],
    "push": [0.199920, 0.199862, 0.199798],
    "offset": [0.492241, 0.488899, 0.485582],
}


def images() -> np.ndarray:
    """Two images of colored rectangles, uint8 RGB."""
    drawn = np.full((2, *SIZE, 3), 40, np.uint8)
    for image, boxes in zip(drawn, OBJECTS, strict=True):
        for x0, y0, x1, y1, color in boxes:
            image[y0:y1, x0:x1] = COLORS[color]
    return drawn


def batch(detector: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The images as `fit` takes them, and their objects, with a slot of padding."""
    x, _ = detector.preprocess(images())
    boxes = np.pad(OBJECTS[..., :4].astype(np.float32), [(0, 0), (0, 1), (0, 0)])
    class_ids = np.pad(OBJECTS[..., 4].astype(np.int32), [(0, 0), (0, 1)], constant_values=-1)
    return keras.ops.convert_to_numpy(x), {"boxes": boxes, "class_ids": class_ids}


def empty(count: int = 1) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Black images without objects."""
    y = {"boxes": np.zeros((count, 1, 4), np.float32), "class_ids": np.full((count, 1), -1, np.int32)}
    return np.zeros((count, *SIZE, 3), np.float32), y


class Trained:
    """A detector, what it found before it was trained and what training said."""

    def __init__(self) -> None:
        # From the weights of seed 0, some processors also learn a pair of corners that is no object.
        self.detector = small_triplets(lively=False, seed=1)
        self.before = self.found()
        rate = keras.optimizers.schedules.CosineDecay(0.01, EPOCHS)
        self.detector.compile(optimizer=keras.optimizers.Adam(rate))
        self.compiled_pools: list[bool] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pooling, "running_maximum", self._watched(pooling.running_maximum))
            epochs = 3 if keras.backend.backend() == "torch" else EPOCHS
            self.history = self.detector.fit(*batch(self.detector), batch_size=2, epochs=epochs, verbose=0).history

    def found(self) -> np.ndarray:
        """What the compiled detector gives, objects or not."""
        return self.detector.infer(list(images()))["boxes"]

    def _watched(self, running_maximum: Any) -> Any:
        def watched(*arguments: Any, compiled: bool = False, **options: Any) -> Any:
            self.compiled_pools.append(compiled)
            return running_maximum(*arguments, compiled=compiled, **options)

        return watched


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


class TestFit:
    @pytest.mark.skipif("keras.backend.backend() == 'torch'", reason="PyTorch runs eagerly, which takes minutes")
    def test_objects_are_learned_until_detect_finds_them(self, trained: Trained) -> None:
        for image, objects in zip(images(), OBJECTS, strict=True):
            found = trained.detector.detect(image, min_score=0.6)
            order = np.argsort(found.class_ids)
            np.testing.assert_array_equal(found.class_ids[order], objects[:, 4])
            np.testing.assert_allclose(found.boxes[order], objects[:, :4], atol=1)
            assert found.scores.min() > 0.8

    def test_detect_uses_the_new_weights_without_being_told(self, trained: Trained) -> None:
        found = trained.found()
        assert not np.allclose(found, trained.before, atol=1)
        trained.detector.refresh()
        np.testing.assert_array_equal(found, trained.found())

    def test_every_part_of_the_loss_has_a_history(self, trained: Trained) -> None:
        assert trained.history.keys() == PARTS
        total = sum(np.array(trained.history[name]) for name in PARTS - {"loss"})
        np.testing.assert_allclose(total, trained.history["loss"], rtol=1e-4, atol=1e-6)
        assert trained.history["loss"][-1] < trained.history["loss"][0]

    def test_pools_take_their_training_form(self, trained: Trained) -> None:
        # Two corners, four pools each; the center takes whole lines.
        assert len(trained.compiled_pools) % 8 == 0
        assert trained.compiled_pools
        assert all(trained.compiled_pools)

    def test_evaluating_gives_the_same_parts(self, trained: Trained) -> None:
        found = trained.detector.evaluate(*batch(trained.detector), batch_size=2, verbose=0, return_dict=True)
        assert found.keys() == PARTS

    @pytest.mark.parametrize("name", ["model", "model.keras"])
    def test_what_was_learned_is_saved(self, trained: Trained, name: str, tmp_path: Any) -> None:
        trained.detector.save(tmp_path / name)
        loaded = centernet.load(tmp_path / name)
        found, expected = (one.detect(images()[0], min_score=0) for one in (loaded, trained.detector))
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)


def test_steps_are_the_same_on_every_backend() -> None:
    detector = small_triplets()
    detector.compile(optimizer=keras.optimizers.SGD(1e-3))
    x = np.random.default_rng(1).normal(size=(2, *SIZE, 3)).astype(np.float32)
    crowd = [20, 20, 50, 50]
    boxes = np.float32([[*OBJECTS[0, :, :4], [0] * 4], [*OBJECTS[1, ::-1, :4], crowd]])
    y = {"boxes": boxes, "class_ids": np.int32([[0, 1, -1], [1, 0, 0]])}
    y["ignore"] = np.array([[False] * 3, [False, False, True]])
    history = detector.fit(x, y, batch_size=2, epochs=3, verbose=0).history
    assert history.keys() == STEPS.keys()
    for name, expected in STEPS.items():
        np.testing.assert_allclose(history[name], expected, rtol=1e-4, err_msg=name)


def test_losses_are_single_precision_whatever_the_network_computes_in() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        detector = small_triplets(lively=False)
    finally:
        keras.config.set_dtype_policy(before)
    maps = keras.tree.map_structure(keras.ops.convert_to_tensor, detector(empty()[0]))
    assert keras.backend.standardize_dtype(maps["center"][0].dtype) == "bfloat16"
    y = {name: keras.ops.convert_to_tensor(value) for name, value in empty()[1].items()}
    for value in detector.training_losses(maps, y, SIZE).values():
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
        assert np.isfinite(keras.ops.convert_to_numpy(value))


class TestRefusals:
    """The detector stays as it was: all that is known beforehand is checked before training begins."""

    @pytest.fixture(scope="class")
    def detector(self) -> Any:
        detector = small_triplets(lively=False)
        detector.compile(optimizer="sgd")
        yield detector
        assert all(np.isfinite(value).all() for value in detector.get_weights())

    def test_a_class_that_the_model_does_not_have(self, detector: Any) -> None:
        x, y = empty()
        wrong = y | {"class_ids": np.int32([[2]])}
        with pytest.raises(ConfigError, match="from 0 to 1"):
            detector.fit(x, wrong)
        with pytest.raises(ConfigError, match="from 0 to 1"):
            detector.fit(x, y, validation_data=(x, wrong))

    def test_no_boxes(self, detector: Any) -> None:
        x, y = empty()
        with pytest.raises(ConfigError, match="Expected y as a dict"):
            detector.fit(x, {"class_ids": y["class_ids"]})

    def test_images_that_were_not_preprocessed(self, detector: Any) -> None:
        with pytest.raises(ConfigError, match="preprocess"):
            detector.fit(picture(64, 64)[None], empty()[1])
        with pytest.raises(ConfigError, match="Received: list"):
            detector.fit([picture(64, 64)], empty()[1])

    def test_weights_of_samples(self, detector: Any) -> None:
        with pytest.raises(ConfigError, match="no sample_weight"):
            detector.fit(*empty(), sample_weight=np.ones(1))

    def test_another_loss(self) -> None:
        detector = small_triplets(lively=False)
        detector.compile(optimizer="sgd", loss="mse")
        with pytest.raises(ConfigError, match="compile without a loss"):
            detector.fit(*empty())
