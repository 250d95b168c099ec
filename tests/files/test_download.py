from __future__ import annotations

import hashlib
import multiprocessing
import shutil
import ssl
import sys
import time
import urllib.error
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server import Server, hang_up, raw, status, whole

from centernet.errors import DownloadError
from centernet.files import download as download_module
from centernet.files import web
from centernet.files.download import download as slow_download

waits: list[float] = []
download = partial(slow_download, timeout=0.3, backoff=1.0, sleep=waits.append)


@pytest.fixture(autouse=True)
def no_waits():
    waits.clear()


@pytest.fixture
def target(own_cache: Path) -> Path:
    return own_cache / "zoo" / "model.tar.gz"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def beside(target: Path) -> set[str]:
    """Names of what is in the target's folder, but for the lock."""
    return {path.name for path in target.parent.iterdir()} - {target.name + ".lock"}


def put_part(target: Path, content: bytes, tag: str = '"first"') -> None:
    target.parent.mkdir(parents=True)
    target.with_name(target.name + ".part").write_bytes(content)
    target.with_name(target.name + ".part.tag").write_text(tag)


def test_a_file_is_downloaded_and_verified_and_leaves_no_other_file(server, target):
    found = download(server.url(), target, sha256=sha256(server.content).upper(), size=len(server.content))
    assert found == target
    assert target.read_bytes() == server.content
    assert beside(target) == {target.name}
    assert server.requests[0]["Accept-Encoding"] == "identity"
    assert waits == []


def test_an_empty_file_is_a_file(server, target):
    server.content = b""
    assert download(server.url(), target, size=0).read_bytes() == b""


def test_an_existing_file_is_not_requested(server, target):
    download(server.url(), target)
    download(server.url(), target, sha256=sha256(server.content), size=len(server.content))
    assert len(server.requests) == 1


def test_an_existing_file_with_another_hash_is_replaced(server, target, caplog):
    target.parent.mkdir(parents=True)
    target.write_bytes(b"something else")
    download(server.url(), target, sha256=sha256(server.content))
    assert target.read_bytes() == server.content
    assert "is not used" in caplog.text


@pytest.mark.parametrize("ranges", [True, False])
def test_a_truncated_transfer_is_resumed_or_restarted(server, target, ranges):
    server.ranges = ranges
    server.script = [whole(upto=30_000)]
    download(server.url(), target)
    assert target.read_bytes() == server.content
    assert server.requests[1]["Range"] == "bytes=30000-"
    assert server.requests[1]["If-Range"] == '"first"'
    assert 0.5 <= waits[0] <= 1.5


def test_a_stalled_transfer_is_resumed(server, target):
    server.script = [whole(upto=50_000, stall=0.8)]
    download(server.url(), target)
    assert target.read_bytes() == server.content
    assert server.requests[1]["Range"] == "bytes=50000-"


def test_a_server_that_never_answers_is_an_error_that_names_a_way_out(server, target):
    server.script = [lambda handler: time.sleep(0.8)] * 2
    with pytest.raises(DownloadError, match="did not answer in time") as caught:
        download(server.url(), target, retries=1)
    assert str(target) in str(caught.value)
    assert server.url() in str(caught.value)
    assert len(server.requests) == 2


@pytest.mark.parametrize("trouble", [hang_up, status(500), status(503), status(429), status(408)])
def test_temporary_failures_are_retried(server, target, trouble):
    server.script = [trouble, trouble]
    assert download(server.url(), target).read_bytes() == server.content
    assert len(server.requests) == 3


def test_the_wait_doubles_with_each_retry_within_half_of_it(server, target):
    server.script = [status(500)] * 9
    with pytest.raises(DownloadError, match=r"answered 500.*try 5 of 5"):
        download(server.url(), target)
    assert len(waits) == 4
    assert all(0.5 * 2**n <= wait <= 1.5 * 2**n for n, wait in enumerate(waits))


def test_retry_after_is_honoured_up_to_a_minute(server, target):
    server.script = [status(429, Retry_After=7), status(503, Retry_After=9999)]
    download(server.url(), target, backoff=0.0)
    assert waits == [7, 60]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410])
def test_a_refusal_is_final(server, target, code):
    server.script = [status(code)] * 3
    with pytest.raises(DownloadError, match=f"answered {code}"):
        download(server.url(), target)
    assert len(server.requests) == 1


