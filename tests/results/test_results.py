import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from centernet.errors import CenterNetError, ConfigError
from centernet.results.detections import Detections

NAMES = ("person", "dog", "cat")


def found(**changes):
    values = {
        "boxes": [[10, 20, 110, 220], [0, 0, 50, 60], [5, 5, 25, 35]],
        "scores": [0.91, 0.85, 0.77],
        "class_ids": [0, 0, 1],
        "image_size": (480, 640),
        "class_names": NAMES,
    }
    return Detections(**(values | changes))


def with_keypoints(**changes):
    points = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    scores = np.linspace(0.1, 0.9, 6).reshape(3, 2)
    given = {"keypoints": points, "keypoint_scores": scores, "keypoint_names": ("left_eye", "right_eye")}
    return found(**(given | {"skeleton": ((0, 1),)} | changes))


@st.composite
def any_detections(draw):
    rows, count = draw(st.integers(0, 6)), draw(st.integers(0, 4))
    numbers = st.floats(-1e4, 1e4, width=32)
    scores = np.sort(draw(hnp.arrays(np.float32, rows, elements=st.floats(0, 1, width=32))))[::-1]
    keypoints = draw(st.booleans())
    return Detections(
        draw(hnp.arrays(np.float32, (rows, 4), elements=numbers)),
        scores,
        draw(hnp.arrays(np.int32, rows, elements=st.integers(0, 2))),
        (draw(st.integers(1, 5000)), draw(st.integers(1, 5000))),
        NAMES,
        keypoints=draw(hnp.arrays(np.float32, (rows, count, 2), elements=numbers)) if keypoints else None,
        dataset_ids=draw(st.none() | st.just((1, 18, 90))),
        source=draw(st.none() | st.text(max_size=5)),
        max_detections=draw(st.none() | st.integers(1, 9)),
    )


def test_values_are_converted_to_the_documented_types():
    made = with_keypoints(dataset_ids=[1, 18, 17], class_names=list(NAMES), image_size=np.array([480, 640]))
    assert (made.boxes.dtype, made.scores.dtype, made.class_ids.dtype) == (np.float32, np.float32, np.int32)
    assert (made.keypoints.dtype, made.keypoint_scores.dtype) == (np.float32, np.float32)
    assert made.image_size == (480, 640)
    assert isinstance(made.class_names, tuple)
    assert made.dataset_ids == (1, 18, 17)


