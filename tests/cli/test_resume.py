"""`centernet detect --resume`: what a run that ended early, in whatever way, is continued from."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from centernet import PointDetector

OPTIONS = ("--min-score", 0.1, "--max-detections", 3, "--json", "all.json", "--coco", "coco.json", "--resume")


@pytest.fixture
def photos(tmp_path, make_photo):
    for number in range(6):
        make_photo(tmp_path / "photos" / f"{'b' if number % 2 else 10 + number}{number}.png", number)
    return tmp_path / "photos"


def outputs():
    """JSON rows, COCO rows and pictures."""
    rows = [json.loads(Path(name).read_text()) for name in ("all.json", "coco.json")]
    pictures = {path.name: np.asarray(Image.open(path)) for path in Path("found").glob("[!.]*")}
    return *rows, pictures


def same(found, expected):
    assert found[:2] == expected[:2]
    assert found[2].keys() == expected[2].keys()
    assert all(np.array_equal(picture, expected[2][name]) for name, picture in found[2].items())
    assert len(os.listdir("found")) == len(expected[2]) + 1  # the journal


@pytest.fixture
def whole(run, tiny, photos):
    """The outputs of a run that is not interrupted."""
    assert run("detect", "photos", "--model", tiny, *OPTIONS).code == 0
    expected = outputs()
    assert (len(expected[0]), len(expected[2])) == (6, 6)
    shutil.rmtree("found")
    for name in ("all.json", "coco.json"):
        Path(name).unlink()
    return expected


def stop_at(monkeypatch, number):
    """Interrupt the detection of an image."""
    real, calls = PointDetector.infer, []

    def infer(self, images, **options):
        calls.append(len(images))
        if len(calls) == number:
            raise KeyboardInterrupt
        return real(self, images, **options)

    monkeypatch.setattr(PointDetector, "infer", infer)
    return calls


def test_it_gives_what_a_run_without_it_gives(run, tiny, photos, whole):
    assert run("detect", "photos", "--model", tiny, *OPTIONS[:-1]).code == 0
    found = outputs()
    assert found[:2] == whole[:2]
    assert sorted(os.listdir("found")) == sorted(whole[2])


@pytest.mark.parametrize("first", [OPTIONS, OPTIONS[:-1]], ids=["resume", "plain"])
@pytest.mark.parametrize("draw", [True, False])
def test_an_interrupted_run_is_continued(run, tiny, photos, whole, monkeypatch, draw, first):
    options, first = ((*some, *(() if draw else ("--no-draw",))) for some in (OPTIONS, first))
    with monkeypatch.context() as patch:
        stop_at(patch, 3)
        assert run("detect", "photos", "--model", tiny, *first).code == 130
    assert len(json.loads(Path("all.json").read_text())) == 2
    calls = stop_at(monkeypatch, None)
    done = run("detect", "photos", "--model", tiny, *options)
    assert (done.code, done.err) == (0, "Left out: 2 images that are done.\n")
    assert len(calls) == 4
    if draw:
        same(outputs(), whole)
    else:
        assert [json.loads(Path(name).read_text()) for name in ("all.json", "coco.json")] == list(whole[:2])
        assert not Path("found").exists()
    again = run("detect", "photos", "--model", tiny, *options)
    assert again.code == 0
    assert len(calls) == 4
    assert json.loads(Path("all.json").read_text()) == whole[0]


@pytest.mark.parametrize("first", [OPTIONS, OPTIONS[:-1]], ids=["resume", "plain"])
def test_a_killed_run_is_continued(run, tiny, photos, whole, first):
    slow = (
        "import time; from centernet.results.draw import draw_detections as real\n"
        "import centernet.results.detections as d\n"
        "d.draw_detections = lambda *a, **k: (time.sleep(0.3), real(*a, **k))[1]\n"
        "from centernet.cli.app import main; main()"
    )
    command = [sys.executable, "-c", slow, "detect", "photos", "--model", str(tiny), *map(str, first)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while len(list(Path("found").glob("[!.]*")) if Path("found").exists() else ()) < 3:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(Path("all.json").read_text())
    done = run("detect", "photos", "--model", tiny, *OPTIONS)
    assert done.code == 0
    assert done.err.startswith("Left out: ")
    same(outputs(), whole)


@pytest.mark.parametrize("cut", [1, 5, 60, 200])
@pytest.mark.parametrize("name", ["all.json", "coco.json", "found/.centernet-detect.jsonl"])
def test_a_row_that_is_half_written_is_written_again(run, tiny, photos, whole, name, cut):
    assert run("detect", "photos", "--model", tiny, *OPTIONS).code == 0
    text = Path(name).read_bytes()
    Path(name).write_bytes(text[:-cut])
    assert run("detect", "photos", "--model", tiny, *OPTIONS).code == 0
    same(outputs(), whole)


def test_a_picture_that_is_missing_is_drawn_again_and_its_row_replaced(run, tiny, photos, whole):
    assert run("detect", "photos", "--model", tiny, *OPTIONS).code == 0
    Path("found/b3.png").unlink()
    done = run("detect", "photos", "--model", tiny, *OPTIONS)
    assert done.err == "Left out: 5 images that are done.\n"
    rows, coco, pictures = outputs()
    by_source = {row["source"]: row for row in rows}
    assert (len(rows), by_source) == (6, {row["source"]: row for row in whole[0]})
    assert len(coco) == len(whole[1])
    assert len({row["image_id"] for row in coco}) == 6
    assert pictures.keys() == whole[2].keys()


def test_an_image_that_failed_is_tried_again(run, tiny, photos, whole):
    content = (photos / "b1.png").read_bytes()
    (photos / "b1.png").write_bytes(b"no image")
    assert run("detect", "photos", "--model", tiny, *OPTIONS).code == 1
    (photos / "b1.png").write_bytes(content)
    done = run("detect", "photos", "--model", tiny, *OPTIONS)
    assert (done.code, done.err) == (0, "Left out: 5 images that are done.\n")
    rows = outputs()[0]
    assert sorted(row["source"] for row in rows) == sorted(row["source"] for row in whole[0])
    assert not any("error" in row for row in rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--min-score", 0.2), "min_score=0.2 instead of 0.1"),
        (("--flip",), "test_time={'flip': True"),
        (("--coco", "other.json"), "coco='"),
        (("--show-heatmap",), "show_heatmap=True instead of False"),
    ],
)
def test_other_settings_are_refused_and_nothing_is_changed(run, tiny, photos, whole, change, message):
    assert run("detect", "photos", "--model", tiny, *OPTIONS).code == 0
    done = run("detect", "photos", "--model", tiny, *OPTIONS, *change)
    assert done.code == 2
    assert message in done.error
    same(outputs(), whole)


def test_so_are_other_weights_under_the_same_name(run, tiny, photos, compiled):
    compiled.save("own")
    assert run("detect", "photos", "--model", "own", *OPTIONS).code == 0
    compiled.get_layer("heatmap_0").bias.assign_add([0.1, 0.1])
    try:
        compiled.save("own")
    finally:
        compiled.get_layer("heatmap_0").bias.assign_sub([0.1, 0.1])
    done = run("detect", "photos", "--model", "own", *OPTIONS)
    assert done.code == 2
    assert "weights='" in done.error


@pytest.mark.parametrize("text", ['{"a": 1}', "[1, 2]", "hello", '[\n {"source":\n "x"}]', '[\n{"image": 1}\n]'])
def test_a_file_of_another_form_is_refused(run, tiny, photos, text):
    Path("all.json").write_text(text)
    done = run("detect", "photos", "--model", tiny, *OPTIONS)
    assert done.code == 2
    assert "all.json without it" in done.error
    Path("all.json").unlink()
    assert run("detect", "photos", "--model", tiny, *OPTIONS).code == 0
    Path("all.json").write_text(text)
    done = run("detect", "photos", "--model", tiny, *OPTIONS)
    assert done.code == 2
    assert "all.json" in done.error
    assert Path("all.json").read_text() == text


@pytest.mark.parametrize(
    "text", ["", "{}\n", "hello\n", '{"settings": 3}\n{}\n', '{"settings": {}}\n{"source": 1}\n{}\n']
)
def test_a_journal_of_another_form_is_refused_or_empty(run, tiny, photos, text):
    Path("found").mkdir()
    Path("found/.centernet-detect.jsonl").write_text(text)
    done = run("detect", "photos", "--model", tiny, *OPTIONS)
    assert done.code == (2 if text else 0)
    assert not text or ".centernet-detect.jsonl" in done.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("photos", "--no-draw"), "--no-draw alone"),
        (("photos", "--json", "-"), "Received: -"),
        (("photos", "--json", "/dev/null"), "Received: /dev/null"),
        (("photos", "photos"), "more than once"),
        (("photos", "missing.png"), "missing.png"),
    ],
)
def test_what_can_t_be_resumed_is_refused(run, tiny, photos, arguments, message):
    done = run("detect", *arguments, "--model", tiny, "--resume")
    assert done.code in (1, 2)
    assert message in done.error
