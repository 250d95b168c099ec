"""Colors: TensorFlow's image functions, which the reference uses, and what stays as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from training.augmentation.probes import augment, probe_batch

from centernet.training.augmentation.color import change_colors, turn_colors
from centernet.training.settings import AugmentationSettings


def colors(seed: int = 0) -> np.ndarray:
    """RGB in all forms: any, grey, black, white, pure, with two channels that are equal; `(2, 3, 24)`."""
    rng = np.random.default_rng(seed)
    some = rng.integers(0, 256, (2, 18, 3))
    pure = [[0, 0, 0], [255, 255, 255], [90, 90, 90], [255, 0, 0], [0, 200, 200], [7, 7, 99]]
    return np.concatenate([some, [pure, pure]], axis=1).reshape(2, 3, 24).astype(np.float32)


def change(pixels: np.ndarray, inside: Any = None, numbers: Any = (0.5,) * 4, **options: Any) -> np.ndarray:
    inside = np.ones_like(pixels) if inside is None else inside
    table = np.tile(np.array(numbers, np.float32), (len(pixels), 1))
    tensors = [ops.convert_to_tensor(values) for values in (table, pixels, inside)]
    return ops.convert_to_numpy(change_colors(AugmentationSettings(**options), *tensors))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(-0.5, 0.5), st.floats(0.1, 3))
def test_hue_and_saturation_are_the_references(seed: int, hue: float, saturation: float) -> None:
    import tensorflow as tf

    pixels = colors(seed)
    factors = [np.full((2, 1, 1), value, np.float32) for value in (hue, saturation)]
    found = ops.convert_to_numpy(turn_colors(*map(ops.convert_to_tensor, (pixels, *factors))))
    image = tf.image.adjust_hue(pixels.reshape(-1, 1, 3) / 255, hue)
    expected = 255 * tf.image.adjust_saturation(image, saturation).numpy()
    np.testing.assert_allclose(found.reshape(-1, 1, 3), expected, atol=0.01)


@pytest.mark.parametrize("numbers", [(0.5, 0.5, 0.0, 0.0), (0.5, 0.5, 0.9, 0.7)])
def test_contrast_and_brightness_are_the_references(numbers: Any) -> None:
    import tensorflow as tf

    pixels = colors()
    found = change(pixels, numbers=numbers, contrast=(0.8, 1.25), brightness=0.2)
    image = tf.image.adjust_contrast(pixels.reshape(2, -1, 1, 3) / 255, 0.8 + 0.45 * numbers[2])
    expected = tf.clip_by_value(tf.image.adjust_brightness(image, 0.4 * numbers[3] - 0.2), 0, 1).numpy() * 255
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=0.01)


def test_what_is_outside_the_photos_stays_black_and_does_not_count() -> None:
    pixels, inside = colors(), np.ones((2, 3, 24), np.float32)
    inside[:, 1], pixels[:, 1] = 0, 0
    options: dict[str, Any] = {"numbers": (0.9, 0.2, 0.1, 0.9), "contrast": (0.8, 1.25), "brightness": 0.2, "hue": 0.1}
    found = change(pixels, inside, **options)
    assert not found[:, 1].any()
    np.testing.assert_allclose(found[:, ::2], change(pixels[:, ::2], **options), atol=1e-3)


def test_grey_stays_grey_when_colors_are_turned() -> None:
    grey = np.repeat(np.linspace(0, 255, 48, dtype=np.float32).reshape(2, 3, 8), 3, axis=-1)
    found = change(grey, numbers=(1.0, 1.0, 0.5, 0.5), hue=0.3, saturation=(0.5, 2.0))
    np.testing.assert_allclose(found, grey, atol=1e-3)


def test_each_photo_gets_its_own_colors_and_all_stay_in_range() -> None:
    batch = probe_batch([(40, 40)] * 4)
    batch["images"][:] = batch["images"][:1]
    images = augment(batch, brightness=0.5, contrast=(0.5, 2), saturation=(0.5, 2), hue=0.2)["images"]
    assert images.min() >= 0
    assert images.max() <= 255
    assert all(abs(images[i] - images[j]).mean() > 1 for i in range(4) for j in range(i))
