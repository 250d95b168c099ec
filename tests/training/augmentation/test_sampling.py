"""Pixels and points go the same way, and a photo that is left alone is what a detector sees of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keras import ops
from training.augmentation.probes import CANVAS, LOADED, STEPS, augment, probe_batch

from centernet.ops.preprocessing import Preprocessing

SIZES = st.lists(st.tuples(st.integers(1, LOADED[0]), st.integers(1, LOADED[1])), min_size=4, max_size=4)
LARGE = st.lists(st.tuples(st.integers(30, LOADED[0]), st.integers(30, LOADED[1])), min_size=4, max_size=4)
SAMPLINGS = st.sampled_from(["legacy", "half_pixel"])
SEEDS = st.integers(0, 10_000)


def noisy(sizes: Any) -> dict[str, np.ndarray]:
    batch = probe_batch(sizes)
    noise = np.random.default_rng(0).integers(0, 256, batch["images"].shape, np.uint8)
    return {**batch, "images": np.where(batch["images"][..., 2:] > 0, noise, 0).astype(np.uint8)}


@settings(max_examples=12, deadline=None)
@given(SIZES, SAMPLINGS)
@example([(48, 60), (40, 40), (1, 60), (1, 1)], "legacy")
@example([(48, 60), (40, 40), (48, 1), (1, 1)], "half_pixel")
def test_without_changes_a_network_sees_what_it_sees_in_detect(sizes: Any, sampling: Any) -> None:
    batch = noisy(sizes)
    found = augment(batch, sampling=sampling)
    preprocessing = Preprocessing(CANVAS, mean=(0, 0, 0), std=(1, 1, 1), sampling=sampling)
    images, loaded = ops.convert_to_tensor(batch["images"]), ops.convert_to_tensor(batch["sizes"])
    expected = ops.convert_to_numpy(preprocessing(images, loaded))
    np.testing.assert_allclose(found["images"], expected, atol=1e-3)
    fitted = ops.convert_to_numpy(preprocessing.place(loaded, CANVAS).sizes)
    np.testing.assert_array_equal(found["sizes"], fitted)
    scale = np.tile(fitted[:, ::-1] / batch["sizes"][:, ::-1], 2)[:, None]
    np.testing.assert_allclose(found["boxes"], batch["boxes"] * scale, atol=1e-4)
    np.testing.assert_array_equal(found["class_ids"], batch["class_ids"])


@settings(max_examples=8, deadline=None)
@given(SIZES, SAMPLINGS, st.sampled_from([(True, False), (False, True), (True, True)]))
def test_a_mirrored_photo_is_what_a_detector_sees_of_the_mirrored_file(sizes: Any, sampling: Any, axes: Any) -> None:
    batch = noisy(sizes)
    file = {**batch, "images": batch["images"].copy()}
    for image, (height, width) in zip(file["images"], sizes, strict=True):
        image[:height, :width] = image[:height, :width][:: -1 if axes[0] else 1, :: -1 if axes[1] else 1]
    changed = augment(batch, sampling=sampling, vertical_flip=float(axes[0]), horizontal_flip=float(axes[1]))
    np.testing.assert_allclose(changed["images"], augment(file, sampling=sampling)["images"], atol=1e-3)


CHANGES = st.fixed_dictionaries(
    {
        "horizontal_flip": st.sampled_from([0.0, 0.5]),
        "vertical_flip": st.sampled_from([0.0, 0.5]),
        "crop": st.sampled_from([(1.0, 1.0), (0.6, 1.3), (0.3, 0.4), (2.0, 2.5)]),
        "shift": st.sampled_from([0.0, 0.3]),
        "mosaic": st.sampled_from([0.0, 0.7]),
    }
)


@settings(max_examples=25, deadline=None)
@given(LARGE, SAMPLINGS, SEEDS, CHANGES)
def test_keypoints_go_where_their_pixels_go(sizes: Any, sampling: Any, seed: int, changes: Any) -> None:
    batch = probe_batch(sizes, seed=seed)
    found = augment(batch, seed, sampling, cut_objects="keep", **changes)
    for image, class_ids, keypoints in zip(found["images"], found["class_ids"], found["keypoints"], strict=True):
        for photo, points in zip(class_ids, keypoints, strict=True):
            for index in np.flatnonzero(points[:, 2]):
                read = look_up(image, points[index, :2], photo, sampling)
                if read is not None:
                    expected = batch["keypoints"][photo, 0, index, :2]
                    np.testing.assert_allclose(read, expected, atol=1e-3)


def test_most_keypoints_can_be_looked_up() -> None:
    found = augment(probe_batch([(48, 60)] * 4), 1, horizontal_flip=0.5, crop=(0.6, 1.3), shift=0.3, mosaic=0.5)
    visible, read = 0, 0
    for image, class_ids, keypoints in zip(found["images"], found["class_ids"], found["keypoints"], strict=True):
        for photo, points in zip(class_ids, keypoints, strict=True):
            places = points[points[:, 2] > 0, :2]
            visible += len(places)
            read += sum(look_up(image, place, photo, "legacy") is not None for place in places)
    assert visible > 50
    assert read > 0.7 * visible


def look_up(image: np.ndarray, place: np.ndarray, photo: int, sampling: str) -> np.ndarray | None:
    """Which point of which photo is seen at a place of the canvas, x and y; None at borders, where a ramp ends."""
    index = place.astype(np.float64) - (0.5 if sampling == "half_pixel" else 0)
    x, y = np.floor(index).astype(int)
    if min(x, y) < 1 or x + 3 > CANVAS[1] or y + 3 > CANVAS[0]:
        return None
    window = image[y - 1 : y + 3, x - 1 : x + 3].astype(np.float64)
    if np.abs(window[..., 2] - (photo + 1) * STEPS[2]).max() > 0.01:
        return None
    slopes = np.diff(window[..., 0], axis=1), np.diff(window[..., 1], axis=0)
    if max(np.ptp(slope) for slope in slopes) > 0.01:
        return None
    weight = index - (x, y)
    read = (window[1, 1, :2] + weight * (slopes[0].mean(), slopes[1].mean())) / STEPS[:2]
    if sampling == "half_pixel":
        return read + 0.5
    # The corner of a pixel is sampled: of a mirrored photo it is the other corner.
    return read + np.array([slopes[0].mean() < 0, slopes[1].mean() < 0])


@pytest.mark.parametrize("sampling", ["legacy", "half_pixel"])
def test_what_is_beyond_a_photo_is_black(sampling: Any) -> None:
    batch = probe_batch([(20, 60), (48, 20), (40, 40), (48, 60)])
    batch["images"][:] = 255
    found = augment(batch, 3, sampling, crop=(1.5, 1.5), brightness=0.2, contrast=(0.8, 1.25))
    for image, box in zip(found["images"], found["boxes"][:, 0], strict=True):
        center, reach = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 0.8 / 2  # the box is 0.8 of the photo
        rows, columns = np.mgrid[: CANVAS[0], : CANVAS[1]] + 0.5
        inside = (abs(columns - center[0]) < reach[0]) & (abs(rows - center[1]) < reach[1])
        assert (image[inside] > 100).all()
        assert not image[~inside].any()
