import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from centernet import Detections
from centernet.cli.outputs import DrawnImages, JsonArray, coco_image_id


def save(folder, sources, inputs=(), tails=("",)):
    pictures = DrawnImages(folder, dict.fromkeys(tails, lambda _: Image.new("RGB", (2, 2))), inputs)
    for source in sources:
        pictures.save(Detections.empty((2, 2), source=source))
    return sorted(path.name for path in folder.iterdir())


@given(names=st.lists(st.sampled_from(["a.jpg", "A.jpg", "a.png", "a-2.jpg", "a_heatmap.jpg", "x/a.jpg"])))
def test_every_picture_has_a_file_of_its_own(tmp_path_factory, names):
    files = save(tmp_path_factory.mktemp("out"), names, tails=("", "_heatmap"))
    assert len({file.casefold() for file in files}) == 2 * len(names)


def test_jpeg_stays_jpeg_and_everything_else_becomes_png(tmp_path):
    assert save(tmp_path, ["a.JPEG", "b.webp", "c.gif"]) == ["a.jpg", "b.png", "c.png"]
    assert Image.open(tmp_path / "a.jpg").format == "JPEG"


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("https://host/photos/cat%20one.jpg?size=2", "cat_one.png"),
        ("https://host/", "image.png"),
        ("https://host/..%2F..%2Fetc", "etc.png"),
        ("https://host/" + "x" * 300, "x" * 120 + ".png"),
        ("rtsp://***@camera/live/gate?***", "gate.png"),
        ("udp://239.0.0.1:5000", "239_0_0_1_5000.png"),
        ("/folder/my photo.v2.png", "my photo.v2.png"),
    ],
)
def test_files_are_named_after_sources(tmp_path, source, file):
    assert save(tmp_path, [source]) == [file]


def test_inputs_elsewhere_take_no_names(tmp_path):
    assert save(tmp_path, ["a.png"], inputs=[tmp_path.parent / "a.png"]) == ["a.png"]
    assert save(tmp_path, ["a.png"], inputs=[tmp_path / "a.png"]) == ["a-2.png", "a.png"]


def test_a_picture_that_can_t_be_written_is_named(tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(OSError, match="can't be written: Is a directory") as error:
        save(tmp_path, ["a.png"])
    assert error.value.filename == str(tmp_path / "a.png")


@given(rows=st.lists(st.dictionaries(st.text(max_size=3), st.integers() | st.text())))
def test_a_json_array_holds_its_rows(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("json") / "all.json"
    with JsonArray(path) as file:
        for row in rows:
            file.append(row)
    assert json.loads(path.read_text("utf-8")) == rows


def test_a_json_array_is_whole_after_an_interrupt(tmp_path):
    def interrupted():
        with JsonArray(tmp_path / "all.json") as file:
            file.append({"a": 1})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert json.loads((tmp_path / "all.json").read_text()) == [{"a": 1}]


def test_images_with_a_number_as_name_have_it_as_id():
    assert coco_image_id("val2017/000000000139.jpg", 7) == 139
    assert coco_image_id("val2017/street_139.jpg", 7) == 7