def test_arrays_are_read_only_and_the_callers_stay_writable():
    boxes = np.zeros((1, 4), np.float32)
    made = Detections(boxes, [0.5], [0], (4, 4))
    with pytest.raises(ValueError, match="read-only"):
        made.boxes[0] = 1
    boxes[0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": np.zeros((3, 5))}, r"`boxes` as numbers of shape \(3, 4\).*\(3, 5\)"),
        ({"boxes": np.zeros((2, 4))}, r"`boxes`.*\(3, 4\)"),
        ({"boxes": [["a"] * 4] * 3}, "`boxes` as numbers"),
        ({"boxes": np.full((3, 4), np.nan)}, "finite numbers in `boxes`.*nan"),
        ({"boxes": np.full((3, 4), 1e300)}, "finite numbers in `boxes`"),
        ({"scores": [0.5, 0.9, 0.1]}, r"descending `scores`.*0.5 before 0.9.* row 0.*argsort"),
        ({"scores": [0.9, np.nan, 0.1]}, "finite numbers in `scores`"),
        ({"scores": 0.9}, "`scores` as numbers of shape"),
        ({"class_ids": [0, 1, 3]}, "`class_ids` below 3.*0 to 3"),
        ({"class_ids": [-1, 1, 2]}, "0-based `class_ids`.*-1 to 2"),
        ({"class_ids": [0, 1, 1.5]}, r"whole numbers in `class_ids`.*1\.5"),
        ({"class_ids": [0, 1, 2**32]}, "whole numbers in `class_ids`"),
        ({"image_size": (0, 5)}, "positive"),
        ({"image_size": 640}, "`image_size` as 2 integers.*640"),
        ({"class_names": "person"}, "`class_names` as a tuple of strings"),
        ({"dataset_ids": (1, 2)}, "`dataset_ids` for each of the 3 classes.*2"),
        ({"keypoint_scores": np.zeros((3, 2))}, "only `keypoint_scores`"),
        ({"keypoints": np.zeros((3, 2))}, r"`keypoints` as numbers of shape \(3, n, 2\)"),
        ({"keypoints": np.zeros((3, 2, 2)), "keypoint_scores": np.zeros((3, 1))}, "`keypoint_scores`"),
        ({"keypoints": np.zeros((3, 2, 2)), "keypoint_names": ("nose",)}, "2 `keypoint_names`.*1"),
        ({"keypoints": np.zeros((3, 2, 2)), "skeleton": ((1, 2),)}, "`skeleton` pairs.*below 2.*1 to 2"),
        ({"image": np.zeros((4, 4, 3), np.uint8)}, r"`image` as uint8 of shape \(480, 640, 3\)"),
        ({"max_detections": 0}, "`max_detections` as a positive integer"),
        ({"track_ids": [0, 1]}, r"`track_ids` as numbers of shape \(3\)"),
        ({"track_ids": [0, 1, -2]}, "`track_ids` from 0 on, or -1.*-2"),
        ({"track_ids": [0, 1, 0.5]}, r"whole numbers in `track_ids`.*0\.5"),
        ({"time": -0.1}, "`time` as seconds, from 0 on.*-0.1"),
        ({"time": float("nan")}, "`time` as seconds.*nan"),
        ({"time": "0:01"}, "`time` as seconds.*0:01"),
    ],
)
def test_unsound_values_are_refused_with_what_was_expected_and_what_came(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        found(**changes)
    assert isinstance(caught.value, CenterNetError)


def test_keypoints_without_scores_count_as_certain():
    made = found(keypoints=np.zeros((3, 2, 2)))
    np.testing.assert_array_equal(made.keypoint_scores, np.ones((3, 2)))


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (0, [0]),
        (-1, [2]),
        (slice(1, None), [1, 2]),
        ([True, False, True], [0, 2]),
        (np.array([2, 0]), [0, 2]),
        ([], []),
        (slice(None, None, -1), [0, 1, 2]),
        (np.int32(1), [1]),
        (np.array(1), [1]),
        (np.array([0, 2], np.uint8), [0, 2]),
        ([-1, 0], [0, 2]),
        (np.zeros(3, bool), []),
    ],
)
def test_indexing_gives_detections_in_descending_order(index, rows):
    every, part = with_keypoints(), with_keypoints()[index]
    assert isinstance(part, Detections)
    for name in ("boxes", "scores", "class_ids", "keypoints", "keypoint_scores"):
        np.testing.assert_array_equal(getattr(part, name), getattr(every, name)[rows])
    assert part.class_names == NAMES


def test_indexing_beyond_the_rows_is_an_index_error():
    for index in (3, -4, [0, 3]):
        with pytest.raises(IndexError, match=r"the rows 0 to 2\. Received: (3|-4)"):
            found()[index]
    with pytest.raises(IndexError, match="no row"):
        found()[:0][0]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("person", r"an integer, a slice, .*'person'.*filter\(classes='person'\)"),
        (None, "Received: None"),
        (False, "Received: False"),
        (np.True_, "Received: .*True"),
        (1.0, r"Received: 1\.0"),
        (..., "Received: Ellipsis"),
        ((0, 1), r"detections\[\[0, 1\]\]"),
        ([[0, 1]], r"int64 of shape \(1, 2\)"),
        ([[0], [1, 2]], r"Received: \[\[0\], \[1, 2\]\]"),
        ([0.5], r"float64 of shape \(1,\)"),
        (["person"], r"of shape \(1,\)"),
        ([True, False], r"a mask of 3 values, one per row.*\(2,\)"),
        (np.ones((3, 4), bool), r"of shape \(3, 4\)"),
        (slice("a", None), "slice of integers"),
        (slice(None, None, 0), "slice of integers"),
    ],
    ids=repr,
)
def test_an_index_that_means_no_rows_is_refused(index, message):
    with pytest.raises(ConfigError, match=message):
        found()[index]


