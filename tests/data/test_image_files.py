"""Image files of a dataset: where they are found."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from centernet.data.check.images import image_facts
from centernet.data.dataset import Dataset
from centernet.data.image_files import photo_at, photos_folder, upright_size
from centernet.data.sample import Sample
from centernet.errors import SourceError
from centernet.images.reading import read_image


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


def noise(height, width, form="JPEG", mode="RGB", **options):
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def rotated(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


PHOTOS = {
    "jpeg": noise(50, 49),
    "png": noise(50, 49, "PNG"),
    "gray": noise(50, 49, mode="L"),
    "cmyk": noise(50, 49, mode="CMYK"),
    "progressive": noise(50, 49, progressive=True),
    "a pixel": noise(1, 1),
    **{f"orientation {number}": noise(50, 49, exif=rotated(number)) for number in range(1, 9)},
    "broken EXIF": noise(50, 49, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff broken"),
}


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("data", PHOTOS.values(), ids=PHOTOS.keys())
def test_sizes_of_headers_and_of_the_check_are_those_of_the_pixels(data):
    sample = Sample(data, np.zeros((0, 4)), np.zeros(0), 1)
    size = read_image(data).image.shape[:2]
    assert upright_size(data) == size
    assert image_facts(Dataset((sample,), ("cat",)), read=True)[0].size == size


def test_unreadable_exif_loses_no_size(monkeypatch):
    def getexif(self):
        raise ValueError("not a TIFF file")

    monkeypatch.setattr("PIL.Image.Image.getexif", getexif)
    assert upright_size(PHOTOS["png"]) == (50, 49)


@pytest.mark.parametrize("name", ["jpeg", "progressive", "cmyk"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_reduced_reading_refuses_what_reading_refuses(name, share):
    data = PHOTOS[name][: int(share * len(PHOTOS[name]))]
    errors = []
    for reduced in (False, True):
        with pytest.raises(SourceError) as error:
            read_image(data, reduced=reduced)
        errors.append(str(error.value))
    assert errors[0] == errors[1]
