from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from server import raw, status

from centernet.checkpoints.fetching import is_hub_handle, resolve_handle
from centernet.errors import DownloadError

HANDLE = "https://tfhub.dev/tensorflow/centernet/hourglass_512x512/1"


class FakeHub:
    """Stands for the module tensorflow_hub; `found` is what it answers or raises."""

    def __init__(self, found: object) -> None:
        self.found = found
        self.calls: list[tuple[str, str | None, float | None]] = []

    def resolve(self, handle: str) -> object:
        self.calls.append((handle, os.environ.get("TFHUB_CACHE_DIR"), socket.getdefaulttimeout()))
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def fake(monkeypatch: pytest.MonkeyPatch, found: object) -> FakeHub:
    hub = FakeHub(found)
    monkeypatch.setitem(sys.modules, "tensorflow_hub", hub)
    return hub


def cached(cache: Path, handle: str = HANDLE) -> Path:
    return cache / hashlib.sha1(handle.encode()).hexdigest()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (HANDLE, True),
        ("https://www.kaggle.com/models/tensorflow/centernet-hourglass/tensorFlow2/512x512/1", True),
        ("https://kaggle.com/models/tensorflow/centernet-hourglass", True),
        ("https://www.kaggle.com/datasets/a/b", False),
        ("https://example.com/tfhub.dev/a.tar.gz", False),
        ("https://tfhub.dev.example.com/a/1", False),
        ("https://tfhub.dev/", False),
        ("http://tfhub.dev/a/1", False),
        ("tfhub.dev/a/1", False),
        ("photos/model", False),
    ],
)
def test_handles_are_told_from_other_sources(source, expected):
    assert is_hub_handle(source) is expected


def test_a_handle_is_resolved_into_our_cache_and_the_settings_are_given_back(own_cache, tmp_path, monkeypatch):
    hub = fake(monkeypatch, str(tmp_path))
    assert resolve_handle(HANDLE) == tmp_path
    assert hub.calls == [(HANDLE, str(own_cache / "hub"), 60.0)]
    assert "TFHUB_CACHE_DIR" not in os.environ
    assert socket.getdefaulttimeout() is None


def test_the_users_own_hub_cache_is_respected(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "own"))
    hub = fake(monkeypatch, str(tmp_path))
    resolve_handle(HANDLE)
    assert hub.calls[0][1] == str(tmp_path / "own")
    assert os.environ["TFHUB_CACHE_DIR"] == str(tmp_path / "own")


@pytest.mark.parametrize("offline", ["0", "1"])
def test_a_kept_model_needs_neither_network_nor_tensorflow_hub(own_cache, monkeypatch, offline):
    monkeypatch.setenv("CENTERNET_OFFLINE", offline)
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    folder = cached(own_cache / "hub")
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")
    assert resolve_handle(HANDLE) == folder


def test_offline_says_where_the_model_would_be_and_which_variable_moves_it(own_cache, monkeypatch):
    monkeypatch.setenv("CENTERNET_OFFLINE", "1")
    hub = fake(monkeypatch, "never")
    with pytest.raises(DownloadError, match="TFHUB_CACHE_DIR") as caught:
        resolve_handle(HANDLE)
    assert str(cached(own_cache / "hub")) in str(caught.value)
    assert HANDLE in str(caught.value)
    assert hub.calls == []


@pytest.mark.parametrize("problem", [OSError("HTTP Error 404"), ValueError("Unexpected object"), RuntimeError("?")])
def test_whatever_the_hub_raises_becomes_our_error_with_the_next_step(monkeypatch, problem):
    fake(monkeypatch, problem)
    with pytest.raises(DownloadError, match=r"pass its path") as caught:
        resolve_handle(HANDLE)
    assert HANDLE in str(caught.value)
    assert str(problem) in str(caught.value)
    assert caught.value.__cause__ is problem


def test_a_hub_that_does_not_import_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    with pytest.raises(DownloadError, match=r'pip install "tensorflow-hub>=0\.16" packaging'):
        resolve_handle(HANDLE)


def test_a_model_left_in_a_bucket_is_refused(monkeypatch):
    fake(monkeypatch, "gs://tfhub-modules/tensorflow/centernet")
    with pytest.raises(DownloadError, match="TFHUB_MODEL_LOAD_FORMAT"):
        resolve_handle(HANDLE)


def test_an_unwritable_cache_is_said_before_the_hub_is_asked(own_cache, monkeypatch):
    own_cache.write_text("a file where the folder should be")
    hub = fake(monkeypatch, "never")
    with pytest.raises(DownloadError, match="CENTERNET_HOME"):
        resolve_handle(HANDLE)
    assert hub.calls == []


def test_plain_http_from_elsewhere_is_refused(monkeypatch):
    hub = fake(monkeypatch, "never")
    with pytest.raises(DownloadError, match="https://"):
        resolve_handle("http://example.com/model/1")
    assert hub.calls == []


def packed_model() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("saved_model.pb")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"graph"))
    return gzip.compress(buffer.getvalue())


def test_the_real_tensorflow_hub_resolves_keeps_and_fails_as_we_expect(server, own_cache, tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_hub")
    assert resolve_handle(str(tmp_path)) == tmp_path
    server.script = [status(404), raw(200, packed_model())]
    handle = server.url("/centernet/1")
    with pytest.raises(DownloadError, match="HTTPError: HTTP Error 404"):
        resolve_handle(handle)
    folder = resolve_handle(handle)
    assert folder == cached(own_cache / "hub", handle)
    assert (folder / "saved_model.pb").read_bytes() == b"graph"
    monkeypatch.setenv("CENTERNET_OFFLINE", "1")
    assert resolve_handle(handle) == folder
    assert len(server.requests) == 2
    with pytest.raises(DownloadError, match="does not exist"):
        resolve_handle(str(tmp_path / "nowhere"))


FRESH = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "pkg_resources" else find(name, *rest)
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "pkg_resources":
            raise ModuleNotFoundError("No module named 'pkg_resources'", name=name)
sys.meta_path.insert(0, Missing())
from centernet.checkpoints.fetching import resolve_handle
print(resolve_handle(sys.argv[1]))
assert "tensorflow_hub" in sys.modules and "pkg_resources" not in sys.modules
"""


def test_the_real_resolver_is_imported_where_setuptools_has_no_pkg_resources(tmp_path):
    """`pkg_resources` is gone from setuptools 81 and later; tensorflow-hub 0.16 imports it."""
    (tmp_path / "saved_model.pb").touch()
    done = subprocess.run([sys.executable, "-c", FRESH, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path)]
