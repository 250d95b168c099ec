import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from centernet.errors import ConfigError, MissingExtraError
from centernet.results.detections import Detections

COORDINATES = st.floats(-1e4, 1e4, width=32)


def found(**changes):
    values = {
        "boxes": [[10, 20, 110, 220], [0, 0, 50, 60], [5, 5, 25, 35]],
        "scores": [0.91, 0.85, 0.77],
        "class_ids": [0, 0, 1],
        "image_size": (480, 640),
        "class_names": ("person", "dog", "cat"),
    }
    return Detections(**(values | changes))


def with_keypoints(**changes):
    return found(
        keypoints=np.arange(12).reshape(3, 2, 2),
        keypoint_scores=np.linspace(0.1, 0.9, 6).reshape(3, 2),
        keypoint_names=("left_eye", "right_eye"),
        skeleton=((0, 1),),
        **changes,
    )


@given(
    boxes=hnp.arrays(np.float32, (3, 4), elements=COORDINATES),
    scores=hnp.arrays(np.float32, 3, elements=st.floats(0, 1, width=32)),
    keypoints=st.none() | hnp.arrays(np.float32, (3, 2, 2), elements=COORDINATES),
    rows=st.integers(0, 3),
    rest=st.fixed_dictionaries(
        {},
        optional={
            "dataset_ids": st.just((1, 18, 90)),
            "source": st.text(max_size=5),
            "time": st.floats(0, 1e9),
            "track_ids": st.lists(st.integers(-1, 2**31 - 1), min_size=3, max_size=3),
            "max_detections": st.integers(1, 9),
            "skeleton": st.just(((0, 1), (1, 0))),
        },
    ),
)
def test_json_round_trip_is_exact(boxes, scores, keypoints, rows, rest):
    made = found(boxes=boxes, scores=np.sort(scores)[::-1], keypoints=keypoints, **rest)[:rows]
    assert Detections.from_dict(json.loads(made.to_json())) == made


def test_why_an_image_was_not_read_survives_the_round_trip():
    bad = Detections.empty((1, 1), class_names=("a",), keypoints=[], error="no such file", source="b.jpg")
    assert Detections.from_dict(json.loads(bad.to_json())) == bad
    assert bad.to_dict()["error"] == "no such file"
    assert "error" not in found().to_dict()


def test_json_has_short_numbers_and_names(tmp_path):
    text = found(source="straße.jpg").to_json(tmp_path / "found.json", indent=1)
    assert (tmp_path / "found.json").read_text(encoding="utf-8") == text + "\n"
    first = json.loads(text)["objects"][0]
    assert first == {"class_id": 0, "class_name": "person", "score": 0.91, "box": [10, 20, 110, 220]}
    assert "straße" in text
    assert "0.91," in text


def test_dictionary_has_keypoints_with_their_scores():
    first = with_keypoints().to_dict()["objects"][0]
    assert first["keypoints"][0] == [0.0, 1.0, 0.1]


@pytest.mark.parametrize("broken", [{}, {"image_size": [1, 1], "objects": [{}]}, {"objects": 3}])
def test_reading_something_else_is_refused(broken):
    with pytest.raises(ConfigError, match="to_dict"):
        Detections.from_dict(broken)


def test_coco_rows_have_dataset_ids_and_width_height():
    rows = found(dataset_ids=(1, 18, 17)).to_coco(42)
    assert rows[2]["image_id"] == 42
    assert [row["category_id"] for row in rows] == [1, 1, 18]
    assert rows[0]["bbox"] == [10, 20, 100, 200]
    assert rows[0]["score"] == pytest.approx(0.91)
    assert "keypoints" not in rows[0]
    json.dumps(rows)


def test_coco_ids_are_1_based_without_dataset_ids():
    assert [row["category_id"] for row in found().to_coco(1)] == [1, 1, 2]


def test_coco_keypoints_are_flat_with_scores():
    assert with_keypoints().to_coco(1)[0]["keypoints"] == pytest.approx([0, 1, 0.1, 2, 3, 0.26])
    assert Detections.empty((4, 5), keypoints=np.zeros((0, 2, 2))).to_coco(1) == []


