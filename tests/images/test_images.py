import io
import logging
import os
import pathlib
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from centernet.errors import ConfigError, SourceError
from centernet.images.reading import read_image

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def halves():
    """Left half red, right half blue, 8x4."""
    image = Image.new("RGB", (8, 4), RED)
    image.paste(BLUE, (4, 0, 8, 4))
    return image


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(width=200, height=120):
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8))


def test_every_kind_of_source_gives_the_same_pixels(halves, tmp_path):
    path = tmp_path / "halves.png"
    halves.save(path)
    expected = np.asarray(halves)
    with open(path, "rb") as file:
        for source in (
            str(path),
            path,
            halves,
            expected,
            path.read_bytes(),
            file,
            memoryview(path.read_bytes()),
        ):
            np.testing.assert_array_equal(read_image(source).image, expected)


def test_objects_that_give_an_array_are_read():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.full((2, 3, 3), 7, np.uint8)

    assert read_image(Tensor()).image.shape == (2, 3, 3)


def test_names_come_from_the_source_or_the_caller(halves, tmp_path):
    path = tmp_path / "halves.png"
    halves.save(path)
    assert read_image(path).name == str(path)
    assert read_image(Image.open(path)).name == str(path)
    assert read_image(halves).name == "image"
    assert read_image(halves, name="mine").name == "mine"
    with open(path, "rb") as file:
        assert read_image(file).name == str(path)


