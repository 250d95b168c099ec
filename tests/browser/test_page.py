"""`centernet demo` in Chromium: what the page finds is what the detector finds.

Needs Chromium (`chromium` on PATH, or CENTERNET_CHROMIUM) and the packages of `package.json`, installed by npm in a
folder that CENTERNET_NODE_MODULES names: `npm install --prefix FOLDER ./tests/browser` and `FOLDER/node_modules`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import centernet
from centernet.results.detections import Detections

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
CHROMIUM = os.environ.get("CENTERNET_CHROMIUM") or shutil.which("chromium") or ""
MODULES = os.environ.get("CENTERNET_NODE_MODULES", "")
DEMO = [sys.executable, "-m", "centernet.cli.app", "demo", "--onnxruntime-web", f"{MODULES}/onnxruntime-web"]
PHOTOS = {"bccd": "blood_cells.png", "shapes": "shapes.png"}


@contextmanager
def serving(command: list[str], folder: Path | None = None) -> Iterator[str]:
    """Address that a command prints in its first line; it is stopped by Ctrl-C, and must end well."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    try:
        assert process.stdout is not None
        yield re.findall(r"http://[^\s()]+", process.stdout.readline())[0]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def use(url: str, *photos: Path, gpu: bool = False) -> dict[str, Any]:
    """What `use_page.mjs` sees."""
    if not CHROMIUM or not MODULES:
        pytest.skip("needs Chromium and npm packages (CENTERNET_CHROMIUM, CENTERNET_NODE_MODULES)")
    settings = {"url": url, "chromium": CHROMIUM, "modules": MODULES, "photos": [*map(str, photos)], "gpu": gpu}
    command = ["node", str(Path(__file__).with_name("use_page.mjs")), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(model: str, photo: Path, seen: dict[str, Any]) -> None:
    """The detections on the page are those of the detector."""
    expected = centernet.load(model, runtime="onnx").detect(photo)
    found = Detections.from_dict(seen["found"])
    assert (found.image_size, found.class_names) == (expected.image_size, expected.class_names)
    assert found.names == expected.names
    assert len(found) > 3
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.5)
    assert found.skeleton == expected.skeleton
    if expected.keypoints is not None:
        np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=0.5)
        np.testing.assert_allclose(found.keypoint_scores, expected.keypoint_scores, atol=1e-3)
    assert seen["status"].startswith(f"{len(expected)} objects: ")
    assert seen["redrawn"]
    assert seen["restored"]


@pytest.mark.parametrize("model", PHOTOS)
def test_the_page_finds_what_the_detector_finds_and_asks_nobody_else(model: str, tmp_path: Path) -> None:
    photo, turned, clear = ROOT / "examples" / PHOTOS[model], tmp_path / "turned.jpg", tmp_path / "clear.png"
    image = Image.open(photo).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.rotate(90, expand=True).save(turned, quality=95, exif=exif)
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 40, image.height))
    image.putalpha(alpha)
    image.save(clear)
    with serving([*DEMO, "--model", model, "--port", "0"]) as url:
        seen = use(url, photo, turned, clear)
    for path, one in zip((photo, turned, clear), seen["photos"], strict=True):
        check(model, path, one)
        assert one["time"].endswith(" ms")
        assert one["provider"].startswith("WebAssembly")
    assert {address.split("/")[2] for address in seen["requests"] if address.startswith("http")} == {url.split("/")[2]}
    assert {address.split(":")[0] for address in seen["requests"]} <= {"http", "data", "blob"}
    assert seen["errors"] == []
    assert seen["isolated"]
    assert seen["text"].startswith("notes.txt is not an image that this browser can read.")
    assert "object" in seen["camera"]["status"]
    assert (seen["camera"]["button"], seen["stopped"]) == ("Stop the camera", "Start the camera")


def test_a_written_page_works_on_any_web_server(tmp_path: Path) -> None:
    subprocess.run([*DEMO, "--out", str(tmp_path / "site")], check=True)
    plain = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    photo = ROOT / "examples" / "blood_cells.png"
    with serving(plain, tmp_path) as url:
        seen = use(f"{url}site/", photo)
    check("bccd", photo, seen["photos"][0])
    assert not seen["isolated"]
    assert seen["photos"][0]["provider"] == "WebAssembly, 1 thread"
    assert seen["errors"] == []


def test_a_photo_that_is_too_large_is_reduced_and_its_boxes_are_not(tmp_path: Path) -> None:
    large, size, reduced = tmp_path / "large.png", (5120, 3840), (4096, 3072)
    image = Image.open(ROOT / "examples" / "blood_cells.png").convert("RGB").resize(size)
    image.save(large, compress_level=1)
    expected = centernet.load("bccd", runtime="onnx").detect(image.resize(reduced))
    with serving([*DEMO, "--port", "0"]) as url:
        (seen,) = use(url, large)["photos"]
    assert seen["note"] == "Detected at 4096 × 3072 pixels, as the photo is larger than 4096."
    found = Detections.from_dict(seen["found"])
    assert found.image_size == size[::-1]
    assert sorted(found.names) == sorted(expected.names)
    moved = np.abs(found.boxes[:, None] * reduced[0] / size[0] - expected.boxes).max(-1).min(0)
    assert moved.max() < 4  # of 4096 pixels: Pillow and browsers resample differently


@pytest.mark.parametrize("model", PHOTOS)
def test_webgpu_computes_the_same_or_leaves_it_to_webassembly(model: str) -> None:
    photo = ROOT / "examples" / PHOTOS[model]
    with serving([*DEMO, "--model", model, "--port", "0"]) as url:
        seen = use(url, photo, photo, gpu=True)
    if not seen["has_gpu"]:
        pytest.skip("needs a Chromium with WebGPU in software")
    for one in seen["photos"]:
        check(model, photo, one)
        # bccd has a Split into 80 tensors, which fails on WebGPU (findings/onnxruntime_web_split.sh).
        on_gpu = one["provider"] == "WebGPU"
        assert on_gpu == (model == "shapes")
        assert on_gpu == (one["note"] == "")
