import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from centernet.errors import SourceError
from centernet.images.rgb import rgb_from_array, rgb_from_pil

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))))
def test_rgb_arrays_and_images_pass_unchanged(pixels):
    assert rgb_from_array(pixels) is pixels
    np.testing.assert_array_equal(rgb_from_pil(Image.fromarray(pixels)), pixels)


@given(hnp.arrays(np.uint8, SHAPES))
def test_gray_is_the_same_in_every_form(gray):
    expected = np.stack([gray] * 3, axis=-1)
    np.testing.assert_array_equal(rgb_from_array(gray), expected)
    np.testing.assert_array_equal(rgb_from_array(gray[..., None]), expected)
    np.testing.assert_array_equal(rgb_from_pil(Image.fromarray(gray)), expected)


@given(hnp.arrays(np.uint16, SHAPES))
def test_16_bit_gray_is_scaled_over_its_whole_range(gray):
    scaled = rgb_from_pil(Image.fromarray(gray))
    assert np.abs(scaled[..., 0] - gray / 257).max() <= 0.5 + 1e-6


def test_big_endian_16_bit_gray_is_read():
    image = Image.frombytes("I;16B", (2, 1), bytes([0xFF, 0xFF, 0x00, 0x00]))
    assert rgb_from_pil(image)[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 255]], np.int32), [0, 255]),
        (np.array([[0, 65535]], np.int32), [0, 255]),
        (np.array([[0, 32768]], np.int32), [0, 128]),
        (np.array([[-100, 100]], np.int32), [0, 255]),
        (np.array([[100_000, 300_000]], np.int32), [0, 255]),
        (np.array([[0, 0.5, 1]], np.float32), [0, 128, 255]),
        (np.array([[0, 128, 254]], np.float32), [0, 128, 254]),
        (np.array([[-1, 0, 1]], np.float32), [0, 128, 255]),
        (np.array([[7e9, 7e9]], np.float32), [0, 0]),
    ],
)
def test_32_bit_gray_follows_its_range(values, expected):
    assert rgb_from_pil(Image.fromarray(values))[0, :, 0].tolist() == expected


def test_floating_point_with_nan_is_refused():
    with pytest.raises(SourceError, match="finite"):
        rgb_from_pil(Image.fromarray(np.array([[np.nan, 1]], np.float32)))


def test_transparent_pixels_lie_on_white():
    rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 0, 0, 128]]], np.uint8)
    expected = [[10, 20, 30], [255, 255, 255], [127, 127, 127]]
    assert rgb_from_array(rgba)[0].tolist() == expected
    assert rgb_from_pil(Image.fromarray(rgba))[0].tolist() == expected


def test_gray_with_alpha_lies_on_white():
    image = Image.new("LA", (2, 1), (50, 255))
    image.putpixel((1, 0), (50, 0))
    assert rgb_from_pil(image)[0].tolist() == [[50] * 3, [255] * 3]


def test_palette_with_and_without_transparency():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert rgb_from_pil(image)[0].tolist() == [[255, 0, 0], [0, 0, 255]]
    image.info["transparency"] = 1
    assert rgb_from_pil(image)[0].tolist() == [[255, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [("1", 1, [255] * 3), ("CMYK", (0, 255, 255, 0), [255, 0, 0]), ("YCbCr", (255, 128, 128), [255] * 3)],
)
def test_other_modes_become_rgb(mode, value, expected):
    assert rgb_from_pil(Image.new(mode, (1, 1), value)).tolist() == [[expected]]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.uint8), r"list\(batch\)"),
        (np.zeros((3, 40, 50), np.uint8), r"transpose\(1, 2, 0\)"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
        (np.zeros((4,), np.uint8), r"shape \(4,\).*one image"),
        (np.zeros((5, 4, 2), np.uint8), "1, 3 or 4 channels"),
        (np.array([["a"]]), "Pass numbers"),
        (np.full((4, 4, 3), 0.5), r"float64.*0\.5 to 0\.5.*\(image \* 255\)\.astype\(np\.uint8\)"),
        (np.array([[-1.0, 1.0]]), r"\(image \+ 1\) \* 127\.5"),
        (np.array([[0.0, 254.0]]), r"image\.astype\(np\.uint8\)"),
        (np.array([[0.0, 1e5]]), "scale it to 0–255"),
        (np.array([[0, 65535]], np.uint16), r"values 0 to 65535.*image // 257"),
        (np.array([[True]]), r"astype\(np\.uint8\) \* 255"),
        (np.array([[np.nan, 1.0]]), "1 of them NaN.*Remove NaN"),
        (np.array([[np.nan]]), "1 of them NaN"),
        (np.array([[np.inf]]), "infinity"),
    ],
)
def test_invalid_arrays_are_refused_with_the_conversion(array, message):
    with pytest.raises(SourceError, match=message):
        rgb_from_array(array)
