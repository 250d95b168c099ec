"""Objects padded to arrays of one shape."""

from __future__ import annotations

import numpy as np
import pytest

from centernet.data.batches.fitting import fit_objects, pad_objects
from centernet.data.sample import Sample
from centernet.errors import CenterNetError


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
