"""Splits: their names, and what splits of one dataset must have in common."""

from __future__ import annotations

import dataclasses

import pytest

from centernet.data import Dataset
from centernet.data.keypoints import KeypointTask
from centernet.data.splits import check_compatible, split_in
from centernet.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train2017", "train"),
        ("pascal_trainval.record", "trainval"),
        ("test-dev2017", "test"),
        ("Valid", "valid"),
        ("my train set, validation", "validation"),
        ("_annotations.coco", None),
        ("latest", None),
        ("interval", None),
        ("trains", None),
        ("evaluation", None),
        ("validate", None),
    ],
)
def test_words_are_splits_and_their_parts_are_not(name, split):
    assert split_in(name) == split


TASK = KeypointTask("cat", ("left", "right"), flip=(1, 0))


def having(task):
    return Dataset([], ["cat", "dog"], keypoints=task)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (None, "and none"),
        (dataclasses.replace(TASK, class_name="dog"), "of 'dog'"),
        (dataclasses.replace(TASK, names=("right", "left")), r"and \['right', 'left'\]"),
        (dataclasses.replace(TASK, flip=(0, 1)), r"with flip \[0, 1\]"),
    ],
)
def test_other_keypoints_are_named(other, said):
    with pytest.raises(ConfigError, match=rf"the same keypoints of the same class.*{said}"):
        check_compatible([having(TASK), having(other)])


@pytest.mark.parametrize("change", [{"skeleton": ((0, 1),)}, {"deviations": (1.0, 1.0)}])
def test_how_keypoints_are_drawn_and_weighed_may_differ(change):
    check_compatible([having(TASK), having(dataclasses.replace(TASK, **change))])