@pytest.mark.parametrize("code", [203, 204])
def test_a_success_status_without_a_file_is_refused(server, target, code):
    server.script = [status(code)]
    with pytest.raises(DownloadError, match=f"answered {code}"):
        download(server.url(), target)
    assert not target.exists()


def test_an_unreachable_server_is_named(own_cache, target):
    closed = Server(b"")
    closed.server_close()
    with pytest.raises(DownloadError, match=r"no connection.*put it at"):
        download(closed.url(), target, retries=2)
    assert len(waits) == 2


def test_after_the_last_retry_the_received_bytes_are_kept(server, target):
    server.script = [whole(upto=10_000)] * 3
    with pytest.raises(DownloadError, match=r"10,000 of 102,400 bytes.*continued"):
        download(server.url(), target, retries=2)
    assert target.with_name(target.name + ".part").stat().st_size == 10_000
    download(server.url(), target)
    assert server.requests[-1]["Range"] == "bytes=10000-"
    assert target.read_bytes() == server.content


def test_retries_are_counted_anew_after_real_progress(server, target, monkeypatch):
    monkeypatch.setattr(download_module, "_REAL_PROGRESS", 1000)
    server.script = [whole(upto=n * 1000) for n in range(1, 9)]
    assert download(server.url(), target, retries=1).read_bytes() == server.content


# A file that changes between tries


def test_a_changed_file_is_not_appended_to_the_old_part(server, target):
    put_part(target, b"old" * 1000, tag='"older"')
    download(server.url(), target)
    assert target.read_bytes() == server.content


def test_a_changed_file_is_not_appended_even_if_the_server_ignores_if_range(server, target):
    put_part(target, b"old" * 1000, tag='"older"')
    size = len(server.content)
    server.script = [raw(206, server.content[3000:], ETag='"first"', Content_Range=f"bytes 3000-{size - 1}/{size}")]
    download(server.url(), target)
    assert target.read_bytes() == server.content
    assert "Range" not in server.requests[1]


def test_the_tag_changes_between_two_tries(server, target):
    def change(handler):
        whole(upto=20_000)(handler)
        server.content, server.etag = server.content[::-1], '"second"'

    server.script = [change]
    download(server.url(), target)
    assert target.read_bytes() == server.content


def test_without_tag_and_hash_a_part_is_not_resumed(server, target):
    server.etag = None
    put_part(target, b"old" * 1000, tag="")
    download(server.url(), target)
    assert "Range" not in server.requests[0]
    assert target.read_bytes() == server.content


def test_a_weak_tag_is_not_trusted(server, target):
    server.etag = 'W/"weak"'
    server.script = [whole(upto=5000)]
    download(server.url(), target)
    assert "Range" not in server.requests[1]


def test_a_part_of_another_file_is_detected_by_its_hash_and_restarted(server, target):
    server.etag = None
    put_part(target, b"old" * 1000, tag="")
    download(server.url(), target, sha256=sha256(server.content))
    assert server.requests[0]["Range"] == "bytes=3000-"
    assert target.read_bytes() == server.content


def test_a_damaged_tag_is_ignored(server, target):
    put_part(target, b"old" * 1000, tag="\0\0\0\n")
    assert download(server.url(), target).read_bytes() == server.content


def test_a_complete_part_needs_no_request(server, target):
    put_part(target, server.content)
    download(server.url(), target, size=len(server.content), sha256=sha256(server.content))
    assert server.requests == []
    assert beside(target) == {target.name}


def test_a_part_that_is_too_long_is_restarted(server, target):
    put_part(target, server.content * 2)
    assert download(server.url(), target, sha256=sha256(server.content)).read_bytes() == server.content


@pytest.mark.parametrize("content_range", ["bytes 7-9/10", "nonsense", "bytes */10"])
def test_an_answer_that_continues_elsewhere_is_not_used(server, target, content_range):
    put_part(target, server.content[:3000])
    server.script = [raw(206, b"xyz", ETag='"first"', Content_Range=content_range)]
    assert download(server.url(), target).read_bytes() == server.content


# Wrong sizes, hashes and damage


def test_a_wrong_hash_names_both_and_keeps_nothing(server, target):
    with pytest.raises(DownloadError) as caught:
        download(server.url(), target, sha256="0" * 64)
    assert "0" * 64 in str(caught.value)
    assert sha256(server.content) in str(caught.value)
    assert beside(target) == set()
    assert len(server.requests) == 1


