"""HTTP requests of downloads and images: accepted addresses, checked redirects, failures that a retry may cure."""

from __future__ import annotations

import ipaddress
import re
import ssl
import string
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPMessage, HTTPResponse, InvalidURL
from typing import IO
from urllib.parse import quote, urlsplit

from centernet.errors import DownloadError, SourceError

MAX_IMAGE_BYTES = 64 * 2**20
_MAX_RETRY_AFTER = 60.0  # seconds
_RETRYABLE = frozenset({408, 425, 429})  # and all from 500 on
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_IMAGE_CHUNK = 2**18


class TemporaryFailure(Exception):  # noqa: N818 - becomes an error when the retries are used up
    """A failure that a retry may cure, after `wait` seconds; with `restart`, from the first byte."""

    def __init__(self, reason: str, *, wait: float = 0.0, restart: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.restart = restart


def is_url(text: str) -> bool:
    """Whether a text has the form `scheme://…`."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.isascii() and scheme.replace("+", "").isalnum()


def check_url(url: str) -> None:
    """Check that nobody on the network path can change what an address returns.

    Raises:
        DownloadError: The address is neither `https` nor `http` on a loopback interface.
    """
    try:
        parts = urlsplit(url)
        accepted = parts.scheme == "https" and bool(parts.hostname)
    except ValueError as error:
        raise DownloadError(f"{url} is not a valid address: {error}. Expected https://host/path.") from error
    if not accepted and not (parts.scheme == "http" and is_loopback(url)):
        raise DownloadError(
            f"{url} is refused: expected an https:// address (plain http:// only from this computer, as in "
            "http://localhost:8000/). Use the https address, or fetch the file yourself and pass its path."
        )


def open_url(url: str, *, offset: int, validator: str, timeout: float) -> HTTPResponse:
    """Request a file from the byte `offset` on; the response has status 200 (the whole file) or 206 (a part of it).

    Args:
        url: An address that `check_url` accepts.
        offset: First byte to request.
        validator: ETag or Last-Modified of the version that the first bytes came from, or an empty string.
        timeout: Seconds without a byte after which the connection counts as stalled.

    Raises:
        TemporaryFailure: A retry may succeed.
        DownloadError: A retry can't help.
    """
    headers = {"Accept-Encoding": "identity"}  # size and hash are those of the published file
    if offset:
        headers |= {"Range": f"bytes={offset}-"} | ({"If-Range": validator} if validator else {})
    try:
        response = _open(url, check_url, headers, timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise _status_error(url, error) from error
    except (OSError, HTTPException, ValueError) as error:
        raise _connection_error(url, error) from error
    if response.status not in (200, 206):
        response.close()
        raise DownloadError(
            f"{url} could not be fetched: the server answered {response.status} {response.reason} instead of "
            "a file. Check the address in a browser."
        )
    return response


def read_available(response: HTTPResponse, max_bytes: int) -> bytes:
    """Return the bytes that have arrived: at least one, at most `max_bytes`, none at the end of the response.

    Raises:
        TemporaryFailure: The connection broke or stalled.
    """
    try:
        # `read` waits for `max_bytes`, and loses those that arrived before a stall.
        return response.read1(max_bytes)
    except TimeoutError as error:
        raise TemporaryFailure("the connection stalled") from error
    except (OSError, HTTPException) as error:
        raise TemporaryFailure(f"the connection broke: {error!r}") from error


def validator_of(headers: HTTPMessage) -> str:
    """Return the strong ETag or Last-Modified for `If-Range` (RFC 9110, 13.1.5), or an empty string."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def content_extent(response: HTTPResponse) -> tuple[int | None, int | None]:
    """Return the first byte of a response (None if unreadable), and the size of the whole file (None if unknown)."""
    length = None if response.headers.get("Transfer-Encoding") else response.headers.get("Content-Length", "")
    announced = int(length) if length and length.isdecimal() else None
    if response.status != 206:
        return 0, announced
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    if match is None:
        return None, None
    start = int(match[1])
    if match[2] != "*":
        return start, int(match[2])
    return start, None if announced is None else start + announced


def fetch_image(
    url: str, *, max_bytes: int = MAX_IMAGE_BYTES, timeout_s: float = 20.0, total_timeout_s: float = 120.0
) -> tuple[bytes, str]:
    """Fetch an image file over http or https into memory.

    Args:
        url: Address; spaces and non-ASCII characters are escaped.
        max_bytes: Maximum size of the file.
        timeout_s: Seconds without a byte after which the connection counts as stalled.
        total_timeout_s: Maximum seconds for the whole file.

    Returns:
        The bytes of the file, and its content type.

    Raises:
        SourceError: The address has another scheme, the server fails, or the file is too large or too slow.
    """
    try:
        _check_image_url(url)
        with _open(quote(url, safe=string.punctuation), _check_image_url, {"Accept": "image/*"}, timeout_s) as response:
            return _read_image(url, response, max_bytes, total_timeout_s), response.headers.get_content_type()
    except urllib.error.HTTPError as error:
        raise SourceError(f"{url}: the server answered {error.code} {error.reason}. Check the address.") from error
    except SourceError:
        raise
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise SourceError(
            f"{url}: could not be fetched: {reason}. Check address and connection, or pass a local file."
        ) from error


def _check_image_url(url: str) -> None:
    if not url.lower().startswith(("http://", "https://")):
        raise SourceError(
            f"{url}: could not be fetched: expected an address that starts with http:// or https://. "
            "Pass a local file by its path."
        )


def _read_image(url: str, response: HTTPResponse, max_bytes: int, total_timeout_s: float) -> bytes:
    deadline = time.monotonic() + total_timeout_s
    data, announced = bytearray(), int(response.headers.get("Content-Length") or 0)
    _check_size(url, announced, max_bytes)
    # read1 returns what has arrived, so that a slow server can't hold the loop beyond the deadline.
    while chunk := response.read1(_IMAGE_CHUNK):
        data += chunk
        _check_size(url, len(data), max_bytes)
        if time.monotonic() > deadline:
            raise SourceError(f"{url}: {len(data)} bytes in {total_timeout_s:g} seconds. Download it by hand.")
    if len(data) < announced:
        raise SourceError(f"{url}: expected {announced} bytes. Received: {len(data)}. Try again.")
    return bytes(data)


def _check_size(url: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise SourceError(
            f"{url}: expected an image of at most {max_bytes / 2**20:g} MB. "
            f"Received: {size / 2**20:.1f} MB or more. Download it and pass the file."
        )


def _open(url: str, check: Callable[[str], None], headers: Mapping[str, str], timeout: float) -> HTTPResponse:
    request = urllib.request.Request(url, headers={"User-Agent": "centernet", **headers})
    # A server on this computer is reached without a proxy.
    proxy = urllib.request.ProxyHandler({} if is_loopback(url) else None)
    response: HTTPResponse = urllib.request.build_opener(_CheckedRedirects(check), proxy).open(request, timeout=timeout)
    return response


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Applies the check of the address to every redirect."""

    max_redirections = 5

    def __init__(self, check: Callable[[str], None]) -> None:
        self._check = check

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        self._check(newurl)
        if is_loopback(newurl) and not is_loopback(req.full_url):
            raise DownloadError(f"{newurl}, a redirect to this computer itself, is refused.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def is_loopback(url: str) -> bool:
    """Whether the host of an address is this computer, by a name or number that nobody else can have."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _status_error(url: str, error: urllib.error.HTTPError) -> TemporaryFailure | DownloadError:
    """Classify a status that is no success."""
    if error.code == 416:
        return TemporaryFailure("the server has no bytes beyond the partial file; starting over", restart=True)
    if error.code in _RETRYABLE or error.code >= 500:
        retry_after = error.headers.get("Retry-After", "")
        wait = min(float(retry_after), _MAX_RETRY_AFTER) if retry_after.isdecimal() else 0.0
        return TemporaryFailure(f"the server answered {error.code} {error.reason}", wait=wait)
    what = f"the server answered {error.code} {error.reason}"
    if error.code in {301, 302, 303, 307, 308}:
        what = "it redirects in a circle, too often, or to nowhere"
    return DownloadError(
        f"{url} could not be fetched: {what}. Check the address in a browser; if the file has moved, "
        "pass its new address, or fetch it yourself and pass its path."
    )


def _connection_error(url: str, error: Exception) -> TemporaryFailure | DownloadError:
    """Classify a request without a response."""
    reason = getattr(error, "reason", error)
    if isinstance(error, DownloadError):
        return DownloadError(f"{url} could not be fetched: {error}")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f"{url} could not be fetched: the server's certificate is not trusted ({reason.verify_message}). "
            "Set SSL_CERT_FILE to your organisation's or your system's certificates."
        )
    if isinstance(error, (ValueError, InvalidURL)):
        return DownloadError(f"{url} is not a valid address: {error}. Expected https://host/path.")
    if isinstance(reason, TimeoutError):
        return TemporaryFailure("the server did not answer in time")
    return TemporaryFailure(f"no connection: {reason}")
