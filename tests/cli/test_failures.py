import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from centernet import Detections, PointDetector, load


def test_a_detection_in_its_own_process_is_not_noisy(tiny, photo):
    command = [sys.executable, "-m", "centernet.cli.app", "detect", photo, "--model", tiny, "--min-score", "0"]
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=photo.parent, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "100 " in done.stdout or "cat" in done.stdout
    assert (photo.parent / "found" / "photo.jpg").is_file()


def test_what_can_t_be_read_is_reported_and_the_others_are_not_lost(run, tiny, photo, tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:500])
    bad = ["phot.jpg", "empty.jpg", "text.jpg", "cut.jpg", "none/*.png", "missing.mp4"]
    options = ["--model", tiny, "--json", "all.json", "--batch-size", 4]
    done = run("detect", *bad, photo, *options)
    assert done.code == 1
    title, *reasons = done.err.splitlines()
    assert title == "6 failed, 1 succeeded:"
    assert sorted(reason.split(":")[0].strip() for reason in reasons) == sorted(bad)
    assert "Did you mean photo.jpg" in done.err
    assert "0 bytes" in done.err
    rows = json.loads(Path("all.json").read_text())
    assert sorted(row["source"] for row in rows if "error" in row) == sorted(bad)
    assert [row["source"] for row in rows if "objects" in row] == [str(photo)]
    assert os.listdir("found") == ["photo.jpg"]


def test_a_camera_that_is_not_there_is_reported_and_the_others_are_not_lost(run, tiny, photo):
    pytest.importorskip("av")
    done = run("detect", "99", photo, "--model", tiny, "--json", "all.json")
    assert done.code == 1
    assert done.err.splitlines()[0] == "1 failed, 1 succeeded:"
    first, second = json.loads(Path("all.json").read_text())
    assert first["source"] == "camera 99"
    assert first["error"].startswith("camera 99: no camera there")
    assert second["source"] == str(photo)
    assert os.listdir("found") == ["photo.jpg"]


def test_nothing_is_loaded_for_sources_that_are_all_missing(run):
    done = run("detect", "missing.jpg", "--model", "centernet_hg104_512x512_coco17_tpu-8")
    assert done.code == 1
    assert done.err.splitlines()[0] == "1 failed, 0 succeeded:"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "bcdc"], ["'bcdc'", "Did you mean 'bccd'", "centernet models"]),
        (["--classes", "a,b,c"], ["3: a,b,c", "3 new (a, b, c)"]),
        (["--classes", "a,,c"], ["'a,,c'"]),
        (["--weights", "zzz"], ["Expected weights: the name of a model or an existing path", "'zzz'"]),
        (["--model", "wrong.yaml"], ["'backbon'", "wrong.yaml", "'backbone'"]),
        (["--out", "photo.jpg"], ["--out", "photo.jpg"]),
        (["--json", "photo.jpg/all.json"], ["--json", "photo.jpg"]),
        (["--coco", "."], ["--coco", "a folder"]),
    ],
)
def test_mistakes_in_the_call_are_one_line(run, tiny, photo, options, words):
    Path("wrong.yaml").write_text("name: x\nbackbon: {}\n")
    before = photo.read_bytes()
    done = run("detect", photo, "--model", tiny, *options)
    assert done.code == 2
    assert all(word in done.error for word in words)
    assert photo.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["detect"],
        ["detect", "a.jpg", "--min-score", "1.5"],
        ["detect", "a.jpg", "--batch-size", "0"],
        ["detect", "a.jpg", "--max-detections", "0"],
        ["convert", "a", "b", "--dtype", "int8"],
        ["detcet"],
    ],
)
def test_wrong_arguments_exit_with_2(run, arguments):
    done = run(*arguments)
    assert done.code == 2
    assert "Traceback" not in done.err


def test_a_published_model_that_is_missing_offline_says_what_the_library_says(run, photo):
    name = "centernet_mobilenetv2fpn_512x512_coco17_od"
    done = run("detect", photo)
    with pytest.raises(OSError, match=name) as library:
        load(name)
    assert done.code == 1
    assert done.error == f"error: {library.value}"


def test_a_damaged_model_is_a_failure_and_not_a_mistake(run, tmp_path, photo):
    Path("model").mkdir()
    Path("model/config.json").write_text("{}")
    Path("model/model.weights.h5").write_text("")
    assert run("detect", photo, "--model", "model").code == 1


def test_debug_shows_where_an_error_came_from(run, photo, monkeypatch):
    done = run("--debug", "detect", photo, "--model", "bcdc")
    assert done.code == 2
    assert "Traceback" in done.err
    monkeypatch.setenv("CENTERNET_DEBUG", "1")
    assert "Traceback" in run("detect", photo, "--model", "bcdc").err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(run, tiny, photo):
    done = run("detect", photo, "--model", tiny, "--json", "/dev/full")
    assert done.code == 1
    assert done.error == "error: /dev/full: can't be written: No space left on device"


def test_an_interrupt_keeps_what_was_written(run, tiny, tmp_path, monkeypatch, make_photo):
    for seed in range(3):
        make_photo(tmp_path / "photos" / f"{seed}.png", seed)
    real, calls = PointDetector.infer, []

    def infer(self, images, **options):
        calls.append(images)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, images, **options)

    monkeypatch.setattr(PointDetector, "infer", infer)
    done = run("detect", "photos", "--model", tiny, "--json", "all.json")
    assert done.code == 130
    assert len(json.loads(Path("all.json").read_text())) == 2
    assert sorted(os.listdir("found")) == [".centernet-detect.jsonl", "0.png", "1.png"]
    assert "2 images" in done.out
    assert done.err == "\nStopped: 2 of 3 images done.\nTo continue, repeat the command with --resume\n"


def test_an_interrupt_waits_for_the_image_that_is_being_written(run, tiny, tmp_path, monkeypatch, make_photo):
    for seed in range(3):
        make_photo(tmp_path / "photos" / f"{seed}.png", seed)
    real = Detections.to_dict

    def to_dict(self):
        if self.source.endswith("1.png"):
            signal.raise_signal(signal.SIGINT)
        return real(self)

    monkeypatch.setattr(Detections, "to_dict", to_dict)
    done = run("detect", "photos", "--model", tiny, "--json", "all.json", "--batch-size", 3)
    assert done.code == 130
    assert [Path(row["source"]).name for row in json.loads(Path("all.json").read_text())] == ["0.png", "1.png"]
    assert sorted(os.listdir("found")) == [".centernet-detect.jsonl", "0.png", "1.png"]
    assert "Stopped: 2 of 3 images done." in done.err