@pytest.mark.parametrize("claimed", [10, 1_000_000])
def test_an_announced_length_that_is_not_the_expected_is_refused_at_once(server, target, claimed):
    server.script = [raw(200, server.content, Content_Length=claimed)]
    with pytest.raises(DownloadError, match=f"announces {claimed:,} bytes, 102,400 were expected"):
        download(server.url(), target, size=len(server.content))
    assert beside(target) == set()


def test_a_length_announced_too_short_is_caught_by_the_hash(server, target):
    server.script = [raw(200, server.content, Content_Length=1000)]
    with pytest.raises(DownloadError, match="its sha256 is"):
        download(server.url(), target, sha256=sha256(server.content))
    assert beside(target) == set()


def test_a_length_announced_too_long_counts_as_truncation(server, target):
    server.script = [raw(200, server.content, Content_Length=200_000, ETag='"first"')]
    server.script += [status(404)]
    with pytest.raises(DownloadError):
        download(server.url(), target)
    assert not target.exists()


def test_more_bytes_than_expected_are_refused_where_no_length_is_announced(server, target):
    server.script = [raw(200, server.content + b"!")]
    with pytest.raises(DownloadError, match="more than the 102,400 bytes"):
        download(server.url(), target, size=len(server.content))
    assert beside(target) == set()


def test_an_endless_answer_is_cut_at_the_cap(server, target, monkeypatch):
    monkeypatch.setattr(download_module, "_MAX_BYTES", 50_000)
    server.script = [raw(200, server.content)]
    with pytest.raises(DownloadError, match="more than the 50,000 bytes"):
        download(server.url(), target)


def test_fewer_bytes_than_expected_are_noticed_where_no_length_is_announced(server, target):
    server.script = [raw(200, server.content[:500], ETag='"first"')]
    assert download(server.url(), target, size=len(server.content)).read_bytes() == server.content
    assert server.requests[1]["Range"] == "bytes=500-"


def test_a_broken_chunked_answer_is_retried(server, target):
    server.script = [raw(200, b"400\r\nabc", Transfer_Encoding="chunked")]
    assert download(server.url(), target).read_bytes() == server.content


def test_a_content_length_beside_chunks_is_ignored(server, target):
    server.script = [raw(200, b"3\r\nabc\r\n0\r\n\r\n", Transfer_Encoding="chunked", Content_Length=9)]
    assert download(server.url(), target).read_bytes() == b"abc"
    assert len(server.requests) == 1


# Addresses


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/model.tar.gz",
        "ftp://example.com/model.tar.gz",
        "file:///etc/passwd",
        "http://127.0.0.1.example.com/",
        "http://[::1/",
        "https://",
        "model.tar.gz",
    ],
)
def test_an_unsafe_address_is_refused_before_anything_is_touched(target, url):
    with pytest.raises(DownloadError, match="https://"):
        download(url, target)
    assert not target.parent.exists()


def test_redirects_on_this_computer_are_followed_and_keep_the_range(server, target):
    put_part(target, server.content[:3000])
    server.script = [status(302, Location=server.url("/elsewhere"))]
    assert download(server.url(), target).read_bytes() == server.content
    assert server.requests[1]["Range"] == "bytes=3000-"


@pytest.mark.parametrize("location", ["http://example.com/a", "ftp://127.0.0.1/a", "file:///etc/passwd"])
def test_a_redirect_to_an_unsafe_address_is_refused(server, target, location):
    server.script = [status(302, Location=location)]
    with pytest.raises(DownloadError):
        download(server.url(), target)
    assert len(server.requests) == 1
    assert beside(target) == set()


@pytest.mark.parametrize("check", [web.check_url, web._check_image_url])
def test_a_redirect_from_the_network_to_this_computer_is_refused(check):
    request = SimpleNamespace(full_url="https://example.com/a")
    with pytest.raises(DownloadError, match="this computer itself"):
        web._CheckedRedirects(check).redirect_request(request, None, 302, "", {}, "http://127.0.0.1/b")


def test_a_redirect_loop_ends(server, target):
    server.script = [status(302, Location=server.url(f"/{n}")) for n in range(20)]
    with pytest.raises(DownloadError, match="redirects in a circle"):
        download(server.url(), target)
    assert len(server.requests) == 6


