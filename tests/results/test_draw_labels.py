import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFont

from centernet.results.draw_labels import MAX_COVER, Label, draw_labels

COLOR = (80, 200, 120)


def picture(width=320, height=240):
    return Image.new("RGB", (width, height), "black")


def label(left=50, top=100, right=150, bottom=180, text="person 0.91", color=COLOR, font_size=12):
    return Label(text, (left, top, right, bottom), color, font_size)


def test_a_label_lies_on_top_of_its_object():
    ((left, _, _, bottom),) = draw_labels(picture(), [label()])
    assert (left, bottom) == (50, 100)


def test_at_the_top_edge_a_label_moves_inside():
    ((left, top, _, _),) = draw_labels(picture(), [label(top=3)])
    assert (left, top) == (50, 3)


def test_at_the_right_edge_a_label_moves_left():
    ((_, _, right, bottom),) = draw_labels(picture(), [label(left=310, right=318)])
    assert (right, bottom) == (320, 100)


def test_labels_of_the_same_object_do_not_cover_each_other():
    places = draw_labels(picture(), [label(), label(text="dog 0.80"), label(text="cat 0.70")])
    assert len(places) == 3
    for i, a in enumerate(places):
        for b in places[i + 1 :]:
            assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])


def test_labels_that_others_would_hide_are_left_out():
    assert len(draw_labels(picture(), [label()] * 20)) < 8


def test_labels_leave_most_of_the_picture_free():
    labels = [label(x, y, x + 8, y + 8) for y in range(20, 110, 15) for x in range(0, 150, 10)]
    places = draw_labels(picture(160, 120), labels)
    area = sum((right - left) * (bottom - top) for left, top, right, bottom in places)
    assert len(places) > 2
    assert area <= MAX_COVER * 160 * 120


def test_one_label_is_written_however_small_the_picture():
    assert len(draw_labels(picture(70, 20), [label(0, 0, 69, 19)])) == 1


def test_a_long_text_is_shortened_to_the_picture():
    image = picture(60, 40)
    ((left, _, right, _),) = draw_labels(image, [label(0, 20, 59, 39, text="fire hydrant 0.91")])
    assert 40 < right - left <= 60


def test_without_room_there_is_no_label():
    for size in ((300, 8), (4, 300)):
        image = picture(*size)
        assert draw_labels(image, [label(0, 0, size[0] - 1, size[1] - 1)]) == []
        assert not np.asarray(image).any()


def test_only_the_places_returned_are_painted():
    image = picture()
    ((left, top, right, bottom),) = draw_labels(image, [label()])
    painted = np.asarray(image).any(axis=-1)
    assert painted[top:bottom, left:right].mean() > 0.9
    painted[top:bottom, left:right] = False
    assert not painted.any()


@pytest.mark.parametrize("color", [(255, 255, 0), (0, 0, 90)])
def test_text_stands_out_from_its_background(color):
    image = picture()
    ((left, top, right, bottom),) = draw_labels(image, [label(color=color)])
    inside = np.asarray(image)[top:bottom, left:right].astype(int)
    difference = np.abs(inside - color).sum(-1)
    assert difference.max() > 350
    assert (difference == 0).mean() > 0.3


def test_pillow_without_freetype_has_labels_too(monkeypatch):
    plain = ImageFont.load_default_imagefont()
    monkeypatch.setattr("centernet.results.draw_labels._font", lambda size: plain)
    assert len(draw_labels(picture(), [label()])) == 1


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 200),
    st.integers(1, 200),
    st.lists(st.tuples(*[st.integers(0, 199)] * 4, st.text(max_size=30), st.integers(6, 40)), max_size=6),
)
def test_every_label_is_inside_the_picture(width, height, rows):
    labels = [
        label(
            min(a, b, width - 1),
            min(c, d, height - 1),
            min(max(a, b), width - 1),
            min(max(c, d), height - 1),
            t,
            font_size=s,
        )
        for a, b, c, d, t, s in rows
    ]
    for left, top, right, bottom in draw_labels(picture(width, height), labels):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
