import itertools
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from centernet import Detections, load
from centernet.data import synthetic
from centernet.errors import ConfigError, MissingExtraError
from centernet.images.reading import Frame

pytest.importorskip("trackers", reason="needs the extra `track`")
from centernet.results.tracking import HIGH_SCORE, Tracker

SHAPES = {"square": (230, 60, 40), "circle": (30, 60, 220), "triangle": (250, 220, 40)}
FRAMES = 40


def positions(number):
    """Centers of the shapes: the square and the circle cross, one partly over the other."""
    way = number / (FRAMES - 1)
    return {"square": (45 + 230 * way, 95), "circle": (275 - 230 * way, 135), "triangle": (160 + 90 * way, 45)}


def scene(number):
    ramp = np.linspace(90, 130, 320)[None, :, None] + np.zeros((200, 1, 3))
    picture = Image.fromarray(ramp.astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for name, center in positions(number).items():
        (corners,) = synthetic.outline(name, np.random.default_rng(0)).moved(np.array(center), 28, 0).polygons
        draw.polygon([tuple(corner) for corner in corners], fill=SHAPES[name])
    return np.asarray(picture)


def center_of(detection):
    return (detection.box[:2] + detection.box[2:]) / 2


def shape_at(number, detection):
    """The shape that a detection is of."""
    distances = {name: np.hypot(*(center_of(detection) - at)) for name, at in positions(number).items()}
    return min(distances, key=distances.get)


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("onnxruntime")
    return load("shapes", runtime="onnx")


@pytest.fixture(scope="module")
def tracked(detector):
    return list(detector.detect(map(scene, range(FRAMES)), track=True))


def test_each_object_has_one_number_throughout_also_where_they_cross(tracked):
    numbers = {}
    for frame, found in enumerate(tracked):
        for one in found:
            if one.score >= 0.5 and frame:
                numbers.setdefault(shape_at(frame, one), []).append(one.track_id)
    assert set(numbers) == set(SHAPES)
    assert {name: set(ids) for name, ids in numbers.items()} == {name: {ids[0]} for name, ids in numbers.items()}
    assert len({ids[0] for ids in numbers.values()}) == 3
    assert all(len(ids) >= FRAMES - 4 and min(ids) >= 0 for ids in numbers.values())


def test_in_its_first_frame_no_object_is_confirmed(tracked):
    assert len(tracked[0]) == 3
    assert set(tracked[0].track_ids) == {-1}


def test_rows_are_those_without_tracking(detector, tracked):
    for plain, one in zip(detector.detect(map(scene, range(FRAMES))), tracked, strict=True):
        np.testing.assert_array_equal(one.boxes, plain.boxes)
        np.testing.assert_array_equal(one.scores, plain.scores)
        np.testing.assert_array_equal(one.class_ids, plain.class_ids)
        assert plain.track_ids is None


def test_batches_are_tracked_as_single_frames(detector, tracked):
    batched = detector.detect(map(scene, range(FRAMES)), track=True, batch_size=7)
    assert [one.track_ids.tolist() for one in batched] == [one.track_ids.tolist() for one in tracked]


def test_a_new_video_starts_anew(detector, tracked):
    again = list(detector.detect(map(scene, range(5)), track=True))
    assert [one.track_ids.tolist() for one in again] == [one.track_ids.tolist() for one in tracked[:5]]


def box_at(x, score=0.9, time=None, class_id=0):
    """Two boxes, of which the second stands still."""
    boxes = [[x, 10, x + 20, 30], [70, 70, 90, 90]]
    order = np.argsort([-score, -0.8], kind="stable")
    values = {"class_names": ("a", "b"), "time": time}
    return Detections(np.array(boxes)[order], np.array([score, 0.8])[order], [class_id, class_id], (100, 100), **values)


def ids(tracker, frames):
    return [tracker.update(frame).track_ids.tolist() for frame in frames]


def test_ids_follow_the_boxes_when_the_order_of_the_scores_changes():
    scores = [0.9, 0.9, 0.7, 0.9, 0.7]
    found = ids(Tracker(), (box_at(2 * n, score) for n, score in enumerate(scores)))
    assert found[1] != [-1, -1]
    assert found[2:] == [found[1][::-1], found[1], found[1][::-1]]


def test_an_object_whose_class_changes_keeps_its_number():
    found = ids(Tracker(), (box_at(2 * n, class_id=n % 2) for n in range(6)))
    assert found[1:] == [found[1]] * 5


def test_a_low_score_continues_a_track_but_starts_none():
    low = HIGH_SCORE - 0.05
    started = ids(Tracker(), [box_at(0, low)] * 4)
    assert [pair[1] for pair in started] == [-1] * 4
    scores = [0.9, 0.9, low, low]
    continued = ids(Tracker(), (box_at(n, score) for n, score in enumerate(scores)))
    assert continued[2:] == [continued[1][::-1]] * 2


def test_what_counts_of_a_pause_is_its_time():
    before = [box_at(0, time=t) for t in (0, 0.1, 0.2)]
    empty = [Detections.empty((100, 100), class_names=("a", "b"), time=t) for t in (0.3, 0.4)]
    same, other = (ids(Tracker(10), [*before, *empty, box_at(0, time=0.2 + pause)]) for pause in (0.7, 3.0))
    assert same[-1] == same[2]
    assert other[-1] == [-1, -1]


def test_a_frame_that_was_not_read_has_no_tracks_and_ends_none():
    tracker = Tracker()
    (_, first) = ids(tracker, [box_at(0), box_at(0)])
    bad = tracker.update(Detections.empty((1, 1), error="damaged"))
    assert (bad.track_ids.tolist(), bad.error) == ([], "damaged")
    assert ids(tracker, [box_at(0)]) == [first]


def test_a_video_is_tracked_by_its_frames_times(detector):
    frames = (Frame(scene(n), f"v[{n}]", n / 25) for n in range(4))
    found = list(detector.detect(frames, track=True))
    assert [one.time for one in found] == [0, 0.04, 0.08, 0.12]
    assert set(found[3].track_ids) == {0, 1, 2}


@pytest.mark.parametrize(
    ("source", "what"), [("a.jpg", "one image"), (["a.jpg", "b.jpg"], "a collection"), (".", "a collection")]
)
def test_images_that_don_t_follow_each_other_can_t_be_tracked(detector, source, what, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("a.jpg")
    with pytest.raises(ConfigError, match=f"Tracking expected a video.*Received: {what}.*iter"):
        detector.detect(source, track=True)


def test_without_trackers_the_extra_is_named_before_anything_is_read(detector, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    frames = itertools.count()
    with pytest.raises(MissingExtraError, match=r"pip install centernet\[track\]"):
        detector.detect(iter(frames), track=True)
    assert next(frames) == 0
