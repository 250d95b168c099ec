"""One request over HTTPS: which addresses are accepted, and which failures another try may cure."""

from __future__ import annotations

import ipaddress
import re
import ssl
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPMessage, HTTPResponse, InvalidURL
from typing import IO
from urllib.parse import urlsplit

from centernet.errors import DownloadError

_LONGEST_WAIT = 60.0  # seconds; the longest Retry-After that is honoured
_TRY_AGAIN = frozenset({408, 425, 429})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class Interruption(Exception):  # noqa: N818 - no error yet: it becomes one when the tries are used up
    """A failure that another try may cure.

    Args:
        what: What happened.
        wait: Seconds that the server asked to wait before the next try.
        restart: What is here can't be continued: the next try must begin at the first byte.
    """

    def __init__(self, what: str, *, wait: float = 0.0, restart: bool = False) -> None:
        super().__init__(what)
        self.wait = wait
        self.restart = restart


def check_url(url: str) -> None:
    """Refuse an address whose bytes others could change on their way.

    Args:
        url: The address.

    Raises:
        DownloadError: It is neither `https` nor `http` from a loopback address.
    """
    try:
        parts = urlsplit(url)
        accepted = parts.scheme == "https" and bool(parts.hostname)
    except ValueError as error:
        raise DownloadError(f"{url} is not a valid address: {error}. Expected https://host/path.") from error
    if not accepted and not (parts.scheme == "http" and _is_loopback(url)):
        raise DownloadError(
            f"{url} is refused: expected an https:// address (plain http:// only from this computer, as in "
            "http://localhost:8000/). Use the https address, or fetch the file yourself and pass its path."
        )


def open_url(url: str, *, offset: int, validator: str, timeout: float) -> HTTPResponse:
    """Ask for a file, or for the rest of it.

    Args:
        url: An address that `check_url` accepts.
        offset: The first byte wanted.
        validator: What identified the version of the file that the first bytes came from, or nothing.
        timeout: Seconds without a byte after which the connection counts as stalled.

    Returns:
        The response, with status 200 (the whole file) or 206 (from some byte on).

    Raises:
        Interruption: Another try may succeed.
        DownloadError: None would.
    """
    # `identity`: the length and the hash are those of the file as published.
    request = urllib.request.Request(url, headers={"User-Agent": "centernet", "Accept-Encoding": "identity"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    if offset and validator:
        request.add_header("If-Range", validator)
    # A proxy has nothing to do with this computer's own server.
    proxy = urllib.request.ProxyHandler({} if _is_loopback(url) else None)
    opener = urllib.request.build_opener(_SafeRedirects, proxy)
    try:
        response: HTTPResponse = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(url, error) from error
    except (OSError, HTTPException, ValueError) as error:
        raise _failure(url, error) from error
    if response.status not in (200, 206):
        response.close()
        raise DownloadError(
            f"{url} could not be fetched: the server answered {response.status} {response.reason} instead of "
            "a file. Check the address in a browser."
        )
    return response


def read_some(response: HTTPResponse, most: int) -> bytes:
    """Return the bytes that have arrived, at least one unless the file has ended.

    Args:
        response: What `open_url` returned.
        most: At most so many bytes.

    Raises:
        Interruption: The connection broke or stalled.
    """
    try:
        # `read` would wait for `most` bytes and lose those that came before a stall.
        return response.read1(most)
    except TimeoutError as error:
        raise Interruption("the connection stalled") from error
    except (OSError, HTTPException) as error:
        raise Interruption(f"the connection broke: {error!r}") from error


def validator_of(headers: HTTPMessage) -> str:
    """Return what identifies this version of a file in `If-Range` (RFC 9110, 13.1.5), or nothing."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def extent(response: HTTPResponse) -> tuple[int | None, int | None]:
    """Return what a response says that it holds.

    Args:
        response: What `open_url` returned.

    Returns:
        The first byte (None if that is unreadable), and the length of the whole file in bytes (None if the
        server doesn't say).
    """
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


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        check_url(newurl)
        if _is_loopback(newurl) and not _is_loopback(req.full_url):
            raise DownloadError(f"{newurl}, a redirect to this computer itself, is refused.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    """Judge a status that is no success."""
    if error.code == 416:
        return Interruption("the server has nothing beyond what is here already; starting over", restart=True)
    if error.code in _TRY_AGAIN or error.code >= 500:
        asked = error.headers.get("Retry-After", "")
        wait = min(float(asked), _LONGEST_WAIT) if asked.isdecimal() else 0.0
        return Interruption(f"the server answered {error.code} {error.reason}", wait=wait)
    if error.code in {301, 302, 303, 307, 308}:
        what = "it redirects in a circle, too often, or to nowhere"
    else:
        what = f"the server answered {error.code} {error.reason}"
    return DownloadError(
        f"{url} could not be fetched: {what}. Check the address in a browser; if the file has moved, "
        "pass its new address, or fetch it yourself and pass its path."
    )


def _failure(url: str, error: Exception) -> Exception:
    """Judge a request that got no answer."""
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
        return Interruption("the server did not answer in time")
    return Interruption(f"no connection: {reason}")
