"""Images fitted on the host as the model does it; objects fitted and padded to arrays of one shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.data.batches.fitting import fit_objects, fitted_size, pad_objects, resize_into
from centernet.data.sample import Sample
from centernet.errors import CenterNetError
from centernet.ops.resize import fitted_sizes, resize_to_canvas

SIDE = 90
SIZES = st.tuples(st.integers(1, SIDE), st.integers(1, SIDE))
CANVASES = st.sampled_from([(40, 60), (97, 31), (1, 1)])


def pixels(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, (*size, 3), dtype=np.uint8)


def by_model(image: np.ndarray, canvas: tuple[int, int], sampling: str) -> np.ndarray:
    # In a batch of one shape, of which JAX compiles every new one.
    rest = [(0, max(SIDE - side, 0)) for side in image.shape[:2]]
    batch = ops.convert_to_tensor(np.pad(image, [*rest, (0, 0)])[None])
    sizes = ops.convert_to_tensor([image.shape[:2]], dtype="int32")
    placed = fitted_sizes(sizes, canvas), ops.zeros_like(sizes)
    return ops.convert_to_numpy(resize_to_canvas(batch, sizes, *placed, canvas, sampling))


def on_host(image: np.ndarray, canvas: tuple[int, int], sampling: str) -> np.ndarray:
    out = np.zeros((*canvas, 3), np.uint8)
    height, width = fitted_size(image.shape[:2], canvas)
    resize_into(out[:height, :width], image, sampling)
    return out


@given(
    st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), min_size=20, max_size=20),
    st.tuples(st.integers(1, 1100), st.integers(1, 1100)),
)
@settings(max_examples=20, deadline=None)
def test_images_have_the_size_on_the_canvas_that_the_model_gives_them(
    sizes: list[tuple[int, int]], canvas: tuple[int, int]
) -> None:
    expected = ops.convert_to_numpy(fitted_sizes(ops.convert_to_tensor(sizes, dtype="int32"), canvas))
    assert [list(fitted_size(size, canvas)) for size in sizes] == expected.tolist()


@pytest.mark.parametrize("sampling", ["legacy", "half_pixel"])
@given(size=SIZES, canvas=CANVASES)
@settings(max_examples=40, deadline=None)
def test_pixels_are_those_of_the_model_rounded(sampling: str, size: tuple[int, int], canvas: tuple[int, int]) -> None:
    image = pixels(size)
    found = on_host(image, canvas, sampling)
    assert np.abs(found - by_model(image, canvas, sampling)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("sampling", ["legacy", "half_pixel"])
@pytest.mark.parametrize("size", [(480, 640), (427, 640), (160, 320), (96, 100), (960, 540), (1, 700)])
def test_pixels_of_common_sizes_are_those_of_the_model_rounded(sampling: str, size: tuple[int, int]) -> None:
    image = pixels(size)
    found = on_host(image, (160, 160), sampling)
    assert np.abs(found - by_model(image, (160, 160), sampling)).max() <= 0.5 + 1e-3


def test_only_the_image_s_part_of_the_canvas_is_written() -> None:
    canvas = np.full((50, 60, 3), 7, np.uint8)
    resize_into(canvas[10:30, 5:45], pixels((33, 47)), "half_pixel")
    canvas[10:30, 5:45] = 7
    assert (canvas == 7).all()


def test_an_unknown_sampling_is_refused() -> None:
    with pytest.raises(CenterNetError, match=r"legacy.*half_pixel.*Received: sampling='cubic'"):
        resize_into(np.zeros((2, 2, 3), np.uint8), pixels((4, 4)), "cubic")


@pytest.mark.parametrize(("value", "mean"), [(1, 0), (2, 1), (3, 1), (255, 64)])
def test_means_of_four_pixels_are_rounded_half_up_as_all_others(value: int, mean: int) -> None:
    image, out = np.zeros((2, 2, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)
    image[1, 1] = value
    resize_into(out, image, "half_pixel")
    assert (out == mean).all()


def test_places_without_an_object_have_class_minus_one_and_zeros() -> None:
    found = pad_objects(3, boxes=[np.ones((2, 4)), []], class_ids=[[3, 4], []], keypoints=[np.ones((2, 5, 3)), []])
    assert found["class_ids"].tolist() == [[3, 4, -1], [-1, -1, -1]]
    assert found["class_ids"].dtype == np.int32
    assert found["boxes"].shape == (2, 3, 4)
    assert found["keypoints"].shape == (2, 3, 5, 3)
    assert found["boxes"].dtype == found["keypoints"].dtype == np.float32
    assert found["boxes"].sum() == 8


def test_ignored_objects_stay_marked_and_padding_is_not() -> None:
    found = pad_objects(3, boxes=[np.ones((2, 4))], ignore=[[False, True]])
    assert found["ignore"].tolist() == [[False, True, False]]
    assert set(found) == {"boxes", "ignore"}


def test_too_many_or_unequally_many_objects_are_named() -> None:
    with pytest.raises(
        CenterNetError, match=r"at most 3 objects.*Received: 4 boxes, 4 class_ids in image 1.*Raise max"
    ):
        pad_objects(3, boxes=[np.ones((3, 4)), np.ones((4, 4))], class_ids=[[0] * 3, [0] * 4])
    with pytest.raises(CenterNetError, match="2 boxes, 1 class_ids in image 0"):
        pad_objects(3, boxes=[np.ones((2, 4))], class_ids=[[1]])


def sample() -> Sample:
    boxes = [[0, 0, 10, 10], [0, 0, 40, 40], [0, 0, 20, 20], [0, 0, 30, 30]]
    return Sample(b"", boxes, [0, 1, 2, 3], 0, np.full((4, 1, 3), 2.0), [False, True, False, False])


def test_objects_follow_the_image_onto_the_canvas() -> None:
    found = fit_objects(sample(), (0.5, 2.0), 9)
    assert found["boxes"][0].tolist() == [0, 0, 20, 5]
    assert found["keypoints"][0].tolist() == [[4, 1, 2]]
    assert found["boxes"].dtype == found["keypoints"].dtype == np.float32


def test_of_too_many_objects_the_largest_are_kept_and_ignored_ones_last() -> None:
    assert fit_objects(sample(), (1, 1), 2)["class_ids"].tolist() == [2, 3]
    assert fit_objects(sample(), (1, 1), 3)["class_ids"].tolist() == [0, 2, 3]
    assert fit_objects(sample(), (1, 1), 3)["keypoints"].shape == (3, 1, 3)
