"""Keypoint schemas and their defaults."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from centernet.data.keypoints import (
    DEFAULT_DEVIATION,
    coco_person,
    flip_of,
    keypoint_class,
    keypoint_task,
    unnamed_keypoints,
)
from centernet.errors import ConfigError


def test_the_names_of_coco_bring_its_mirror_skeleton_and_deviations():
    assert keypoint_task("person", coco_person().names) == coco_person()


def test_what_is_said_goes_before_it():
    names = coco_person().names
    task = keypoint_task("human", names, skeleton=[], flip=range(17), deviations=[1] * 17)
    assert (task.class_name, task.skeleton, task.flip, task.deviations) == ("human", (), tuple(range(17)), (1,) * 17)


def test_other_names_have_the_stated_defaults():
    task = keypoint_task("cat", ["nose", "left_ear", "right_ear"])
    assert (task.skeleton, task.flip, task.deviations) == ((), (0, 2, 1), (DEFAULT_DEVIATION,) * 3)
    assert pytest.approx(np.mean(coco_person().deviations), abs=0.01) == DEFAULT_DEVIATION


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_eye", "right_eye"),
        ("eye_left", "eye_right"),
        ("Left Eye", "Right Eye"),
        ("leftEye", "rightEye"),
        ("LEFT-EYE", "RIGHT-EYE"),
        ("l_eye", "r_eye"),
        ("eye.L", "eye.R"),
        ("left_eye_2", "right_eye_2"),
    ],
)
def test_left_and_right_are_exchanged(left, right):
    assert flip_of([left, "nose", right]) == (2, 1, 0)


def test_what_has_no_counterpart_stays():
    assert flip_of(["left_eye", "tail", "upright", "right_ear", "bright_spot"]) == (0, 1, 2, 3, 4)


@given(st.lists(st.sampled_from(["left_a", "right_a", "L a", "r-a", "a", "left_b", "rightB", "left_left"])))
def test_mirroring_twice_changes_nothing(names):
    flip = flip_of(names)
    assert [flip[index] for index in flip] == list(range(len(names)))


def test_keypoints_without_names():
    assert unnamed_keypoints("person", 17, coco_person().flip) == coco_person()
    assert unnamed_keypoints("person", 17).names[0] == "keypoint_0"
    assert unnamed_keypoints("cat", 2, [1, 0]).flip == (1, 0)


def test_the_class_with_most_labeled_objects_has_them(caplog):
    points = np.array([[[1, 1, 2]], [[1, 1, 2]], [[1, 1, 1]], [[5, 5, 0]], [[5, 5, 0]]])
    assert keypoint_class([(np.array([1, 1, 0, 0, 0]), points)], ["cat", "dog"], "x") == "dog"
    assert "keypoints of cat count as those of dog" in caplog.text
    assert keypoint_class([], ["cat", "dog"], "x") == "cat"


@pytest.mark.parametrize("wrong", [{"flip": [0]}, {"deviations": [1]}, {"skeleton": [[0, 2]]}, {"names": []}])
def test_what_does_not_fit_the_names(wrong):
    with pytest.raises(ConfigError):
        keypoint_task("cat", **{"names": ["a", "b"], **wrong})
