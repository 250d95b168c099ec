"""Fetches one image from the web: small, with limits on size and time, nothing stored."""

from __future__ import annotations

import http.client
import string
import time
import urllib.error
import urllib.parse
import urllib.request

from centernet.errors import SourceError

MAX_BYTES = 64 * 2**20
TIMEOUT_S = 20.0
TOTAL_TIMEOUT_S = 120.0
_CHUNK = 2**18


def is_url(text: str) -> bool:
    """Tells whether a text has the form scheme://… of a URL."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.isascii() and scheme.replace("+", "").isalnum()


def fetch_image(
    url: str,
    *,
    max_bytes: int = MAX_BYTES,
    timeout_s: float = TIMEOUT_S,
    total_timeout_s: float = TOTAL_TIMEOUT_S,
) -> tuple[bytes, str]:
    """Fetches an image file over http or https.

    Args:
        url: Address; spaces and letters outside ASCII are escaped.
        max_bytes: Largest file to accept.
        timeout_s: Seconds to wait for the server, each time.
        total_timeout_s: Seconds that the whole file may take.

    Returns:
        The file's bytes and its content type.

    Raises:
        SourceError: The scheme is another, the server fails, the file is too large or too slow.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise SourceError(
            f"{url}: expected an address that starts with http:// or https://. Give a local file by its path."
        )
    address = urllib.parse.quote(url, safe=string.punctuation)
    request = urllib.request.Request(address, headers={"User-Agent": "centernet", "Accept": "image/*"})
    try:
        with _opener().open(request, timeout=timeout_s) as response:
            promised = int(response.headers.get("Content-Length") or 0)
            _check_size(url, promised, max_bytes)
            data = _read(url, response, max_bytes, total_timeout_s)
            if len(data) < promised:
                raise SourceError(f"{url}: expected {promised} bytes. Received: {len(data)}. Try again.")
            return data, response.headers.get_content_type()
    except urllib.error.HTTPError as error:
        raise SourceError(f"{url}: the server answered {error.code} {error.reason}. Check the address.") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        reason = getattr(error, "reason", None) or error or type(error).__name__
        raise SourceError(
            f"{url}: could not be fetched: {reason}. Check address and connection, or give a local file."
        ) from error


def _opener() -> urllib.request.OpenerDirector:
    # Built by hand, so that a redirect can't lead to ftp:// or file://.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _read(url: str, response: http.client.HTTPResponse, max_bytes: int, total_timeout_s: float) -> bytes:
    deadline = time.monotonic() + total_timeout_s
    data = bytearray()
    # read1 returns what has arrived, so that a server that drips can't hold the loop beyond the deadline.
    while chunk := response.read1(_CHUNK):
        data += chunk
        _check_size(url, len(data), max_bytes)
        if time.monotonic() > deadline:
            raise SourceError(f"{url}: {len(data)} bytes in {total_timeout_s:g} seconds. Download it by hand.")
    return bytes(data)


def _check_size(url: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise SourceError(
            f"{url}: expected an image of at most {max_bytes / 2**20:g} MB. "
            f"Received: {size / 2**20:.1f} MB or more. Download it and give the file."
        )
