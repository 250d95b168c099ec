"""Augmentation as a whole: seeds, mosaics, mixtures, and batches that it can't change."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from backends import backend
from keras import ops
from training.augmentation.probes import CANVAS, SLOTS, STEPS, augment, probe_batch

from centernet.errors import ConfigError
from centernet.training.augmentation import Augmentation
from centernet.training.augmentation.augmentation import mix
from centernet.training.augmentation.windows import RandomNumbers, draw_windows
from centernet.training.settings import AugmentationSettings

ALL: dict[str, Any] = {
    "horizontal_flip": 0.5,
    "vertical_flip": 0.5,
    "transpose": 0.5,
    "crop": (0.6, 1.3),
    "shift": 0.3,
    "brightness": 0.2,
    "contrast": (0.8, 1.25),
    "saturation": (0.8, 1.25),
    "hue": 0.02,
    "mosaic": 0.5,
    "mixup": 0.5,
}
SIZES = [(48, 60), (40, 40), (30, 60), (48, 35)]


def compiled(function: Any, batch: dict[str, Any]) -> Any:
    """A function of a batch and a pair, compiled as in a training step; on TensorFlow for any number of images."""
    if backend() == "tensorflow":
        import tensorflow as tf

        form = {name: tf.TensorSpec((None, *values.shape[1:]), values.dtype) for name, values in batch.items()}
        signature = form, tf.TensorSpec((2,), tf.int32)
        return tf.function(lambda batch, seed: function(batch, seed), signature, autograph=False)
    if backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def same(one: Any, other: Any) -> bool:
    return all(np.allclose(one[name], other[name], atol=1e-2) for name in one)


def test_a_seed_says_what_is_drawn() -> None:
    batch = probe_batch(SIZES)
    first = augment(batch, (1, 2), **ALL)
    assert same(first, augment(batch, (1, 2), **ALL))
    assert not same(first, augment(batch, (1, 4), **ALL))
    assert not same(first, augment(batch, (7, 2), **ALL))


def test_a_generator_moves_on() -> None:
    batch = probe_batch(SIZES)
    drawn = [augment(batch, generator, **ALL) for generator in [keras.random.SeedGenerator(3)] * 2]
    assert not same(*drawn)
    assert same(drawn[0], augment(batch, keras.random.SeedGenerator(3), **ALL))


def test_a_compiled_step_gives_the_same() -> None:
    batch = {name: ops.convert_to_tensor(values) for name, values in probe_batch(SIZES).items()}
    change = Augmentation(AugmentationSettings(**ALL), CANVAS, tuple(range(25)))
    function = compiled(change, batch)
    for seed in ([5, 6], [5, 7]):
        pair = ops.convert_to_tensor(seed, dtype="int32")
        found = {name: ops.convert_to_numpy(values) for name, values in function(batch, pair).items()}
        assert found["images"].shape == (4, *CANVAS, 3)
        assert found["boxes"].shape == (4, SLOTS, 4)
        assert same(found, {name: ops.convert_to_numpy(x) for name, x in change(batch, tuple(seed)).items()})


def test_an_image_does_not_depend_on_the_others() -> None:
    batch, options = probe_batch(SIZES), ALL | {"mosaic": 0.0, "mixup": 0.0}
    other = probe_batch([SIZES[0], (33, 33), (45, 50), (31, 60)], seed=1)
    other["keypoints"][0] = batch["keypoints"][0]
    found, changed = augment(batch, 4, **options), augment(other, 4, **options)
    assert all(np.allclose(found[name][0], changed[name][0], atol=1e-4) for name in found)


def test_windows_are_as_large_and_as_far_off_as_they_may_be() -> None:
    sizes = np.tile(np.array([[240, 320]], np.int32), (400, 1))
    settings = AugmentationSettings(crop=(0.6, 1.3), shift=0.3, horizontal_flip=0.25)
    windows = draw_windows(settings, RandomNumbers(400, (0, 1)), ops.convert_to_tensor(sizes), (160, 160))
    starts, ratios, mirrored = (
        ops.convert_to_numpy(x)[:, 0] for x in (windows.starts, windows.ratios, windows.mirrored)
    )
    np.testing.assert_allclose([ratios.min() / 2, ratios.max() / 2], [0.6, 1.3], atol=0.01)
    off = (starts + ratios * 80) / sizes - 0.5
    np.testing.assert_allclose([off.min(axis=0), off.max(axis=0)], [[-0.3] * 2, [0.3] * 2], atol=0.01)
    np.testing.assert_allclose(mirrored.mean(axis=0), [0, 0.25], atol=0.07)


def test_a_mosaic_shows_windows_of_several_photos_and_their_objects() -> None:
    found = augment(probe_batch([(48, 60)] * 4), 4, mosaic=1.0, crop=(1.5, 1.5))
    for index, (image, class_ids) in enumerate(zip(found["images"], found["class_ids"], strict=True)):
        shown = {round(float(blue / STEPS[2])) - 1 for blue in np.unique(image[..., 2].round()) if blue}
        assert index in shown
        assert len(shown) > 1
        assert {class_id for class_id in class_ids if class_id >= 0} <= shown
    assert (np.sort(found["class_ids"] < 0, axis=1) == (found["class_ids"] < 0)).all()
    assert (found["class_ids"] >= 0).sum() > 4


def test_a_mosaic_or_mixture_without_room_for_all_objects_is_not_made() -> None:
    batch = probe_batch(SIZES)
    for name in ("boxes", "class_ids", "keypoints"):
        batch[name][:] = batch[name][:, :1]
    plain = augment(batch, 2, crop=(4.0, 4.0))  # so large that all parts of a mosaic show a whole photo
    assert same(plain, augment(batch, 2, crop=(4.0, 4.0), mosaic=1.0, mixup=1.0))


def test_a_mixture_shows_two_canvases_and_the_objects_of_both() -> None:
    batch = probe_batch([(40, 40)] * 4)
    found, plain = augment(batch, 2, mixup=1.0), augment(batch, 2)
    for index, image in enumerate(found["images"]):
        own, other = found["class_ids"][index, :2]
        assert own == index != other
        assert (found["class_ids"][index, 2:] == -1).all()
        share = (image[0, 0, 2] / STEPS[2] - 1 - other) / (own - other)
        assert 0.4 <= share <= 0.6
        mixture = plain["images"][own] * share + plain["images"][other] * (1 - share)
        np.testing.assert_allclose(image, mixture, atol=1e-3)
        np.testing.assert_allclose(found["boxes"][index, 1], plain["boxes"][other, 0], atol=1e-4)


def test_a_single_image_is_mixed_with_nothing() -> None:
    numbers, pixels, sizes = ops.zeros((1, 3)), ops.ones((1, 4, 6)), ops.ones((1, 2), dtype="int32")
    mixed, _, objects = mix(1.0, numbers, pixels, sizes, {"class_ids": ops.convert_to_tensor([[3, -1]])})
    np.testing.assert_array_equal(ops.convert_to_numpy(mixed), 1)
    np.testing.assert_array_equal(ops.convert_to_numpy(objects["class_ids"]), [[3, -1]])


def test_other_entries_of_a_batch_stay_and_keypoints_may_be_missing() -> None:
    batch = probe_batch(SIZES) | {"image_ids": np.arange(4)}
    del batch["keypoints"]
    found = augment(batch, 2, **ALL)
    np.testing.assert_array_equal(found["image_ids"], np.arange(4))
    assert "keypoints" not in found


def test_the_size_of_a_canvas_ends_where_nothing_is_seen_any_more() -> None:
    found = augment(probe_batch([(48, 60), (30, 60), (20, 40), (40, 20)]), 5, crop=(1.0, 1.6), shift=0.2)
    for image, size in zip(found["images"], found["sizes"], strict=True):
        seen = image[..., 2] > 0
        assert tuple(size) == (1 + np.flatnonzero(seen.any(axis=1))[-1], 1 + np.flatnonzero(seen.any(axis=0))[-1])


def test_a_transposed_canvas_has_rows_and_columns_exchanged() -> None:
    batch = probe_batch([(48, 60), (30, 60), (20, 40), (40, 20)], points=3)
    plain = augment(batch, 3, flip=(1, 0, 2), horizontal_flip=0.5, crop=(0.8, 1.2))
    turned = augment(batch, 3, flip=(1, 0, 2), horizontal_flip=0.5, crop=(0.8, 1.2), transpose=1.0)
    np.testing.assert_array_equal(turned["images"], plain["images"].transpose(0, 2, 1, 3))
    np.testing.assert_array_equal(turned["sizes"], plain["sizes"][:, ::-1])
    np.testing.assert_array_equal(turned["boxes"], plain["boxes"][..., [1, 0, 3, 2]])
    np.testing.assert_array_equal(turned["keypoints"], plain["keypoints"][:, :, [1, 0, 2]][..., [1, 0, 2]])
    np.testing.assert_array_equal(turned["class_ids"], plain["class_ids"])
    some = augment(probe_batch([(40, 40)] * 40), 3, transpose=0.5)
    boxes = some["boxes"][:, 0]
    assert 8 < sum(np.argmax(image[0, :, 0]) == 0 for image in some["images"]) < 32  # red tells the column
    np.testing.assert_allclose(boxes, [[4, 4, 36, 36]] * 40, atol=1e-4)


def test_only_a_square_canvas_is_transposed() -> None:
    with pytest.raises(ConfigError, match=r"a square canvas to transpose. Received: \(40, 32\)"):
        Augmentation(AugmentationSettings(transpose=0.5), (40, 32))


@pytest.mark.parametrize("flips", [{"horizontal_flip": 0.5}, {"vertical_flip": 0.1}, {"transpose": 0.5}])
@pytest.mark.parametrize("flip", [(), (1, 0)])
def test_keypoints_are_not_mirrored_without_knowing_left_from_right(flips: Any, flip: Any) -> None:
    with pytest.raises(ConfigError, match=r"the flip of 25 keypoints.*Received: (none|\[1, 0\]).*horizontal_flip"):
        augment(probe_batch(SIZES), flip=flip, **flips)


def test_a_flip_that_is_no_permutation_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"each index of a keypoint once. Received: \[0, 0\]"):
        Augmentation(AugmentationSettings(), CANVAS, (0, 0))
