import http.server
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from centernet import Detections, PointDetector, list_models, load
from centernet.cli import main
from centernet.sources import iterate
from centernet.video import Video, VideoWriter


@dataclass
class Outcome:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that an error is."""
        (line,) = self.err.splitlines()
        assert line.startswith("error: ")
        return line


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A small network with random weights, whose scores are about 0.1 everywhere."""
    backbone = {"name": "hourglass", "stacks": 1, "filters": [16, 16], "blocks": [1, 1], "stem_filters": 8}
    folder = tmp_path_factory.mktemp("models") / "tiny"
    PointDetector(backbone, classes=["cat", "dog"], image_size=(64, 64), name="tiny").save(folder)
    return folder


@pytest.fixture(scope="session")
def compiled(tiny):
    """The small network, compiled once for all tests."""
    return load(tiny)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, tiny, compiled):
    def load_once(source, weights="published", classes=None):
        again = str(source) == str(tiny) and weights == "published" and classes is None
        return compiled if again else load(source, weights, classes)

    monkeypatch.setattr("centernet.loader.load", load_once)
    monkeypatch.setenv("CENTERNET_OFFLINE", "1")
    monkeypatch.setenv("CENTERNET_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CENTERNET_DEBUG", "0")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    logger = logging.getLogger("centernet")
    before = logger.handlers[:], logger.level, logger.propagate
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["centernet", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        return Outcome(stopped.value.code, *capsys.readouterr())

    yield call
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def photo(tmp_path):
    return make_photo(tmp_path / "photo.jpg")


def make_photo(path: Path, seed=0, size=(48, 80)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rough = np.random.default_rng(seed).integers(0, 256, (6, 10, 3), np.uint8)
    Image.fromarray(rough).resize(size[::-1]).save(path)
    return path


def make_video(path: Path, frames=5) -> Path:
    pytest.importorskip("av")
    with VideoWriter(path, 10) as writer:
        for number in range(frames):
            writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    return path


# Starting


@pytest.mark.parametrize("arguments", [["--help"], ["detect", "--help"], ["--version"], ["models"]])
def test_starting_loads_no_framework(arguments):
    script = (
        "import sys; from centernet.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch', 'av'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_a_detection_in_its_own_process_is_not_noisy(tiny, photo):
    command = [sys.executable, "-m", "centernet.cli", "detect", photo, "--model", tiny, "--min-score", "0"]
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=photo.parent, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "100 " in done.stdout or "cat" in done.stdout
    assert (photo.parent / "found" / "photo.jpg").is_file()


def test_version_is_that_of_the_package(run):
    from importlib.metadata import version

    assert run("--version").out.strip() == f"centernet {version('centernet')}"


# centernet models


def test_models_are_listed_with_their_figures(run):
    done = run("models")
    assert done.code == 0
    line = next(line for line in done.out.splitlines() if "hg104_1024x1024_kpts" in line)
    assert line.split() == [
        "centernet_hg104_1024x1024_kpts_coco17_tpu-32", "hourglass104", "boxes+keypoints", "1024x1024",
        "42.8", "64.5", "211",
    ]  # fmt: skip


def test_models_as_names_and_as_json(run):
    assert run("models", "--names").out.split() == list_models().names
    described = json.loads(run("models", "--json").out)
    assert [model["name"] for model in described] == list_models().names
    kept = next(model for model in described if model["name"] == "centernet_mobilenetv2fpn_512x512_coco17_od")
    assert kept["image_size"] == [512, 512]
    assert kept["box_ap"] == 23.4


# centernet detect


def test_an_image_gives_a_picture_a_table_and_results(run, tiny, compiled, photo):
    done = run("detect", photo, "--model", tiny, "--min-score", 0, "--max-detections", 7, "--json", "all.json")
    assert (done.code, done.err) == (0, "")
    (values,) = json.loads(Path("all.json").read_text())
    expected = compiled.detect(str(photo), min_score=0, max_detections=7)
    assert Detections.from_dict(values) == expected
    drawn = np.asarray(Image.open("found/photo.jpg"), np.int16)
    assert drawn.shape == (48, 80, 3)
    assert np.abs(drawn - np.asarray(Image.open(photo))).max() > 100
    assert "photo.jpg" in done.out
    assert sum(int(word) for word in done.out.split("photo.jpg")[1].split() if word.isdigit()) >= 7


def test_min_score_is_a_third_by_default_so_that_nothing_is_found_here(run, tiny, photo):
    assert run("detect", photo, "--model", tiny, "--json", "all.json").code == 0
    assert json.loads(Path("all.json").read_text())[0]["objects"] == []


def test_heatmaps_are_written_next_to_pictures(run, tiny, photo):
    run("detect", photo, "--model", tiny, "--show-heatmap", "-o", "out")
    assert sorted(os.listdir("out")) == ["photo.jpg", "photo_heatmap.png"]
    assert Image.open("out/photo_heatmap.png").size == (80, 48)
    assert np.ptp(np.asarray(Image.open("out/photo_heatmap.png"))) > 0


def test_without_drawing_no_folder_is_made(run, tiny, photo):
    assert run("detect", photo, "--model", tiny, "--no-draw").code == 0
    assert not Path("found").exists()


def test_equal_names_from_two_folders_don_t_overwrite_each_other(run, tiny, tmp_path):
    for number, folder in enumerate(("a", "b", "c")):
        make_photo(tmp_path / folder / "same.png", seed=number, size=(40 + number, 40))
    run("detect", "a", "b/*.png", "c/same.png", "--model", tiny)
    assert sorted(os.listdir("found")) == ["same-2.png", "same-3.png", "same.png"]
    sizes = [Image.open(f"found/{name}.png").height for name in ("same", "same-2", "same-3")]
    assert sizes == [40, 41, 42]


def test_sources_are_not_overwritten_by_their_pictures(run, tiny, tmp_path):
    paths = [make_photo(tmp_path / "photos" / name, seed) for seed, name in enumerate(("x.jpg", "x-2.jpg"))]
    before = [path.read_bytes() for path in paths]
    assert run("detect", "photos", "--model", tiny, "-o", "photos").code == 0
    assert [path.read_bytes() for path in paths] == before
    assert len(os.listdir("photos")) == 4


def test_batches_give_what_single_images_give(run, tiny, tmp_path):
    for seed in range(5):
        make_photo(tmp_path / "photos" / f"{seed}.png", seed, size=(40 + 8 * seed, 64))
    results = []
    for batch_size in (1, 3):
        options = ["--batch-size", batch_size, "--json", "all.json", "--no-draw", "--min-score", 0.05]
        assert run("detect", "photos", "--model", tiny, *options).code == 0
        results.append([Detections.from_dict(row) for row in json.loads(Path("all.json").read_text())])
    for single, batched in zip(*results, strict=True):
        assert single.source == batched.source
        np.testing.assert_allclose(single.scores, batched.scores, atol=1e-5)


def test_coco_rows_are_numbered_by_the_files(run, tiny, tmp_path):
    for name in ("000000000139.jpg", "other.jpg"):
        make_photo(tmp_path / "photos" / name)
    options = ["--coco", "rows/coco.json", "--no-draw", "--min-score", 0, "--max-detections", 2]
    run("detect", "photos", "--model", tiny, *options)
    rows = json.loads(Path("rows/coco.json").read_text())
    assert [row["image_id"] for row in rows] == [139, 139, 2, 2]
    assert all(row["category_id"] in (1, 2) and len(row["bbox"]) == 4 for row in rows)


def test_a_video_gives_a_video(run, tiny, tmp_path, photo):
    video = make_video(tmp_path / "walk.mp4")
    options = ["--min-score", 0, "--json", "all.json", "--show-heatmap", "--batch-size", 2]
    done = run("detect", video, photo, "--model", tiny, *options)
    assert (done.code, done.err) == (0, "")
    names = ["photo.jpg", "photo_heatmap.png", "walk.mp4", "walk_heatmap.mp4"]
    assert sorted(os.listdir("found")) == names
    written = list(iterate("found/walk.mp4"))
    assert len(written) == 5
    assert written[0].image.shape == (48, 64, 3)
    assert Video("found/walk.mp4").fps == 10
    rows = json.loads(Path("all.json").read_text())
    assert len(rows) == 6
    assert rows[1]["source"].endswith("walk.mp4[1]")
    assert "walk.mp4 (5 frames)" in done.out


def test_a_camera_runs_until_it_is_interrupted(run, tiny, monkeypatch):
    pytest.importorskip("av")

    def frames(self):
        yield from np.zeros((3, 48, 64, 3), np.uint8)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Video, "__iter__", frames)
        done = run("detect", "0", "--model", tiny)
    assert (done.code, done.err) == (0, "")
    assert "3 frames" in done.out
    assert len(list(iterate("found/camera-0.mp4"))) == 3


def test_an_address_is_a_source(run, tiny, tmp_path):
    make_photo(tmp_path / "served" / "a b.png")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "served")
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/a%20b.png?token=1"
        done = run("detect", url, "--model", tiny)
        server.shutdown()
    assert done.code == 0
    assert os.listdir("found") == ["a_b.png"]


def test_verbose_says_what_was_loaded(run, tiny, photo):
    shutil.copytree(tiny, "copy")
    quiet, verbose = (run("detect", photo, "--model", "copy", *more) for more in ([], ["-v"]))
    assert quiet.err == ""
    assert "copy/model.weights.h5" in verbose.err
    assert "taken: " in verbose.err


def test_classes_may_be_some_of_those_of_the_weights(run, tiny, photo):
    options = ["--classes", "dog", "--min-score", 0, "--json", "all.json"]
    assert run("detect", photo, "--model", tiny, *options).code == 0
    (values,) = json.loads(Path("all.json").read_text())
    assert {one["class_name"] for one in values["objects"]} == {"dog"}


# Failures


def test_what_can_t_be_read_is_reported_and_the_others_are_not_lost(run, tiny, photo, tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no image")
    (tmp_path / "cut.jpg").write_bytes(photo.read_bytes()[:500])
    bad = ["phot.jpg", "empty.jpg", "text.jpg", "cut.jpg", "none/*.png", "missing.mp4"]
    options = ["--model", tiny, "--json", "all.json", "--batch-size", 4]
    done = run("detect", *bad, photo, *options)
    assert done.code == 1
    title, *reasons = done.err.splitlines()
    assert title == "6 failed, 1 fine:"
    assert sorted(reason.split(":")[0].strip() for reason in reasons) == sorted(bad)
    assert "Did you mean photo.jpg" in done.err
    assert "0 bytes" in done.err
    rows = json.loads(Path("all.json").read_text())
    assert sorted(row["source"] for row in rows if "error" in row) == sorted(bad)
    assert [row["source"] for row in rows if "objects" in row] == [str(photo)]
    assert os.listdir("found") == ["photo.jpg"]


def test_nothing_is_loaded_for_sources_that_are_all_missing(run):
    done = run("detect", "missing.jpg", "--model", "centernet_hg104_512x512_coco17_tpu-8")
    assert done.code == 1
    assert done.err.splitlines()[0] == "1 failed, 0 fine:"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "bcdc"], ["'bcdc'", "Did you mean 'bccd'", "centernet models"]),
        (["--classes", "a,b,c"], ["3: a,b,c", "3 new (a, b, c)"]),
        (["--classes", "a,,c"], ["'a,,c'"]),
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


