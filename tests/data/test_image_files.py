"""Image files of a dataset: where they are found."""

from __future__ import annotations

import pytest

from centernet.data.image_files import photo_at, photos_folder


@pytest.fixture
def place(tmp_path):
    for name in ("data/a.jpg", "data/sub/b.jpg", "data/images/sub/c.jpg", "outside.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("name", "photo"),
    [
        ("a.jpg", "a.jpg"),
        ("sub/b.jpg", "sub/b.jpg"),
        ("sub\\b.jpg", "sub/b.jpg"),
        (".\\sub\\b.jpg", "sub/b.jpg"),
        ("images\\sub/c.jpg", "images/sub/c.jpg"),
        ("sub\\gone.jpg", "sub\\gone.jpg"),
        ("..\\outside.jpg", "..\\outside.jpg"),
        ("sub\\..\\..\\outside.jpg", "sub\\..\\..\\outside.jpg"),
        ("\\etc\\hostname", "\\etc\\hostname"),
    ],
)
def test_names_of_windows_are_found_inside(place, name, photo):
    assert photo_at(place, name) == place / photo


def test_roots_of_names_of_windows_are_not_followed(place):
    name = "x\\" + str(place / "a.jpg")
    assert photo_at(place / "sub", name) == place / "sub" / name


def test_a_file_that_has_such_a_name_goes_before(place):
    (place / "sub\\b.jpg").touch()
    assert photo_at(place, "sub\\b.jpg") == place / "sub\\b.jpg"


def test_folders_are_found_by_them(place):
    assert photos_folder([place, place / "images"], ["sub\\c.jpg"]) == place / "images"
