"""`centernet check`, as a user types it."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from centernet.cli.app import main
from centernet.data import synthetic, write
from centernet.data.check.sheet import TILE


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CENTERNET_DEBUG", "0")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    logger = logging.getLogger("centernet")
    before = logger.handlers[:], logger.level, logger.propagate

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["centernet", "check", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    yield run
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def data(tmp_path):
    write(synthetic.shapes(10, (96, 128), min_objects=3), tmp_path / "data", format="coco")
    return tmp_path / "data"


def change(data, edit):
    file = data / "instances.json"
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_a_fine_dataset(call, data):
    code, out, err = call(data, "--json", "all.json")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("data (all): 10 images, ")
    verdict, sheet, title, line = out.splitlines()[-4:]
    assert (verdict, sheet, title) == ("Verdict: fine.", "Contact sheet: contact_sheet.jpg", "Train in Python:")
    assert line.startswith(f"train, validation = centernet.data.load({str(data)!r}); centernet.load(")
    compile(line, "line", "exec")
    values = json.loads(Path("all.json").read_text())
    assert (values["format"], values["verdict"], values["images"]) == ("coco", "fine", 10)
    with Image.open("contact_sheet.jpg") as sheet:
        assert sheet.size[0] > 4 * TILE[0]


def test_problems_that_training_survives_are_named_and_the_exit_code_is_0(call, data):
    photos = sorted((data / "images").iterdir())
    photos[3].write_bytes(photos[3].read_bytes()[:500])
    photos[4].unlink()

    def spoil(content):
        content["annotations"][0]["bbox"][2] = 0
        content["annotations"][1]["category_id"] = 77
        content["annotations"].append({**content["annotations"][2], "image_id": 1000})

    change(data, spoil)
    code, out, err = call(data)
    assert (code, err) == (0, "")
    assert f"1 image is missing: {photos[4]}\n" in out
    assert f"1 image is truncated: {photos[3]}\n" in out
    assert "1 box has no width or no height, in 1 image: 0" in out
    assert "1 object has a class that the dataset doesn't name, in 1 image: 0" in out
    assert "1 of " in out
    assert "annotations belong to no image" in out
    assert "Verdict: can be trained with 5 problems." in out


def test_what_prevents_training_gives_exit_code_1(call, data):
    def corners(content):
        for row in content["annotations"]:
            x, y, width, height = row["bbox"]
            row["bbox"] = [x, y, x + width, y + height]

    change(data, corners)
    code, out, err = call(data, "--no-images", "-o", "sheet.png")
    assert (code, err) == (1, "")
    assert "Verdict: can't be trained, because " in out
    assert "(xyxy read as xywh)" in out
    assert "(images were not read)" in out
    assert Path("sheet.png").is_file()


def test_a_dataset_whose_images_are_all_damaged_is_reported_and_drawn(call, data):
    for photo in (data / "images").iterdir():
        photo.write_bytes(b"no image")
    for options in ([], ["--augmented"]):
        code, out, err = call(data, *options)
        assert (code, err) == (1, "")
        assert "Verdict: can't be trained, because no images can be read." in out
    assert Path("contact_sheet.jpg").is_file()


def test_everything_may_go_to_the_standard_output(call, data):
    code, out, err = call(data, "--json", "-")
    assert code == 0
    assert json.loads(out)["verdict"] == "fine"
    assert "Verdict: fine." in err
    assert not Path("-").exists()


def test_figures_are_for_the_input_size(call, data):
    for text, size in (("64", [64, 64]), ("384x512", [384, 512])):
        assert call(data, "--size", text, "--json", "all.json")[0] == 0
        assert json.loads(Path("all.json").read_text())["input_size"] == size


RECIPE = """
model:
  name: shapes
  backbone: {name: hourglass}
  preprocessing: {size: [64, 80]}
data: {path: data, classes: [star, triangle, square, circle]}
training:
  seed: 3
  augmentation: {horizontal_flip: 0.5, crop: [0.8, 1.0], mosaic: 0.5}
"""


def test_augmented_images_are_drawn_by_a_recipe(call, data):
    Path("recipe.yaml").write_text(RECIPE)
    photo = next((data / "images").iterdir())
    photo.write_bytes(b"no image")
    code, _, err = call(data, "--augmented", "recipe.yaml", "--json", "all.json", "-o", "a.png")
    assert (code, err) == (0, "")
    values = json.loads(Path("all.json").read_text())
    assert values["input_size"] == [64, 80]
    assert [one["name"] for one in values["classes"]] == ["star", "triangle", "square", "circle"]
    call(data, "recipe.yaml", "-o", "plain.png")
    assert call(data, "--augmented", "recipe.yaml", "-o", "b.png")[0] == 0
    a, b, plain = (np.asarray(Image.open(name)) for name in ("a.png", "b.png", "plain.png"))
    assert (a == b).all()
    assert a.shape != plain.shape or (a != plain).mean() > 0.1


def test_augmented_images_are_drawn_as_the_published_models_were_trained(call, tmp_path):
    write(synthetic.shapes(3, (64, 64), keypoints=True), tmp_path / "data", format="coco")
    code, out, err = call("data", "--size", 64, "--augmented")
    assert (code, err) == (0, "")
    assert "Contact sheet: contact_sheet.jpg" in out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such file"),
        (["data", "--split", "dev"], "split='dev'"),
        (["data", "--size", "big"], "--size expected pixels as in 512"),
        (["data", "--size", "2"], "input_size of height and width from 4 pixels"),
        (["data", "--out", "sheet.txt"], "--out expected the name of an image file"),
        (["data", "--out", "data/images/0.png"], "--out expected a file that is not an image of the dataset"),
        (["data", "--json", "data"], "--json expected a file"),
        (["data", "no.yaml"], "no.yaml"),
    ],
)
def test_mistakes_in_the_call_are_one_line(call, data, arguments, message):
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line
