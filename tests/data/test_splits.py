"""Names of splits."""

from __future__ import annotations

import pytest

from centernet.data.splits import split_in


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
