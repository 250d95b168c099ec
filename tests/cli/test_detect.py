import dataclasses
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from centernet import Detections, PointDetector
from centernet.data import synthetic
from centernet.images.live import LiveStream
from centernet.images.reading import Frame
from centernet.images.sources import read_images
from centernet.images.video import Video, VideoWriter
from centernet.models.test_time import TestTime
from centernet.ops.nms import SuppressionSettings


def make_video(path, frames=5):
    pytest.importorskip("av")
    with VideoWriter(path, 10) as writer:
        for number in range(frames):
            writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    return path


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


def test_equal_names_from_two_folders_don_t_overwrite_each_other(run, tiny, tmp_path, make_photo):
    for number, folder in enumerate(("a", "b", "c")):
        make_photo(tmp_path / folder / "same.png", seed=number, size=(40 + number, 40))
    run("detect", "a", "b/*.png", "c/same.png", "--model", tiny)
    assert sorted(os.listdir("found")) == ["same-2.png", "same-3.png", "same.png"]
    sizes = [Image.open(f"found/{name}.png").height for name in ("same", "same-2", "same-3")]
    assert sizes == [40, 41, 42]


def test_sources_are_not_overwritten_by_their_pictures(run, tiny, tmp_path, make_photo):
    paths = [make_photo(tmp_path / "photos" / name, seed) for seed, name in enumerate(("x.jpg", "x-2.jpg"))]
    before = [path.read_bytes() for path in paths]
    assert run("detect", "photos", "--model", tiny, "-o", "photos").code == 0
    assert [path.read_bytes() for path in paths] == before
    assert len(os.listdir("photos")) == 4


def test_batches_give_what_single_images_give(run, tiny, tmp_path, make_photo):
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


def test_coco_rows_are_numbered_by_the_files(run, tiny, tmp_path, make_photo):
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
    written = list(read_images("found/walk.mp4"))
    assert len(written) == 5
    assert written[0].image.shape == (48, 64, 3)
    assert Video("found/walk.mp4").fps == 10
    rows = json.loads(Path("all.json").read_text())
    assert len(rows) == 6
    assert rows[1]["source"].endswith("walk.mp4[1]")
    assert [row.get("time") for row in rows] == [0, 0.1, 0.2, 0.3, 0.4, None]
    assert "walk.mp4 (5 frames)" in done.out


def test_frames_of_a_drawn_video_come_at_their_times(run, tiny, tmp_path):
    pytest.importorskip("av")
    times = [0, 0.1, 0.5, 0.6, 1.5]
    with VideoWriter(tmp_path / "phone.mp4", 10) as writer:
        for time in times:
            writer.write(np.zeros((48, 64, 3), np.uint8), time)
    assert run("detect", "phone.mp4", "--model", tiny).code == 0
    assert [frame.time for frame in Video("found/phone.mp4")] == pytest.approx(times, abs=1e-3)


def test_a_tracked_video_has_numbers_in_json_and_each_video_starts_anew(run, photo, tmp_path):
    for needed in ("av", "trackers", "onnxruntime"):
        pytest.importorskip(needed)
    picture = next(iter(synthetic.shapes(1, (128, 192), seed=3))).image
    for name in ("a.mp4", "b.mp4"):
        with VideoWriter(tmp_path / name, 10) as writer:
            for number in range(4):
                writer.write(np.roll(picture, 2 * number, axis=1))
    options = ["--model", "shapes", "--runtime", "onnx", "--track", "--json", "all.json", "--min-score", 0.5]
    done = run("detect", "a.mp4", "b.mp4", *options)
    assert (done.code, done.err) == (0, "")
    frames = [Detections.from_dict(row).track_ids.tolist() for row in json.loads(Path("all.json").read_text())]
    assert frames[:4] == frames[4:]
    assert set(frames[0]) == {-1}
    assert sorted(frames[3]) == list(range(len(frames[3])))
    assert len(frames[3]) > 1
    refused = run("detect", "a.mp4", photo, *options)
    assert refused.code == 2
    assert "Tracking expected a video" in refused.error


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
    assert len(list(read_images("found/camera-0.mp4"))) == 3


def test_a_live_stream_runs_until_it_is_interrupted_and_hides_its_password(run, tiny, monkeypatch):
    pytest.importorskip("av")

    def frames(self):
        for time in (0.0, 0.1, 0.5):
            yield Frame(np.zeros((48, 64, 3), np.uint8), f"{self.name}[0]", time)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LiveStream, "__iter__", frames)
        done = run("detect", "rtsp://me:geheim@camera/live/gate?key=geheim", "--model", tiny, "--json", "all.json")
    assert (done.code, done.err) == (0, "")
    assert "3 frames" in done.out
    assert [frame.time for frame in Video("found/gate.mp4")] == pytest.approx([0, 0.1, 0.5], abs=1e-3)
    assert "geheim" not in done.out + Path("all.json").read_text()
    assert os.listdir("found") == ["gate.mp4"]


@pytest.mark.parametrize("address", ["rtsp://me:geheim@127.0.0.1:9/x", "rtsp://me:geheim@127.0.0.1:x/x"])
def test_a_live_stream_that_can_t_be_read_is_a_failure(run, tiny, address):
    pytest.importorskip("av")
    done = run("detect", address, "--model", tiny, "--json", "all.json")
    assert done.code == 1
    assert "expected" in done.err
    assert "geheim" not in done.err + done.out + Path("all.json").read_text()
    assert "127.0.0.1" in json.loads(Path("all.json").read_text())[0]["source"]