def test_home_is_expanded(halves, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    halves.save(tmp_path / "halves.png")
    assert read_image("~/halves.png").image.shape == (4, 8, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(halves, orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    halves.save(tmp_path / "turned.png", exif=exif)
    upright = read_image(tmp_path / "turned.png").image
    red_first = orientation in (1, 4, 5, 6)
    assert upright.shape == ((4, 8, 3) if orientation < 5 else (8, 4, 3))
    assert tuple(upright[0, 0]) == (RED if red_first else BLUE)


def test_orientation_of_a_pil_image_leaves_it_unchanged(halves, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    halves.save(tmp_path / "turned.png", exif=exif)
    image = Image.open(tmp_path / "turned.png")
    assert read_image(image).image.shape == (8, 4, 3)
    assert image.size == (8, 4)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_broken_exif_does_not_lose_the_image(halves):
    data = encoded(halves, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff broken")
    assert read_image(data).image.shape == (4, 8, 3)


def test_unreadable_exif_is_ignored_with_a_warning(halves, caplog, monkeypatch):
    def getexif(self):
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr("PIL.Image.Image.getexif", getexif)
    assert read_image(halves, name="photo").image.shape == (4, 8, 3)
    assert "photo: unreadable EXIF orientation ignored: not a TIFF file" in caplog.text


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20_000, 3), (3, 20_000)])
def test_extreme_shapes_are_read(width, height):
    assert read_image(encoded(Image.new("RGB", (width, height)))).image.shape == (height, width, 3)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_is_read_with_a_warning(form, caplog):
    frames = [Image.new("RGB", (6, 4), color) for color in (RED, BLUE)]
    options = {"lossless": True} if form == "WEBP" else {}
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
    with caplog.at_level(logging.WARNING, "centernet"):
        frame = read_image(data, name="moving")
    assert tuple(frame.image[0, 0]) == RED
    assert "moving: has several frames" in caplog.text


def test_a_single_frame_is_no_animation(halves, caplog):
    read_image(encoded(halves, "GIF"))
    assert not caplog.text


def test_transparent_palette_png_lies_on_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert read_image(encoded(image, transparency=1)).image[0].tolist() == [list(RED), [255] * 3]


def test_16_bit_png_keeps_its_brightness():
    gray = np.array([[0, 32896, 65535]], np.uint16)
    assert read_image(encoded(Image.fromarray(gray))).image[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk_jpeg_keeps_its_colors():
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert np.abs(read_image(data).image[8, 8].astype(int) - RED).max() < 8


def test_similar_names_are_suggested_for_a_missing_file(halves, tmp_path):
    halves.save(tmp_path / "street.png")
    with pytest.raises(SourceError, match=r"stret\.png: no such file.*Did you mean street\.png"):
        read_image(tmp_path / "stret.png")
    with pytest.raises(SourceError, match="nor its folder"):
        read_image(tmp_path / "nowhere" / "street.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"no image at all, only text" * 9, "another kind"),
        (encoded(noise(), "JPEG")[:3000], "damaged"),
        (encoded(noise(), "JPEG", progressive=True)[:3000], "damaged"),
        (encoded(noise())[:3000], "damaged"),
        (encoded(noise(), "WEBP")[:3000], "damaged|another kind"),
        (encoded(noise(), "GIF")[:3000], "damaged"),
        (encoded(noise(), "BMP")[:3000], "damaged"),
    ],
    ids=["empty", "text", "jpeg", "progressive", "png", "webp", "gif", "bmp"],
)
def test_damaged_files_and_other_files_are_refused(content, message, tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(content)
    for source in (path, content):
        with pytest.raises(SourceError, match=message):
            read_image(source)


def test_errors_name_the_file_once(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    with pytest.raises(SourceError) as caught:
        read_image(path)
    assert str(caught.value).count(str(path)) == 1


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(SourceError, match="folder"):
        read_image(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions don't bind this user")
def test_an_unreadable_file_is_refused(halves, tmp_path):
    halves.save(tmp_path / "secret.png")
    (tmp_path / "secret.png").chmod(0)
    with pytest.raises(SourceError, match="Permission"):
        read_image(tmp_path / "secret.png")


@pytest.mark.parametrize("source", [None, 5.5, {"image": 1}, object()])
def test_other_types_are_refused_with_the_accepted_ones(source):
    with pytest.raises(SourceError, match=f"expected a path.*{type(source).__name__}"):
        read_image(source)


def test_a_text_file_object_is_refused(tmp_path):
    with pytest.raises(SourceError, match="binary"):
        read_image(io.StringIO("text"))


def test_a_path_with_a_null_byte_is_refused():
    with pytest.raises(SourceError, match="no such file"):
        read_image("a\0b.jpg")


def test_a_closed_pil_image_is_refused(halves, tmp_path):
    halves.save(tmp_path / "halves.png")
    image = Image.open(tmp_path / "halves.png")
    image.close()
    with pytest.raises(SourceError):
        read_image(image)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(SourceError, match="at least one pixel"):
        read_image(Image.new("RGB", (0, 5)))


def bomb(width, height):
    """The header of a PNG that claims a size, without any pixels."""
    data = bytearray(encoded(Image.new("1", (1, 1))))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def test_a_decompression_bomb_is_refused_with_its_size_before_decoding(monkeypatch):
    def load(self):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(SourceError, match=r"3600000000|3,600,000,000"):
        read_image(bomb(60_000, 60_000))
    with pytest.raises(SourceError, match=r"at most 1,000 pixels. Received: 100x100 = 10,000.*max_pixels"):
        read_image(bomb(100, 100), max_pixels=1000)


def test_the_pixel_limit_comes_from_the_environment(monkeypatch, halves):
    monkeypatch.setenv("CENTERNET_MAX_PIXELS", "31")
    with pytest.raises(SourceError, match="at most 31 pixels"):
        read_image(halves)
    monkeypatch.setenv("CENTERNET_MAX_PIXELS", "many")
    with pytest.raises(ConfigError, match="many"):
        read_image(halves)


def test_a_higher_limit_leaves_pillows_own_as_it_was(monkeypatch, halves):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(SourceError, match="20 pixels"):
        read_image(encoded(halves), max_pixels=15)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(encoded(halves), max_pixels=100).image.shape == (4, 8, 3)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_path_objects_and_strings_are_alike(halves, tmp_path):
    halves.save(tmp_path / "a b ü.png")
    assert read_image(pathlib.Path(tmp_path) / "a b ü.png").image.shape == (4, 8, 3)
