"""A web server on loopback that misbehaves on demand, and fixtures of it and of an empty cache folder."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers each GET with the next answer of the server's script, and properly when that is used up."""

    server: Server

    def do_GET(self) -> None:
        with self.server.guard:
            self.server.requests.append(dict(self.headers))
            answer = self.server.script.pop(0) if self.server.script else whole()
        self.close_connection = True
        answer(self)

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Serves `content` at every path.

    `requests` holds the headers of each GET, `script` the answers to come, `etag` the tag of the content
    (None for none), `ranges` whether a range is honoured.
    """

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.etag: str | None = '"first"'
        self.ranges = True
        self.requests: list[dict[str, str]] = []
        self.script: list[Answer] = []
        self.guard = threading.Lock()

    def url(self, path: str = "/model.tar.gz") -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def validators(self) -> dict[str, str]:
        return {"ETag": self.etag} if self.etag else {}


def whole(upto: int | None = None, stall: float = 0.0, delay: float = 0.0) -> Answer:
    """Serve properly, honouring ranges; or end, or stall for some seconds, before byte `upto` of the file."""

    def answer(handler: Handler) -> None:
        server = handler.server
        content, headers = server.content, server.validators()
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        same = handler.headers.get("If-Range", server.etag) == server.etag
        start = int(asked[1]) if asked and server.ranges and same else 0
        if start >= len(content) > 0:
            handler.head(416, Content_Range=f"bytes */{len(content)}")
            return
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        handler.head(206 if start else 200, Content_Length=len(content) - start, **headers)
        time.sleep(delay)
        handler.wfile.write(content[start:upto])
        handler.wfile.flush()
        time.sleep(stall)

    return answer


def status(code: int, **headers: object) -> Answer:
    """Answer with a status and headers, and no body."""
    return lambda handler: handler.head(code, Content_Length=0, **headers)


def raw(code: int, body: bytes, **headers: object) -> Answer:
    """Answer with exactly these headers, whatever they claim, and this body."""

    def answer(handler: Handler) -> None:
        handler.head(code, **headers)
        handler.wfile.write(body)

    return answer


def hang_up(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.connection.close()


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