def test_an_untrusted_certificate_is_final_and_says_what_to_set():
    problem = ssl.SSLCertVerificationError(1, "certificate verify failed")
    problem.verify_message = "self-signed certificate"
    error = web._connection_error("https://example.com/a", urllib.error.URLError(problem))
    assert isinstance(error, DownloadError)
    assert "self-signed certificate" in str(error)
    assert "SSL_CERT_FILE" in str(error)


# Disk, offline, other processes, progress


def test_too_little_disk_space_is_reported_before_anything_is_written(server, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DownloadError, match=r"needs 102,400 bytes more, but .* has 1,000 left.*CENTERNET_HOME"):
        download(server.url(), target)
    assert beside(target) == set()


def test_only_the_missing_bytes_need_disk_space(server, target, monkeypatch):
    put_part(target, server.content[:-900])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    assert download(server.url(), target).read_bytes() == server.content


class NearlyFull:
    """A file on a disk that takes only so many bytes more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, data):
        self.file.write(data[: self.room])
        self.room -= len(data)
        if self.room < 0:
            raise OSError(28, "No space left on device")


def test_a_disk_that_fills_up_keeps_the_received_bytes(server, target, monkeypatch):
    part, real_open = target.with_name(target.name + ".part"), Path.open

    def open_file(path, *args, **kwargs):
        file = real_open(path, *args, **kwargs)
        return NearlyFull(file, 40_000) if path == part else file

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_file)
        with pytest.raises(DownloadError, match=r"No space left on device.*free some space"):
            download(server.url(), target)
    assert waits == []
    assert part.stat().st_size == 40_000
    download(server.url(), target)
    assert server.requests[1]["Range"] == "bytes=40000-"
    assert target.read_bytes() == server.content


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_device_is_reported(server, target):
    target.parent.mkdir(parents=True)
    target.with_name(target.name + ".part").symlink_to("/dev/full")
    with pytest.raises(DownloadError, match="No space left on device"):
        download(server.url(), target)


def test_an_unwritable_cache_is_reported_before_the_network_is_used(server, target):
    target.parent.parent.write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="CENTERNET_HOME"):
        download(server.url(), target)
    assert server.requests == []


def test_offline_names_the_file_its_address_and_its_place(server, target, monkeypatch):
    monkeypatch.setenv("CENTERNET_OFFLINE", "1")
    with pytest.raises(DownloadError, match="is missing") as caught:
        download(server.url(), target)
    assert server.url() in str(caught.value)
    assert f"put it at {target}" in str(caught.value)
    assert server.requests == []
    assert not target.parent.exists()


def test_offline_uses_the_right_file_and_names_a_wrong_one(server, target, monkeypatch):
    monkeypatch.setenv("CENTERNET_OFFLINE", "1")
    target.parent.mkdir(parents=True)
    target.write_bytes(server.content)
    assert download(server.url(), target, sha256=sha256(server.content)) == target
    with pytest.raises(DownloadError, match="is not the expected file"):
        download(server.url(), target, sha256="0" * 64)


def test_two_processes_download_once(server, target):
    server.script = [whole(delay=1.0)]
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=slow_download, args=(server.url(), target)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert [process.exitcode for process in both] == [0, 0]
    assert target.read_bytes() == server.content
    assert len(server.requests) == 1


def test_a_terminal_gets_a_bar_and_a_pipe_gets_none(server, target, monkeypatch, capsys):
    download(server.url(), target)
    assert capsys.readouterr().err == ""
    target.unlink()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    download(server.url(), target)
    shown = capsys.readouterr()
    assert "model.tar.gz" in shown.err
    assert shown.out == ""
    target.unlink()
    download(server.url(), target, progress=False)
    assert capsys.readouterr().err == ""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_server_does_the_file_is_right_or_missing(server, target, data):
    answers = st.one_of(
        st.integers(0, len(server.content)).map(lambda n: whole(upto=n)),
        st.sampled_from([hang_up, status(500), status(204), status(416), raw(206, b"abc"), raw(200, b"abc")]),
    )
    server.script = data.draw(st.lists(answers, max_size=6))
    server.ranges = data.draw(st.booleans())
    server.etag = data.draw(st.sampled_from([None, '"first"', 'W/"weak"']))
    shutil.rmtree(target.parent, ignore_errors=True)
    try:
        download(server.url(), target, sha256=sha256(server.content))
    except DownloadError:
        assert not target.exists()
    else:
        assert target.read_bytes() == server.content
