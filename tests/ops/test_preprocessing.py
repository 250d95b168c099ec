"""Preprocessing: what each published network saw of an image, and images that can't be."""

from __future__ import annotations

import numpy as np
import pytest
from backends import Tolerance
from goldens import images
from goldens.reference import MODELS, group, outputs
from keras import ops

from centernet.errors import ConfigError, SourceError
from centernet.models.presets import find_model
from centernet.ops.preprocessing import Preprocessing, collate

SHAPES = ("landscape", "portrait")


def preprocess(preprocessing: Preprocessing, *arrays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    batch, sizes = collate(list(arrays))
    batch, sizes = ops.convert_to_tensor(batch), ops.convert_to_tensor(sizes)
    found = preprocessing(batch, sizes), preprocessing.place(sizes, preprocessing.size).sizes
    return tuple(map(ops.convert_to_numpy, found))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("model", MODELS)
def test_a_published_network_sees_what_it_was_trained_to_see(model: str, shape: str, tolerance: Tolerance) -> None:
    expected = group(model, f"preprocess_{shape}")
    preprocessing = find_model(model).preprocessing
    (found,), (size,) = preprocess(preprocessing, getattr(images, shape)())
    height, width = size
    near = {"atol": tolerance.resized / min(preprocessing.std), "rtol": 1e-6}
    assert (1, *found.shape) == tuple(expected["shape"])
    assert (height, width, 3) == tuple(expected["true_image_shapes"][0])
    np.testing.assert_allclose(found[::16, ::16], expected["sample_stride16"], **near)
    np.testing.assert_allclose(found[height - 2 : height + 2, ::8], expected["last_valid_rows"], **near)
    np.testing.assert_allclose(found[::8, width - 2 : width + 2], expected["last_valid_cols"], **near)
    inside = found[:height, :width].astype(np.float64)
    statistics = np.stack([inside.mean(axis=(0, 1)), inside.std(axis=(0, 1))])
    np.testing.assert_allclose(statistics, expected["mean_std"], rtol=1e-5, atol=1e-5)
    beyond = np.ones(found.shape[:2], bool)
    beyond[:height, :width] = False
    np.testing.assert_allclose(found[beyond] - expected["pad_value"], 0, atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_an_image_of_the_canvas_size_is_only_normalized(model: str) -> None:
    config = find_model(model).preprocessing.__dict__ | {"size": (128, 128)}
    (found,), _ = preprocess(Preprocessing(**config), images.small_canvas())
    expected = outputs(model)["small/preprocessed_sample_stride8"]
    np.testing.assert_allclose(found[::8, ::8], expected, atol=1e-6, rtol=1e-6)


def test_a_batch_of_different_sizes_equals_one_by_one() -> None:
    preprocessing = find_model("centernet_hg104_512x512_coco17_tpu-8").preprocessing
    arrays = [images.landscape(), images.portrait(), images.small_canvas()]
    together, sizes = preprocess(preprocessing, *arrays)
    for row, array in enumerate(arrays):
        alone, size = preprocess(preprocessing, array)
        np.testing.assert_array_equal(together[row], alone[0])
        np.testing.assert_array_equal(sizes[row], size[0])


def test_channels_are_reversed_before_they_are_normalized() -> None:
    options = {"size": (1, 1), "mean": (1, 2, 3), "std": (2, 4, 8)}
    pixel = np.uint8([[[10, 20, 30]]])
    rgb, _ = preprocess(Preprocessing(channels="rgb", **options), pixel)
    bgr, _ = preprocess(Preprocessing(channels="bgr", **options), pixel)
    np.testing.assert_array_equal(rgb[0, 0, 0], [9 / 2, 18 / 4, 27 / 8])
    np.testing.assert_array_equal(bgr[0, 0, 0], [29 / 2, 18 / 4, 7 / 8])


@pytest.mark.parametrize("size", [(1, 1), (2000, 3), (1, 700)])
def test_extreme_images_keep_at_least_a_pixel(size: tuple[int, int]) -> None:
    found, fitted = preprocess(Preprocessing((64, 64)), np.full((*size, 3), 255, np.uint8))
    assert fitted.min() >= 1
    assert fitted.max() == 64
    height, width = fitted[0]
    np.testing.assert_array_equal(found[0, :height, :width], np.ones((height, width, 3)))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 8, 3), np.float32),
        np.full((8, 8, 3), np.nan),
        np.zeros((8, 8, 3), np.int32),
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((2, 8, 8, 3), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        "photo.jpg",
        None,
    ],
    ids=["float", "nan", "int32", "gray", "alpha", "batch", "empty", "path", "nothing"],
)
def test_what_is_no_uint8_rgb_array_is_refused(array: object) -> None:
    with pytest.raises(SourceError, match=r"Expected uint8 RGB images of shape \(height, width, 3\)"):
        collate([np.zeros((4, 4, 3), np.uint8), array])  # type: ignore[list-item]


def test_no_image_is_refused() -> None:
    with pytest.raises(SourceError, match="at least one image"):
        collate([])


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": (512,)},
        {"size": (0, 512)},
        {"mean": (1.0, 2.0)},
        {"std": (1.0, 0.0, 1.0)},
        {"channels": "gbr"},
        {"sampling": "nearest"},
    ],
)
def test_impossible_preprocessing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=rf"Expected .*\b{next(iter(wrong))}\b"):
        Preprocessing(**{"size": (512, 512), **wrong})  # type: ignore[arg-type]


def test_a_batch_is_padded_to_a_multiple_when_asked() -> None:
    batch, sizes = collate([np.ones((5, 9, 3), np.uint8), np.ones((7, 3, 3), np.uint8)], multiple=8)
    assert batch.shape == (2, 8, 16, 3)
    np.testing.assert_array_equal(sizes, [(5, 9), (7, 3)])
    assert batch.sum() == 3 * (5 * 9 + 7 * 3)