def test_an_interrupt_keeps_what_was_written(run, tiny, tmp_path, monkeypatch):
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
    assert sorted(os.listdir("found")) == ["0.png", "1.png"]
    assert "2 images" in done.out


# centernet convert, centernet benchmark


def test_convert_writes_a_model_that_loads_and_detects_the_same(run, tiny, compiled, photo):
    done = run("convert", tiny, "half.zip", "--dtype", "float16")
    assert (done.code, done.err) == (0, "")
    assert "taken: " in done.out
    assert "Saved tiny to half.zip" in done.out
    before, after = (detector.detect(str(photo), min_score=0) for detector in (compiled, load("half.zip")))
    np.testing.assert_allclose(before.scores[:5], after.scores[:5], atol=1e-3)
    assert Path("half.zip").stat().st_size < 0.8 * sum(file.stat().st_size for file in tiny.iterdir())


def test_convert_says_which_classes_are_new(run, tiny):
    done = run("convert", tiny, "other", "--classes", "dog,cow,hen")
    assert done.code == 0
    assert "1 kept by name (dog), 2 new (cow, hen)" in done.out
    assert load("other").class_names == ("dog", "cow", "hen")


def test_convert_replaces_a_model_only_if_told_to(run, tiny):
    assert run("convert", tiny, "copy").code == 0
    refused = run("convert", tiny, "copy")
    assert refused.code == 2
    assert "--overwrite" in refused.error
    assert run("convert", tiny, "copy", "--overwrite").code == 0


def test_benchmark_prints_the_share_of_everything_but_the_network(run, tiny):
    done = run("benchmark", "--model", tiny, "--runs", 3, "--size", "96x64")
    assert (done.code, done.err) == (0, "")
    assert "one 96x64 image" in done.out
    rows = [line.rsplit(maxsplit=2) for line in done.out.splitlines() if line.rstrip()[-1:].isdigit()]
    medians = {name.strip(): float(milliseconds) for name, milliseconds, _ in rows[-3:]}
    assert len(medians) == 3
    assert all(median > 0 for median in medians.values())
    assert done.out.rstrip().endswith("%")


@pytest.mark.parametrize("size", ["640", "0x480", "axb"])
def test_benchmark_refuses_a_size_that_is_none(run, size):
    done = run("benchmark", "--model", "bccd", "--size", size)
    assert done.code == 2
    assert "640x480" in done.error
