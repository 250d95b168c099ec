"""Boxes around segmentations of COCO."""

from __future__ import annotations

import numpy as np
import pytest
from faster_coco_eval.core import mask as coco_mask
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from centernet.data.formats.coco.boxes import AnnotationRow, box_around, box_of, run_lengths
from centernet.errors import ConfigError

MASKS = arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.integers(0, 1))


def encoded(mask):
    """Run lengths as COCO's own code compresses them."""
    found = coco_mask.encode(np.asfortranarray(mask))
    return {"size": list(map(int, found["size"])), "counts": found["counts"].decode()}


def lengths(mask):
    """Run lengths of columns, the background first."""
    values = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(values, prepend=0))
    return np.diff([0, *edges, len(values)]).tolist()


@given(MASKS)
def test_run_lengths_have_the_box_of_their_mask(mask):
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    expected = None
    if len(rows):
        expected = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    assert box_around({"size": mask.shape, "counts": lengths(mask)}) == expected
    assert box_around(encoded(mask)) == expected


@given(MASKS)
def test_compressed_lengths_are_those_that_coco_writes(mask):
    assert run_lengths(encoded(mask)["counts"]) == lengths(mask)


@pytest.mark.parametrize(
    ("polygons", "box"),
    [
        ([[1, 2, 5, 2, 5, 8]], [1, 2, 4, 6]),
        ([[1, 2, 5, 2, 5, 8], [0, 3, 1.5, 3, 0, 4]], [0, 2, 5, 6]),
        ([1, 2, 5, 2, 5, 8], [1, 2, 4, 6]),
        ([[], [1, 2, 5, 2, 5, 8]], [1, 2, 4, 6]),
        ([[]], None),
    ],
)
def test_polygons(polygons, box):
    assert box_around(polygons) == box


@pytest.mark.parametrize(
    "outline",
    [
        "abc",
        7,
        [[1, 2, 3]],
        [["a", "b"]],
        [{"size": [1, 1], "counts": [0, 1]}],
        {"size": [2], "counts": [4]},
        {"size": [2, 2]},
        {"size": [2, 2], "counts": [1, 4]},
        {"size": [2, 2], "counts": [-1, 3]},
        {"size": [2, 2], "counts": [1 << 70, 1]},
        {"size": [2, 2], "counts": [(1 << 63) - 1, 4]},
        {"size": [0, 2], "counts": [0]},
        {"size": [2, 2], "counts": {}},
        {"size": [2, 2], "counts": "o" * 100},
        {"size": [2, 2], "counts": "o"},
        {"size": [2, 2], "counts": "\n"},
    ],
)
def test_invalid_segmentations_are_refused(outline):
    with pytest.raises(ConfigError, match="segmentation of annotation 5 is neither polygons nor run lengths"):
        box_of(AnnotationRow(id=5, segmentation=outline))


@given(st.text())
def test_any_text_is_run_lengths_or_refused(text):
    try:
        assert all(isinstance(length, int) for length in run_lengths(text))
    except ValueError:
        return


def test_a_box_goes_before_a_segmentation():
    assert box_of(AnnotationRow(bbox=[1, 2, 3, 4], segmentation=[[0, 0, 9, 9]])) == [1, 2, 3, 4]
