"""`centernet demo` without a browser: the files of the page, and how they are served. `tests/browser` uses the page."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import server as loopback

import centernet
from centernet.cli.demo import site
from centernet.cli.demo.server import HEADERS, SiteServer
from centernet.errors import ConfigError, DownloadError
from centernet.files.environment import configs_dir
from centernet.loading.exported import ExportedDetector

ROOT = Path(__file__).parents[2]
TYPES = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "draw.js": "text/javascript; charset=utf-8",
    "worker.js": "text/javascript; charset=utf-8",
    "model.json": "application/json",
    "model.onnx": "application/octet-stream",
    "weights-0.bin": "application/octet-stream",
    "onnxruntime-web/ort.webgpu.bundle.min.mjs": "text/javascript; charset=utf-8",
    "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm": "application/wasm",
}


server = loopback.server


def package(folder: Path) -> Path:
    """An npm package with the files that the page needs."""
    dist = folder / "node_modules" / "onnxruntime-web" / "dist"
    dist.mkdir(parents=True)
    for name in site.RUNTIME_FILES:
        (dist / name).write_text(name)
    (dist / "link").symlink_to("/etc/passwd")
    return dist.parent


@pytest.fixture
def npm(tmp_path: Path) -> Path:
    return package(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SiteServer]:
    npm = package(tmp_path_factory.mktemp("served"))
    with SiteServer("127.0.0.1", 0) as server:
        server.site = site.build(centernet.load("bccd", runtime="onnx"), site.runtime_files(npm), 0.3)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server: SiteServer, path: str, method: str = "GET", host: str | None = None) -> tuple[int, dict, bytes]:
    """Status, headers and content of an answer; the path is sent as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.putrequest(method, path, skip_host=host is not None)
    if host is not None:
        connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.headers), content


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestSite:
    @pytest.mark.parametrize("model", ["bccd", "shapes"])
    def test_a_written_folder_has_the_page_the_model_and_the_runtime(self, run, npm, tmp_path, model):
        done = run("demo", "--model", model, "--onnxruntime-web", npm, "--out", "site", "--min-score", "0.45")
        assert (done.code, done.err) == (0, "")
        found = files(tmp_path / "site")
        assert found.keys() == TYPES.keys()
        assert found["model.onnx"] == (configs_dir() / "weights" / f"{model}.onnx").read_bytes()
        assert found["weights-0.bin"] == (configs_dir() / "weights" / f"{model}.weights.h5").read_bytes()
        settings = json.loads(found["model.json"])
        detector = centernet.load(model, runtime="onnx")
        assert (settings["name"], settings["min_score"]) == (model, 0.45)
        assert settings["external"] == [{"path": f"{model}.weights.h5", "data": "weights-0.bin"}]
        expected = detector.detect(ROOT / "examples" / "shapes.png").to_dict()
        assert settings["result"].items() <= expected.items()
        assert len(settings["colors"]) == len(detector.class_names)
        assert len({color["fill"] for color in settings["colors"]}) == len(detector.class_names)
        assert len(settings["keypoint_colors"]) == (settings["result"]["num_keypoints"] or 0)

    def test_the_page_names_only_files_that_are_there_and_no_other_host(self, run, npm, tmp_path):
        assert run("demo", "--onnxruntime-web", npm, "--out", "site").code == 0
        found = files(tmp_path / "site")
        text = b"\n".join(found[name] for name in TYPES if name.endswith((".html", ".css", ".js"))).decode()
        assert "//" not in re.sub(r"^ *//.*|; //.*|\{ //.*|\) //.*", "", text, flags=re.MULTILINE)
        named = re.findall(r"(?:href|src)=\"([^\":]+)\"|\"(?:\./)?([\w/.-]+\.(?:js|mjs|json|onnx))\"", text)
        names = {first or second for first, second in named}
        assert {"style.css", "page.js", "draw.js", "worker.js", "model.json", "model.onnx"} <= names <= found.keys()
        ids = set(re.findall(r"id=\"([\w-]+)\"", text))
        assert set(re.findall(r"\bat\(\"([\w-]+)\"\)", text)) <= ids
        assert "$" not in found["index.html"].decode()

    def test_an_exported_file_of_another_folder_is_whole(self, run, npm, tiny, compiled, tmp_path):
        compiled.export(tmp_path / "mine.onnx")
        done = run("demo", "--model", "mine.onnx", "--onnxruntime-web", npm / "dist", "--out", "site")
        assert (done.code, done.err) == (0, "")
        found = files(tmp_path / "site")
        assert found.keys() == TYPES.keys() - {"weights-0.bin"}
        assert json.loads(found["model.json"])["result"]["class_names"] == ["cat", "dog"]

    def test_a_file_for_images_of_one_size_is_refused(self, run, npm, compiled, tmp_path):
        compiled.export(tmp_path / "fixed.onnx", image_size=(64, 96))
        done = run("demo", "--model", "fixed.onnx", "--onnxruntime-web", npm, "--out", "site")
        assert done.code == 2
        assert "images of any size" in done.error
        assert not (tmp_path / "site").exists()

    def test_weights_that_are_not_beside_the_file_are_missed(self, tmp_path):
        shutil.copy(configs_dir() / "weights" / "bccd.onnx", tmp_path)
        with pytest.raises(ConfigError, match=r"Missing: bccd\.weights\.h5"):
            site.external_files(tmp_path / "bccd.onnx")

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b"])
    def test_weights_elsewhere_are_not_taken(self, tmp_path, name):
        (tmp_path / "secret").write_text("mine")
        folder = tmp_path / "models"
        folder.mkdir()
        entry = b"\n\x08location\x12" + bytes([len(name)]) + name.encode()
        (folder / "model.onnx").write_bytes(b"j" + bytes([len(entry)]) + entry)
        with pytest.raises(ConfigError, match="files beside it"):
            site.external_files(folder / "model.onnx")

    def test_a_folder_with_files_is_left_alone(self, run, npm, tmp_path):
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "index.html").write_text("mine")
        done = run("demo", "--onnxruntime-web", npm, "--out", "site")
        assert done.code == 2
        assert "--overwrite" in done.error
        assert files(tmp_path / "site") == {"index.html": b"mine"}

    def test_overwriting_replaces_the_files_of_the_page_alone(self, run, npm, tmp_path):
        (tmp_path / "site").mkdir()
        for name in ("index.html", "notes.txt"):
            (tmp_path / "site" / name).write_text("mine")
        for _ in range(2):
            assert run("demo", "--onnxruntime-web", npm, "--out", "site", "--overwrite").code == 0
        found = files(tmp_path / "site")
        assert found.pop("notes.txt") == b"mine"
        assert found.keys() == TYPES.keys()
        assert found["index.html"].startswith(b"<!doctype html>")
        assert not list(tmp_path.glob(".site.*"))

    def test_a_file_that_cannot_be_read_leaves_the_folder_as_it_was(self, tmp_path):
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "index.html").write_text("mine")
        with pytest.raises(FileNotFoundError):
            site.write({"index.html": b"new", "model.onnx": tmp_path / "gone"}, tmp_path / "site")
        assert files(tmp_path) == {"site/index.html": b"mine"}


