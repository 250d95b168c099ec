"""Random datasets of tiny images, as Hypothesis draws them, and how two of them are compared."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from centernet.data import Dataset, Sample
from centernet.data.keypoints import keypoint_task

WORDS = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=8).map(str.strip)
CLASSES = st.lists(WORDS.filter(bool), min_size=1, max_size=4, unique=True)
NAMES = st.from_regex(r"[A-Za-z0-9][\w.+-]{0,6}\w", fullmatch=True)
NUMBERS = st.integers(0, 2**31)
COORDINATES = st.floats(-50, 700, width=32)
KEYPOINTS = ("nose", "left_ear", "right_ear")


@st.composite
def samples(draw, image_id, classes, owner):
    count = draw(st.integers(0, 3))
    height, width = draw(st.tuples(st.integers(1, 12), st.integers(1, 12)))
    class_ids = draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count))
    keypoints = None
    if owner is not None and count:
        values = draw(st.lists(COORDINATES, min_size=6 * count, max_size=6 * count))
        seen = draw(st.lists(st.integers(0, 2), min_size=3 * count, max_size=3 * count))
        keypoints = np.concatenate([np.reshape(values, (count, 3, 2)), np.reshape(seen, (count, 3, 1))], axis=-1)
        keypoints[np.array(class_ids) != owner] = 0
    return Sample(
        source=np.full((height, width, 3), draw(st.integers(0, 255)), np.uint8),
        boxes=draw(st.lists(st.tuples(*[COORDINATES] * 4), min_size=count, max_size=count)),
        class_ids=class_ids,
        image_id=image_id,
        keypoints=keypoints,
        ignore=draw(st.lists(st.booleans(), min_size=count, max_size=count)),
        areas=draw(st.lists(st.floats(0, 1e6, width=32), min_size=count, max_size=count)),
        size=(height, width),
    )


@st.composite
def datasets(draw, ids=NUMBERS | NAMES, keypoints=True):
    names = draw(CLASSES)
    owner = draw(st.none() | st.integers(0, len(names) - 1)) if keypoints else None
    found = draw(st.lists(ids, min_size=1, max_size=4, unique_by=lambda one: str(one).casefold()))
    # A plain number that is a text is read as a number.
    found = [int(one) if str(one).isdecimal() and str(int(one)) == one else one for one in found]
    task = None if owner is None else keypoint_task(names[owner], KEYPOINTS)
    drawn = [draw(samples(one, len(names), owner)) for one in found]
    return Dataset(drawn, names, keypoints=task)


def assert_same(found, expected, *, areas=True, ignore=True, places=1e-4):
    """The same samples, whatever their order; boxes and keypoints to some pixels."""
    assert found.class_names == expected.class_names
    assert found.keypoints == expected.keypoints
    by_id = {sample.image_id: sample for sample in found}
    assert set(by_id) == {sample.image_id for sample in expected}
    for sample in expected:
        other, kept = by_id[sample.image_id], slice(None) if ignore else ~sample.ignore
        np.testing.assert_allclose(other.boxes, sample.boxes[kept], atol=places, rtol=0)
        np.testing.assert_array_equal(other.class_ids, sample.class_ids[kept])
        np.testing.assert_array_equal(other.ignore, sample.ignore[kept])
        np.testing.assert_array_equal(other.image, sample.image)
        assert other.size == sample.size
        if areas:
            np.testing.assert_array_equal(other.areas, sample.areas[kept])
        if sample.keypoints is None or not len(sample.boxes[kept]):
            assert other.keypoints is None
        else:
            np.testing.assert_allclose(other.keypoints, sample.keypoints[kept], atol=places, rtol=0)
