"""Fixtures of the checkpoint tests: a cache folder of their own, and a server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "centernet home"
    monkeypatch.setenv("CENTERNET_HOME", str(folder))
    for name in ("CENTERNET_OFFLINE", "TFHUB_CACHE_DIR", "TFHUB_MODEL_LOAD_FORMAT"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(bytes(range(256)) * 400)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
