import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from centernet.errors import ConfigError
from centernet.results import draw
from centernet.results.detections import Detections
from centernet.results.draw import draw_detections, draw_heatmap
from centernet.results.draw_labels import class_color

NAMES = tuple(f"class {i}" for i in range(20))
GRAY = 128


def gray(height=120, width=160):
    return np.full((height, width, 3), GRAY, np.uint8)


def found(boxes, class_ids=None, scores=None, size=(120, 160), **rest):
    count = len(boxes)
    scores = np.linspace(0.9, 0.5, count) if scores is None else scores
    return Detections(boxes, scores, class_ids or [0] * count, size, NAMES, **rest)


def drawn(detections, **options):
    return np.asarray(draw_detections(gray(*detections.image_size), detections, **options))


def changed(picture):
    return (picture != GRAY).any(axis=-1)


def painted(picture, color):
    return (picture == color).all(axis=-1)


def test_the_image_is_not_changed():
    array, photo = gray(), Image.fromarray(gray())
    draw_detections(array, found([[10, 30, 60, 90]]))
    picture = draw_detections(photo, found([[10, 30, 60, 90]]))
    assert (array == GRAY).all()
    assert (np.asarray(photo) == GRAY).all()
    assert (picture.mode, picture.size) == ("RGB", (160, 120))


def test_nothing_found_gives_the_image():
    assert not changed(drawn(found([]).filter())).any()


def test_a_box_is_drawn_on_the_pixels_it_covers():
    picture = drawn(found([[10, 30, 60, 90]]), labels=False, scores=False, line_width=2)
    line = painted(picture, class_color(0))
    rows, columns = np.nonzero(line)
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (10, 30, 59, 89)
    assert line[30:32, 10:60].all()
    assert not changed(picture)[33:87, 13:57].any()
    assert not changed(picture)[:29].any()


def test_a_box_has_a_darker_outline_on_both_sides():
    picture = drawn(found([[10, 30, 60, 90]]), labels=False, scores=False, line_width=2)
    assert picture[29, 30].max() < GRAY
    assert picture[32, 30].max() < GRAY


def test_a_box_over_the_whole_image_is_seen():
    line = painted(drawn(found([[0, 0, 160, 120]]), labels=False, scores=False, line_width=1), class_color(0))
    assert line[0].all()
    assert line[-1].all()
    assert line[:, 0].all()
    assert line[:, -1].all()


def test_a_box_reaching_out_of_the_image_is_closed_at_its_border():
    line = painted(drawn(found([[-50, -1e6, 80, 60]]), labels=False, scores=False, line_width=1), class_color(0))
    assert line[0, :80].all()
    assert line[:60, 0].all()


@pytest.mark.parametrize("box", [[-90, 10, -10, 60], [160, 10, 190, 60], [10, 120, 60, 150]])
def test_a_box_outside_the_image_is_left_out(box):
    assert not changed(drawn(found([box]))).any()


def test_the_best_lies_on_top():
    picture = drawn(found([[10, 30, 60, 90]] * 2, class_ids=[3, 5]), labels=False, scores=False)
    assert painted(picture, class_color(3)).any()
    assert not painted(picture, class_color(5)).any()


def test_classes_have_different_colors():
    picture = drawn(found([[10, 30, 60, 90], [80, 30, 130, 90]], class_ids=[0, 1]))
    assert painted(picture, class_color(0))[:, :75].any()
    assert painted(picture, class_color(1))[:, 75:].any()


def test_tracks_have_their_own_colors_and_their_numbers_in_the_label(monkeypatch):
    labels = []
    monkeypatch.setattr("centernet.results.draw.draw_labels", lambda picture, made: labels.extend(made))
    boxes = [[10, 10, 40, 40], [60, 10, 90, 40], [110, 10, 140, 40]]
    picture = drawn(found(boxes, track_ids=[7, 0, -1]))
    colors = [class_color(7), class_color(0), draw.GRAY]
    for (left, top, *_), color in zip(boxes, colors, strict=True):
        assert tuple(picture[top, left]) == color
    assert [(label.text, label.color) for label in labels] == list(
        zip(["#7 class 0 0.90", "#0 class 0 0.70", "class 0 0.50"], colors, strict=True)
    )


def test_min_score_leaves_out_boxes():
    pair = found([[10, 30, 60, 90], [80, 30, 130, 90]], scores=[0.9, 0.3])
    assert not changed(drawn(pair, min_score=0.5))[:, 75:].any()
    assert changed(drawn(pair, min_score=0.3))[:, 75:].any()


def test_labels_and_scores_can_be_left_out_each():
    one = found([[10, 60, 150, 110]])
    widths = [changed(drawn(one, labels=a, scores=b))[:57].any(0).sum() for a, b in [(0, 0), (0, 1), (1, 0), (1, 1)]]
    assert widths[0] == 0
    assert 0 < widths[1] < widths[2] < widths[3]