def test_iteration_yields_one_detection_per_row():
    rows = list(with_keypoints())
    assert [row.class_name for row in rows] == ["person", "person", "dog"]
    assert rows[0].score == pytest.approx(0.91)
    np.testing.assert_array_equal(rows[2].box, [5, 5, 25, 35])
    np.testing.assert_array_equal(rows[1].keypoints, [[4, 5], [6, 7]])
    assert next(iter(found())).keypoints is None


def test_summary_counts_classes_in_order_of_score():
    assert str(found()) == "3 objects: 2 person 0.91 0.85, 1 dog 0.77"
    assert str(found()[:1]) == "1 object: 1 person 0.91"
    assert str(found()[:0]) == "no objects"
    assert "640x480" in repr(found(source="street.jpg"))
    assert "'street.jpg'" in repr(found(source="street.jpg"))


def test_summary_of_many_objects_stays_short():
    many = Detections(np.zeros((100, 4)), np.full(100, 0.5), np.zeros(100, int), (9, 9), ("cell",))
    assert str(many) == "100 objects: 100 cell 0.50 0.50 0.50 0.50 0.50 …"


def test_unknown_names_are_numbered():
    assert found(class_names=()).names == ["class 0", "class 0", "class 1"]


def test_filter_by_score_keeps_the_bound_itself():
    assert len(found().filter(min_score=0.85)) == 2


def test_filter_by_class_takes_names_and_ids():
    assert found().filter(classes=["dog"]).names == ["dog"]
    assert found().filter(classes="person").names == ["person"] * 2
    assert len(found().filter(classes=[0, "dog"])) == 3
    assert len(found().filter(classes=[])) == 0
    assert found(class_names=()).filter(classes=1).class_ids.tolist() == [1]
    assert found().filter(classes=np.int32(1)).names == ["dog"]
    assert found().filter(classes=np.unique(found().class_ids)[1:]).names == ["dog"]


@pytest.mark.parametrize("wrong", [70, -0.1, float("nan"), "x", [0.5]])
def test_filter_by_a_score_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"min_score as a number of 0–1\. Received: "):
        found().filter(min_score=wrong)


def test_filter_with_a_class_as_the_score_suggests_the_right_call():
    with pytest.raises(ConfigError, match=r"filter\(classes='person'\)"):
        found().filter("person")


@pytest.mark.parametrize("wrong", [1.5, object()])
def test_filter_by_something_that_is_no_class_is_refused(wrong):
    with pytest.raises(ConfigError, match="names or 0-based ids"):
        found().filter(classes=wrong)


@pytest.mark.parametrize("wrong", ["persn", 3, -1])
def test_filter_by_an_unknown_class_names_the_nearest(wrong):
    with pytest.raises(ConfigError, match="person"):
        found().filter(classes=[wrong])


def test_empty_has_no_rows_and_is_falsy():
    empty = Detections.empty((4, 5), class_names=NAMES, keypoints=[], keypoint_names=("nose",))
    assert len(empty) == 0
    assert not empty
    assert empty.boxes.shape == (0, 4)
    assert empty.keypoints.shape == (0, 1, 2)


def test_empty_lists_are_enough():
    assert Detections([], [], [], (4, 5)) == Detections.empty((4, 5))


def test_merge_sorts_by_score_and_keeps_ties_in_order():
    a, b = found(), found(scores=[0.9, 0.85, 0.1], class_ids=[2, 2, 2])
    both = Detections.merge([a, b])
    np.testing.assert_allclose(both.scores, [0.91, 0.9, 0.85, 0.85, 0.77, 0.1])
    assert both.class_ids.tolist() == [0, 2, 0, 2, 1, 2]