def test_tf_form_has_the_keys_shapes_and_units_of_the_saved_models():
    tf = with_keypoints(max_detections=5).to_tf()
    assert {name: value.shape for name, value in tf.items()} == {
        "detection_boxes": (1, 5, 4),
        "detection_scores": (1, 5),
        "detection_classes": (1, 5),
        "num_detections": (1,),
        "detection_keypoints": (1, 5, 2, 2),
        "detection_keypoint_scores": (1, 5, 2),
    }
    assert {value.dtype for value in tf.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(tf["detection_boxes"][0, 0], [20 / 480, 10 / 640, 220 / 480, 110 / 640])
    np.testing.assert_allclose(tf["detection_keypoints"][0, 1, 0], [5 / 480, 4 / 640])
    np.testing.assert_array_equal(tf["detection_classes"], [[1, 1, 2, 1, 1]])
    np.testing.assert_array_equal(tf["detection_scores"][0, 3:], 0)
    np.testing.assert_array_equal(tf["detection_boxes"][0, 3:], 0)
    assert tf["num_detections"] == [3]


def test_tf_form_has_the_given_length():
    assert found(max_detections=100).to_tf(2)["detection_scores"].tolist() == [[np.float32(0.91), np.float32(0.85)]]
    assert found(max_detections=100).to_tf(2)["num_detections"] == [2]
    assert found().to_tf()["detection_boxes"].shape == (1, 3, 4)
    assert "detection_keypoints" not in found().to_tf()


@pytest.mark.parametrize("rows", [-1, 0, 1.5, "2"])
def test_a_tf_form_of_no_rows_is_refused(rows):
    with pytest.raises(ConfigError, match=r"max_detections as a positive integer or None\. Received: "):
        found().to_tf(rows)


def test_tf_form_counts_scores_above_zero():
    assert found(scores=[0.5, 0, 0]).to_tf()["num_detections"] == [1]


def test_supervision_gets_boxes_classes_and_names():
    pytest.importorskip("supervision")
    converted = with_keypoints().to_supervision()
    np.testing.assert_array_equal(converted.xyxy, found().boxes)
    assert list(converted["class_name"]) == ["person", "person", "dog"]
    assert converted[converted.confidence > 0.8]["keypoints"].shape == (2, 2, 2)


def test_dataframe_has_one_row_per_detection():
    pytest.importorskip("pandas")
    table = with_keypoints(source="a.jpg").to_dataframe()
    assert list(table.columns[:8]) == [
        "source",
        "class_name",
        "class_id",
        "score",
        "x_min",
        "y_min",
        "x_max",
        "y_max",
    ]
    assert table.loc[2, "class_name"] == "dog"
    assert table.loc[0, "x_max"] == 110
    assert table.loc[1, "right_eye_y"] == 7
    assert len(found()[:0].to_dataframe()) == 0
    assert found(time=2.5).to_dataframe()["time"].tolist() == [2.5] * 3


def test_tracks_are_in_every_form_but_that_of_tensorflow():
    tracked = found(track_ids=[7, -1, 2])
    assert [one["track_id"] for one in tracked.to_dict()["objects"]] == [7, -1, 2]
    assert [row["track_id"] for row in tracked.to_coco(1)] == [7, -1, 2]
    assert tracked.to_tf().keys() == found().to_tf().keys()
    assert tracked.to_dataframe()["track_id"].tolist() == [7, -1, 2]
    for plain in (*found().to_dict()["objects"], *found().to_coco(1), found().to_dataframe(), found().to_dict()):
        assert not {"track_id", "tracked"} & set(plain)


def test_supervision_gets_the_tracks():
    pytest.importorskip("supervision")
    assert found(track_ids=[7, -1, 2]).to_supervision().tracker_id.tolist() == [7, -1, 2]
    assert found().to_supervision().tracker_id is None


def test_only_a_frame_of_a_video_has_a_time():
    assert "time" not in found().to_dict()
    assert found(time=0).to_dict()["time"] == 0


@pytest.mark.parametrize(
    ("module", "method", "extra"),
    [("supervision", "to_supervision", "supervision"), ("pandas", "to_dataframe", "dataframe")],
)
def test_a_missing_package_names_its_extra(monkeypatch, module, method, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install centernet\[{extra}\]"):
        getattr(found(), method)()