class TestRuntime:
    @pytest.fixture(autouse=True)
    def published(self, server: loopback.Server, monkeypatch, tmp_path):
        """A server in place of the one that publishes onnxruntime-web."""
        sums = hashlib.sha256(server.content).hexdigest()
        monkeypatch.setenv("CENTERNET_HOME", str(tmp_path / "home"))
        monkeypatch.delenv("CENTERNET_OFFLINE", raising=False)
        monkeypatch.setattr(site, "ADDRESS", server.url(""))
        monkeypatch.setattr(site, "RUNTIME_FILES", {name: (len(server.content), sums) for name in site.RUNTIME_FILES})

    def test_it_is_downloaded_once(self, server, tmp_path):
        for _ in range(2):
            found = site.runtime_files(None)
            assert {path.read_bytes() for path in found.values()} == {server.content}
        assert all(path.is_relative_to(tmp_path / "home") for path in found.values())
        assert len(server.requests) == 2

    def test_another_file_is_refused_and_not_kept(self, server, tmp_path):
        server.content = server.content[::-1]
        with pytest.raises(DownloadError, match="its sha256 is"):
            site.runtime_files(None)
        assert not [path for path in (tmp_path / "home").rglob("*") if path.suffix in (".mjs", ".wasm", ".part")]

    def test_without_a_network_the_error_names_the_files_and_the_option(self, monkeypatch):
        monkeypatch.setenv("CENTERNET_OFFLINE", "1")
        with pytest.raises(DownloadError) as caught:
            site.runtime_files(None)
        for part in (*site.RUNTIME_FILES, "--onnxruntime-web FOLDER", f"npm install onnxruntime-web@{site.VERSION}"):
            assert part in str(caught.value)

    def test_a_folder_without_the_files_is_refused(self, npm):
        (npm / "dist" / next(iter(site.RUNTIME_FILES))).unlink()
        with pytest.raises(ConfigError, match=r"without ort\.webgpu\.bundle\.min\.mjs"):
            site.runtime_files(npm)

    def test_the_tests_in_the_browser_use_the_version_that_is_downloaded(self):
        packages = json.loads((ROOT / "tests" / "browser" / "package.json").read_text())["dependencies"]
        assert packages["onnxruntime-web"] == site.VERSION