def test_lines_and_labels_grow_with_the_image():
    small, large = found([[10, 60, 150, 110]]), found([[100, 600, 1500, 1100]], size=(1200, 1600))
    thin = painted(drawn(small, labels=False, scores=False), class_color(0))[:, 80].sum()
    thick = painted(drawn(large, labels=False, scores=False), class_color(0))[:, 800].sum()
    assert thick > 2 * thin
    assert changed(drawn(large))[:590].any(1).sum() > 1.5 * changed(drawn(small))[:58].any(1).sum()


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (12, 12), (30, 9)])
def test_tiny_and_extreme_images_are_drawn(size):
    height, width = size
    points = np.array([[[0, 0], [width, height]]] * 2)
    detections = found([[0, 0, width, height]] * 2, size=size, keypoints=points, skeleton=((0, 1),), class_ids=[0, 7])
    assert drawn(detections).shape == (height, width, 3)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.floats(-1e5, 1e5, width=32)] * 6), max_size=8))
def test_any_box_and_keypoint_is_drawn_without_failing(rows):
    numbers = np.array(rows, np.float32).reshape(-1, 6)
    points = np.stack([numbers[:, 2:4], numbers[:, 4:6]], axis=1)
    picture = drawn(found(numbers[:, :4], size=(40, 50), keypoints=points, skeleton=((0, 1),)))
    assert picture.shape == (40, 50, 3)


def test_an_image_of_another_size_is_refused():
    with pytest.raises(ConfigError, match=r"160x120.*50x40"):
        draw_detections(gray(40, 50), found([[1, 1, 9, 9]]))


def pose(scores=(1, 1, 1), **rest):
    return found(
        [[10, 10, 150, 110]],
        keypoints=[[[30, 30], [120, 30], [30, 90]]],
        keypoint_scores=[scores],
        keypoint_names=("left_hip", "left_knee", "right_hip"),
        skeleton=((0, 1), (0, 2)),
        **rest,
    )


def test_the_skeleton_connects_keypoints_that_score_enough():
    options = {"labels": False, "scores": False}
    both, one = changed(drawn(pose(), **options)), changed(drawn(pose((1, 1, 0.1)), **options))
    assert both[30, 75]
    assert both[60, 30]
    assert one[30, 75]
    assert not one[60, 30]
    assert not one[90, 30]
    assert changed(drawn(pose((1, 1, 0.1)), keypoint_min_score=0.1, **options))[60, 30]


def test_left_right_and_middle_have_their_colors():
    picture = drawn(pose(), labels=False, scores=False)
    left, right, middle = picture[30, 75], picture[90, 30], picture[60, 30]
    assert left[0] > left[2]
    assert right[2] > right[0]
    assert middle[1] > max(middle[0], middle[2])


def test_keypoints_can_be_left_out():
    plain = drawn(found([[10, 10, 150, 110]]))
    np.testing.assert_array_equal(drawn(pose(scores=(1, 1, 1)), keypoints=False), plain)


def test_a_heatmap_glows_where_it_is_hot():
    heat = np.zeros((12, 16))
    heat[6, 8] = 1
    picture = np.asarray(draw_heatmap(gray(), heat)).astype(int)
    assert picture.shape == (120, 160, 3)
    assert picture[65, 85].sum() > GRAY * 3 > picture[5, 5].sum()
    assert picture[65, 85, 0] > picture[65, 85, 2]


def test_a_heatmap_is_interpolated_and_spans_the_image():
    ramp = np.asarray(draw_heatmap(gray(), np.array([[0.0, 1.0]]), alpha=1)).astype(int).sum(-1)[60]
    assert ramp[0] < 20
    assert ramp[-1] > 600
    assert (np.diff(ramp) >= 0).all()
    assert np.diff(ramp).max() < 60


def test_alpha_weighs_the_heatmap():
    heat = np.full((2, 2), 0.5)
    np.testing.assert_array_equal(draw_heatmap(gray(), heat, alpha=0), gray())
    assert np.unique(draw_heatmap(gray(), heat, alpha=1), axis=1).shape[1] == 1


@pytest.mark.parametrize(
    ("heat", "alpha", "message"),
    [
        (np.full((4, 4), 3.0), 0.5, "probabilities 0–1.*3 to 3"),
        (np.full((4, 4), np.nan), 0.5, "nan"),
        (np.zeros((4, 4, 2)), 0.5, r"\(4, 4, 2\)"),
        (np.zeros((0, 4)), 0.5, r"\(0, 4\)"),
        (np.zeros((4, 4)), 2, "alpha.*2"),
    ],
)
def test_what_is_no_heatmap_is_refused(heat, alpha, message):
    with pytest.raises(ConfigError, match=message):
        draw_heatmap(gray(), heat, alpha)
