import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from centernet.errors import ConfigError, SourceError
from centernet.images.sources import Frame, kind_of, natural_key, open_source, read_images


@pytest.fixture
def folder(tmp_path):
    """Holds image1, 2 and 10, a text file, a hidden image and a subfolder with another image."""
    for shade, name in enumerate(["image10.png", "image2.jpg", "image1.PNG", ".hidden.png", "sub/image3.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 3), (shade,) * 3).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("text")
    return tmp_path


def names(source, **options):
    return [Path(frame.name).name for frame in read_images(source, **options)]


def gray(value=0):
    return np.full((3, 4, 3), value, np.uint8)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (gray(), "single"),
        (Image.new("L", (1, 1)), "single"),
        (b"bytes", "single"),
        (io.BytesIO(), "single"),
        ("street.jpg", "single"),
        (Path("street.jpg"), "single"),
        ("https://example.org/a.jpg", "single"),
        ("https://example.org/a*.mp4?x=[1]", "single"),
        (True, "single"),
        ([], "list"),
        (("a.jpg", gray()), "list"),
        ("photos/*.jpg", "stream"),
        ("clip.MP4", "stream"),
        (Path("clip.mov"), "stream"),
        (0, "stream"),
        (np.int64(1), "stream"),
        ("0", "stream"),
        (iter([]), "stream"),
    ],
)
def test_sources_are_classified_without_being_read(source, kind):
    assert kind_of(source) == kind


def test_a_folder_is_a_stream_even_with_a_dot(tmp_path):
    (tmp_path / "photos.mp4").mkdir()
    assert kind_of(tmp_path / "photos.mp4") == "stream"


def test_a_file_called_like_a_camera_or_pattern_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("7", "photo[1].png"):
        Image.new("RGB", (4, 3)).save(name, "PNG")
        assert kind_of(name) == "single"
        assert names(name) == [name]


def test_a_folder_gives_its_images_in_natural_order(folder):
    assert names(folder) == ["image1.PNG", "image2.jpg", "image10.png"]
    assert open_source(folder).total == 3


def test_any_names_have_an_order():
    ordered = ["1.jpg", "2.jpg", "a1.jpg", "a.jpg", "a.jpg2.jpg", "a²1.jpg"]
    for shuffled in (ordered[::-1], ordered[3:] + ordered[:3]):
        assert sorted(shuffled, key=natural_key) == ordered


def test_a_pattern_gives_images_and_with_two_asterisks_subfolders(folder):
    assert names(f"{folder}/*.png") == ["image10.png"]
    assert names(f"{folder}/**/*.png") == ["image10.png", "image3.png"]
    assert names(f"{folder}/*") == ["image1.PNG", "image2.jpg", "image10.png"]


@pytest.mark.parametrize(("pattern", "message"), [("sub/none*.jpg", "no other files"), ("*.txt", "1 other files")])
def test_a_pattern_without_images_is_refused(folder, pattern, message):
    with pytest.raises(SourceError, match=message):
        open_source(f"{folder}/{pattern}")


def test_a_folder_without_images_says_how_to_read_subfolders(folder):
    (folder / "empty").mkdir()
    with pytest.raises(SourceError, match=r"no other files.*\*\*"):
        read_images(folder / "empty")


def test_images_are_read_one_at_a_time(folder):
    frames = read_images([folder / "image1.PNG", folder / "missing.png"])
    assert next(frames).image.shape == (3, 4, 3)
    with pytest.raises(SourceError, match="missing"):
        next(frames)


def test_items_without_a_name_are_numbered(folder):
    mixed = [gray(), str(folder / "image1.PNG"), Image.new("RGB", (2, 2))]
    assert names(mixed) == ["image[0]", "image1.PNG", "image[2]"]
    assert names(gray()) == ["image"]


def test_an_array_is_not_copied():
    array = gray(5)
    (frame,) = read_images(array)
    assert isinstance(frame, Frame)
    assert frame.image is array


def test_an_iterator_is_a_stream_of_unknown_length():
    source = open_source(gray(i) for i in range(3))
    assert (source.kind, source.total) == ("stream", None)
    assert [frame.image[0, 0, 0] for frame in source.frames()] == [0, 1, 2]


def test_skipping_reports_each_failure_and_goes_on(folder, caplog):
    (folder / "image3.png").write_bytes(b"")
    (folder / "image4.jpg").write_bytes((folder / "image2.jpg").read_bytes()[:-100])
    failures = []
    assert names(folder, on_error="skip", failures=failures) == ["image1.PNG", "image2.jpg", "image10.png"]
    assert [Path(str(failure).split(": ")[0]).name for failure in failures] == ["image3.png", "image4.jpg"]
    assert all(isinstance(failure, SourceError) for failure in failures)
    assert caplog.text.count("skipped") == 2


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), "missing.jpg", None, [gray()]])
def test_skipping_in_a_list_keeps_the_others(bad):
    failures = []
    assert names([gray(), bad, gray()], on_error="skip", failures=failures) == ["image[0]", "image[2]"]
    assert len(failures) == 1


def test_by_default_the_first_failure_is_raised():
    with pytest.raises(SourceError, match=r"image\[1\]: expected a uint8 RGB array"):
        list(read_images([gray(), np.zeros((3, 3))]))


def test_the_pixel_limit_reaches_every_image(folder):
    failures = []
    assert names(folder, on_error="skip", failures=failures, max_pixels=11) == []
    assert len(failures) == 3


def test_a_folder_in_a_list_is_refused(folder):
    with pytest.raises(SourceError, match="outside a list"):
        list(read_images([folder]))


def test_an_unknown_on_error_is_refused():
    with pytest.raises(ConfigError, match="'ignore'"):
        list(read_images(gray(), on_error="ignore"))


def test_frames_can_be_read_twice(folder):
    source = open_source(folder)
    assert len(list(source.frames())) == len(list(source.frames())) == 3


def test_importing_sources_loads_no_framework_and_no_video():
    code = "import sys, centernet.images.sources; print([n for n in ('keras', 'tensorflow', 'av') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_repr_names_the_source_without_its_pixels():
    (frame,) = read_images(gray())
    assert repr(frame) == "Frame('image', 4x3)"
    assert repr(open_source([gray()])) == "Source(kind='list', name='image', total=1, fps=None)"