class TestServer:
    def test_each_file_comes_with_its_type_and_the_headers(self, served):
        for name, kind in TYPES.items():
            status, headers, content = ask(served, f"/{name}")
            source = served.site[name]
            assert status == 200
            assert headers["Content-Type"] == kind
            assert content == (source if isinstance(source, bytes) else source.read_bytes())
            assert int(headers["Content-Length"]) == len(content)
            assert headers.items() >= HEADERS.items()
        assert ask(served, "/")[2] == ask(served, "/index.html?again")[2] == served.site["index.html"]

    def test_the_page_is_isolated_and_loads_from_itself_alone(self, served):
        _, headers, content = ask(served, "/")
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', content.decode())
        assert headers["Content-Security-Policy"] == f"{policy}; frame-ancestors 'none'"
        sources = {word for rule in policy.split(";") for word in rule.split()[1:]}
        assert sources == {"'none'", "'self'", "'wasm-unsafe-eval'", "data:"}

    def test_the_head_is_that_of_the_file_without_it(self, served):
        status, headers, content = ask(served, "/model.onnx", "HEAD")
        assert (status, content) == (200, b"")
        assert int(headers["Content-Length"]) == (configs_dir() / "weights" / "bccd.onnx").stat().st_size

    @pytest.mark.parametrize(
        "path",
        [
            *("/../pyproject.toml", "/onnxruntime-web/../../../etc/passwd", "/%2e%2e/etc/passwd", "/..%2fetc%2fpasswd"),
            *("//etc/passwd", "/etc/passwd", "/onnxruntime-web/", "/onnxruntime-web", "/model.onnx/", "/./model.onnx"),
            *("/bccd.weights.h5", "/model%2eonnx", "model.onnx", "http://127.0.0.1/model.onnx", "/favicon.ico", "*"),
            *("/..\\etc\\passwd", "/C:/Windows/win.ini", "/link", "/onnxruntime-web/link"),
        ],
    )
    def test_nothing_else_is_there(self, served, path):
        status, headers, content = ask(served, path)
        assert status == 404
        assert b"root:" not in content
        assert headers.items() >= HEADERS.items()

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    def test_it_only_gives(self, served, method):
        assert ask(served, "/model.onnx", method)[0] == 501

    @pytest.mark.parametrize(
        ("host", "status"), [("localhost:8000", 200), ("[::1]", 200), ("evil.test", 421), ("[", 421)]
    )
    def test_names_that_others_point_to_this_computer_are_refused(self, served, host, status):
        assert ask(served, "/model.json", host=host)[0] == status

    def test_a_port_in_use_is_told_before_anything_is_loaded(self, run):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            done = run("demo", "--model", "no such model", "--port", port)
        assert done.code == 2
        assert f"--port {port}: Address already in use" in done.error

    def test_a_host_elsewhere_is_refused(self):
        with pytest.raises(ConfigError, match="a --host of this computer"):
            SiteServer("192.0.2.1", 0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for one process")
@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_the_command_serves_until_ctrl_c_and_warns_of_other_computers(npm, tmp_path, host, warned):
    command = [sys.executable, "-m", "centernet.cli.app", "demo", "--port", "0", "--onnxruntime-web", str(npm)]
    with subprocess.Popen(
        [*command, "--host", host], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        line = process.stdout.readline()
        port = urlsplit(re.findall(r"http://\S+", line)[0]).port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/model.json")
        assert json.loads(connection.getresponse().read())["name"] == "bccd"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert ("0.0.0.0 is not loopback" in process.stderr.read()) is warned
    assert line.startswith("Detecting with bccd at http://")


def test_the_shape_of_the_input_is_known_of_an_exported_detector():
    detector = centernet.load("bccd", runtime="onnx")
    assert isinstance(detector, ExportedDetector)
    assert detector.input_shape == (None, None, None, 3)
