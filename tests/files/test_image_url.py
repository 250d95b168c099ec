import http.server
import io
import threading
import time

import numpy as np
import pytest
from PIL import Image

from centernet.errors import SourceError
from centernet.files.web import fetch_image, is_url
from centernet.images.reading import read_image


def png():
    file = io.BytesIO()
    Image.new("RGB", (5, 4), "red").save(file, "PNG")
    return file.getvalue()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path: /drip byte by byte, /lie with a length that is not met, /huge, redirects, errors."""

    def do_GET(self):
        body, kind = (b"<html>", "text/html") if self.path == "/page" else (png(), "image/png")
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        length = {"/huge": 10**9, "/lie": len(body) + 50}.get(self.path, len(body))
        if self.path != "/endless":
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.send_body(body)

    def send_body(self, body):
        pieces = [bytes(1000)] * 100 if self.path == "/endless" else [body]
        if self.path == "/drip":
            pieces = [body[i : i + 1] for i in range(len(body))]
        try:
            for piece in pieces:
                self.wfile.write(piece)
                time.sleep(0.02 * (self.path == "/drip"))
            if self.path == "/stall":
                time.sleep(0.5)
        except OSError:
            pass

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_an_image_is_fetched_and_named_by_its_address(server):
    frame = read_image(f"{server}/red.png")
    assert frame.name == f"{server}/red.png"
    np.testing.assert_array_equal(frame.image[0, 0], [255, 0, 0])


def test_spaces_and_umlauts_in_an_address_are_escaped(server):
    assert read_image(f"{server}/a b ü.png?x=1&y=%20").image.shape == (4, 5, 3)


def test_a_redirect_is_followed(server):
    assert read_image(f"{server}/to?/red.png").image.shape == (4, 5, 3)


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/a.png", "file:///etc/hostname"])
def test_a_redirect_to_another_scheme_is_refused(server, target):
    with pytest.raises(SourceError, match=r"could not be fetched|answered 302"):
        read_image(f"{server}/to?{target}")


@pytest.mark.parametrize("url", ["ftp://example.org/a.jpg", "file:///tmp/a.jpg", "s3://bucket/a.jpg"])
def test_other_schemes_are_refused(url):
    with pytest.raises(SourceError, match="http:// or https://"):
        read_image(url)


def test_the_status_of_a_server_error_is_named(server):
    with pytest.raises(SourceError, match="404"):
        read_image(f"{server}/missing")


def test_a_web_page_is_refused_with_its_content_type(server):
    with pytest.raises(SourceError, match=r"another kind.*text/html"):
        read_image(f"{server}/page")


def test_an_unreachable_server_is_a_source_error():
    with pytest.raises(SourceError, match="could not be fetched"):
        read_image("http://127.0.0.1:9/a.jpg")


def test_a_huge_file_is_refused_by_its_length(server):
    with pytest.raises(SourceError, match=r"at most 64 MB. Received: 953\.7 MB"):
        fetch_image(f"{server}/huge")


def test_an_endless_file_is_refused_while_it_is_read(server):
    with pytest.raises(SourceError, match="at most"):
        fetch_image(f"{server}/endless", max_bytes=5000)


def test_a_slow_server_is_abandoned_at_the_deadline(server):
    with pytest.raises(SourceError, match=r"in 0\.1 seconds"):
        fetch_image(f"{server}/drip", total_timeout_s=0.1)


def test_a_file_shorter_than_announced_is_refused(server):
    with pytest.raises(SourceError, match=r"\d+ bytes.*Received: \d+"):
        fetch_image(f"{server}/lie", timeout_s=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("https://a/b", True), ("s3://a", True), ("C:\\a.jpg", False), ("a.jpg", False), ("./a://b", False)],
)
def test_urls_are_distinguished_from_paths(text, expected):
    assert is_url(text) is expected