@pytest.mark.parametrize("option", ["--json", "--coco"])
def test_results_may_go_to_the_standard_output_and_the_table_elsewhere(run, tiny, photo, option):
    done = run("detect", photo, "--model", tiny, "--min-score", 0, option, "-")
    assert done.code == 0
    assert json.loads(done.out)
    assert "photo.jpg" in done.err
    assert "Files written to found: 1." in done.err
    assert not Path("-").exists()


def test_only_one_kind_of_results_goes_to_the_standard_output(run, tiny, photo):
    done = run("detect", photo, "--model", tiny, "--json", "-", "--coco", "-")
    assert done.code == 2
    assert "one of --json and --coco" in done.error


def test_an_address_is_a_source(run, tiny, tmp_path, make_photo):
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


def passes(monkeypatch, run, model, photo, *options):
    """The `test_time` that the detector is asked for."""
    asked = []

    def infer_passes(self, images, test_time, *, exact=False):
        asked.append(test_time)
        return [{"boxes": np.zeros((0, 4)), "scores": np.zeros(0), "class_ids": np.zeros(0, int)} for _ in images]

    monkeypatch.setattr(PointDetector, "infer_passes", infer_passes)
    done = run("detect", photo, "--model", model, "--no-draw", *options)
    assert (done.code, done.err) == (0, "")
    return asked


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], []),
        (["--flip"], [TestTime(flip=True)]),
        (["--scales", "0.6,1, 1.2"], [TestTime(scales=(0.6, 1.0, 1.2))]),
        (["--scales", "2", "--flip"], [TestTime(flip=True, scales=(2.0,))]),
        (["--no-flip"], [TestTime()]),
        (["--flip", "--no-vote"], [TestTime(flip=True, vote=False)]),
        (["--scales", "1,2", "--vote"], [TestTime(scales=(1.0, 2.0), vote=True)]),
    ],
)
def test_passes_are_those_asked_for(monkeypatch, run, tiny, photo, options, expected):
    assert passes(monkeypatch, run, tiny, photo, *options) == expected


@pytest.mark.parametrize(
    ("options", "changed"),
    [([], {}), (["--no-flip"], {"flip": False}), (["--scales", "0.5,1"], {"scales": (0.5, 1.0)})],
)
def test_a_model_s_own_passes_are_kept_where_nothing_else_is_asked_for(
    monkeypatch, run, compiled, photo, options, changed
):
    own = TestTime(flip=True, scales=(1.0, 1.5), suppression=SuppressionSettings("linear"))
    monkeypatch.setattr(compiled, "config", dataclasses.replace(compiled.config, test_time=own))
    compiled.save("own")
    assert passes(monkeypatch, run, "own", photo, *options) == [dataclasses.replace(own, **changed)]


def test_passes_give_what_the_library_gives(run, tiny, compiled, photo):
    options = ["--flip", "--scales", "1,1.5", "--min-score", 0, "--json", "all.json", "--no-draw"]
    assert run("detect", photo, "--model", tiny, *options).code == 0
    (values,) = json.loads(Path("all.json").read_text())
    expected = compiled.detect(str(photo), min_score=0, test_time=TestTime(flip=True, scales=(1, 1.5)))
    assert Detections.from_dict(values) == expected


@pytest.mark.parametrize("scales", ["", "1,", "0", "1,-1", "nan", "inf", "big", "1;2"])
def test_scales_that_are_none_are_told(run, tiny, photo, scales):
    done = run("detect", photo, "--model", tiny, "--scales", scales)
    assert done.code != 0
    assert "--scales expected numbers above 0" in done.error


def test_json_on_the_standard_output_can_be_written_in_any_encoding(tiny, make_photo, tmp_path):
    photo = make_photo(tmp_path / "写真.jpg")
    command = [
        sys.executable,
        "-m",
        "centernet.cli.app",
        "detect",
        photo.name,
        "-m",
        str(tiny),
        "--no-draw",
        "--json",
        "-",
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["source"] == photo.name


def test_tiles_give_what_the_library_gives(run, tiny, compiled, tmp_path, make_photo):
    photo = make_photo(tmp_path / "photo.png", size=(120, 200))
    options = ["--tiles", 64, 96, "--overlap", 0.4, "--no-whole", "--min-score", 0, "--json", "all.json", "--no-draw"]
    assert run("detect", photo, "--model", tiny, "--batch-size", 4, *options).code == 0
    (values,) = json.loads(Path("all.json").read_text())
    test_time = TestTime(tiles=(64, 96), overlap=0.4, whole=False)
    expected = compiled.detect(str(photo), min_score=0, batch_size=4, test_time=test_time)
    assert Detections.from_dict(values) == expected
    assert len(expected) > 100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--overlap", 0.3], "Expected --tiles HEIGHT WIDTH, to which overlap belongs"),
        (["--no-whole"], "Expected --tiles HEIGHT WIDTH, to which whole belongs"),
        (["--tiles", 8, 640], r"32–32768 pixels"),
        (["--tiles", 640, 640, "--overlap", 1], r"overlap of 0–0\.9"),
    ],
)
def test_tiles_that_can_t_be_are_refused(run, tiny, photo, options, message):
    done = run("detect", photo, "--model", tiny, *options)
    assert done.code == 2
    assert re.search(message, done.error)
    assert not any(Path("found").glob("*"))
