"""Serves a site from this computer: its files and nothing else."""

from __future__ import annotations

import io
import os
import shutil
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

from centernet.cli.demo.site import INDEX, POLICY, Site
from centernet.errors import ConfigError
from centernet.files.web import is_loopback

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".bin": "application/octet-stream",
}
# The first two isolate the page from others, which browsers require for WebAssembly with threads.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class SiteServer(ThreadingHTTPServer):
    """A server of a site, which may be set after the port is taken.

    Attributes:
        site: The files.
        is_local: Whether only this computer reaches it.
        url: The address of the page.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int) -> None:
        """Take a port.

        Args:
            host: Name or number of a network interface of this computer.
            port: The port; 0 for any that is free.

        Raises:
            ConfigError: If the port is in use, or the host is not of this computer.
        """
        self.site: Site = {}
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        name = f"[{host}]" if ":" in host else host
        try:
            super().__init__((host, port), _Handler)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(
                f"Expected a free --port, and a --host of this computer. Received: --host {host} --port {port}: "
                f"{reason}. Choose another port, as in --port {port + 1 if port < 65535 else 8000}."
            ) from error
        self.is_local = is_loopback(f"http://{name}")
        self.url = f"http://{name}:{self.server_port}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print a traceback, unless the browser closed the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: SiteServer
    timeout = 60  # seconds

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        # Otherwise any page could read the files through a name of its own that it points to this computer.
        if self.server.is_local and not is_loopback(f"http://{self.headers.get('Host', 'localhost')}"):
            return self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        # Paths are looked up as they are, never resolved: nothing but the site's files can be named.
        name = self.path.partition("?")[0].removeprefix("/") or INDEX
        content = self.server.site.get(name)
        if content is None or not self.path.startswith("/"):
            return self.send_error(HTTPStatus.NOT_FOUND)
        with content.open("rb") if isinstance(content, Path) else io.BytesIO(content) as file:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", TYPES[PurePosixPath(name).suffix])
            self.send_header("Content-Length", str(file.seek(0, os.SEEK_END)))
            self.end_headers()
            if self.command == "GET":
                file.seek(0)
                shutil.copyfileobj(file, self.wfile)

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def version_string(self) -> str:
        return "centernet"

    def log_message(self, format: str, *arguments: object) -> None:
        pass