def test_merge_of_parts_gives_back_the_whole():
    whole = with_keypoints(source="a.jpg", time=1.5, track_ids=[4, -1, 2])
    assert Detections.merge([whole[[1]], whole[[0, 2]]]) == whole
    assert Detections.merge(part for part in (whole[[1]], whole[[0, 2]])) == whole


def test_merge_of_rows_with_and_without_tracks_keeps_the_tracks():
    tracked = found(track_ids=[4, -1, 2])
    for parts in ([tracked[:2], found()[2:]], [found()[2:], tracked[:2]]):
        assert Detections.merge(parts).track_ids.tolist() == [4, -1, -1]


def test_rows_keep_their_tracks():
    tracked = found(track_ids=[4, -1, 2])
    assert [one.track_id for one in tracked] == [4, -1, 2]
    assert tracked[[2, 0]].track_ids.tolist() == [4, 2]
    assert tracked.filter(classes=tracked.names[2], min_score=0).track_ids.tolist()[-1] == 2
    assert tracked[:0].track_ids.shape == (0,)
    assert [one.track_id for one in found()] == [None] * 3
    assert tracked != found()


def test_merge_has_an_error_only_if_no_part_was_read():
    unread = Detections.empty(found().image_size, class_names=found().class_names, error="gone")
    assert Detections.merge([unread, found()]).error is None
    assert Detections.merge([unread, unread]).error == "gone"


@pytest.mark.parametrize("parts", [found(), [found(), None]])
def test_merge_of_something_else_is_refused(parts):
    with pytest.raises(ConfigError, match=r"expected several Detections.*Received: (Detection|NoneType)"):
        Detections.merge(parts)


@pytest.mark.parametrize("other", [{"image_size": (1, 1)}, {"class_names": ("a", "b")}])
def test_merge_of_different_images_or_classes_is_refused(other):
    with pytest.raises(ConfigError, match="same"):
        Detections.merge([found(), found(**other)])


def test_merge_of_different_keypoints_is_refused():
    with pytest.raises(ConfigError, match="keypoints"):
        Detections.merge([found(), found(keypoints=np.zeros((3, 2, 2)))])


def test_merge_of_nothing_is_refused():
    for nothing in ([], iter([])):
        with pytest.raises(ConfigError, match="at least one"):
            Detections.merge(nothing)


def test_equality_ignores_the_image():
    image = np.zeros((480, 640, 3), np.uint8)
    assert found(image=image) == found()
    assert found() != found(scores=[0.9, 0.85, 0.77])
    assert found() != found(keypoints=np.zeros((3, 1, 2)))
    assert found() != "found"


def test_copies_and_pickles_are_equal():
    made = with_keypoints()
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made


def test_draw_uses_the_kept_image_or_the_given_one():
    image = np.zeros((480, 640, 3), np.uint8)
    assert found(image=image).draw().size == (640, 480)
    assert found().draw(image=image, labels=False).size == (640, 480)


def test_draw_without_an_image_says_how_to_give_it():
    with pytest.raises(ConfigError, match=r"draw\(image="):
        found().draw()


@given(any_detections())
def test_every_slice_of_sound_detections_is_sound(made):
    half = made[: len(made) // 2]
    assert Detections.merge([half, made[len(made) // 2 :]])[: len(made)].scores.tolist() == made.scores.tolist()
    assert made[np.arange(len(made))] == made


@pytest.mark.parametrize(("module", "also"), [("base", ["PIL"]), ("conversions", ["PIL"]), ("detections", [])])
def test_importing_results_loads_no_framework_and_their_data_no_pillow(module, also):
    heavy = ["keras", "tensorflow", "jax", "torch", "pandas", "av", *also]
    code = f"import sys, centernet.results.{module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
