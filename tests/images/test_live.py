import io
import itertools
import logging
import re
import socket
import socketserver
import struct
import sys
import threading
import time
import traceback

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from centernet.errors import MissingExtraError, SourceError
from centernet.images import live
from centernet.images.sources import kind_of, open_source

av = pytest.importorskip("av", reason="needs the extra `video`")
PATIENCE = 60.0  # seconds; only a failing test waits so long


def encode(numbers, stream):
    """Packets of frames that show their number, modulo 64, as six black or white bars."""
    stream.width, stream.height, stream.pix_fmt, stream.gop_size = 96, 48, "yuv420p", 4
    for number in numbers:
        image = np.zeros((48, 6, 16, 3), np.uint8)
        image[:, [bit for bit in range(6) if number >> bit & 1]] = 255
        yield from stream.encode(av.VideoFrame.from_ndarray(image.reshape(48, 96, 3), format="rgb24"))


def send(target, numbers, pause=0.0):
    """Write frames as MPEG-TS."""
    with av.open(target, "w", format="mpegts") as container:
        for packet in encode(numbers, container.add_stream("mpeg4", rate=25)):
            container.mux(packet)
            time.sleep(pause)


def number(frame):
    bars = frame.image.reshape(48, 6, 16, 3).mean((0, 2, 3)) > 128
    return sum(int(bar) << bit for bit, bar in enumerate(bars))


def wait_for(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


class Sender:
    """Sends frames over UDP until it is stopped."""

    def __init__(self, address):
        self._stopped = threading.Event()
        numbers = itertools.takewhile(lambda _: not self._stopped.is_set(), itertools.count())
        self._thread = threading.Thread(target=send, args=(address, numbers, 0.02), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._stopped.set()
        self._thread.join()


class RtspCamera(socketserver.BaseRequestHandler):
    """Answers the four requests of a viewer, and sends MPEG-4 over the same connection; then it hangs up."""

    def handle(self):
        requests = self.request.makefile("rb")
        while request := requests.readline().decode():
            method = request.split()[0]
            lines = iter(lambda: requests.readline().decode().strip(), "")
            headers = dict(line.split(": ", 1) for line in lines)
            self.server.requests.append((method, headers.get("Authorization")))
            body, more = "", "Session: 1\r\n"
            status = "200 OK"
            if method == "DESCRIBE" and "Authorization" not in headers:
                status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
            elif method == "DESCRIBE":
                lines = ("v=0", "t=0 0", "m=video 0 RTP/AVP 96", "a=rtpmap:96 MP4V-ES/90000", "a=control:track", "")
                body = "\r\n".join(lines)
                more = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
            elif method == "SETUP":
                more += "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
            answer = f"RTSP/1.0 {status}\r\nCSeq: {headers['CSeq']}\r\n{more}\r\n{body}"
            self.request.sendall(answer.encode())
            if method == "PLAY":
                return self.send_frames()

    def send_frames(self):
        with av.open(io.BytesIO(), "w", format="mpegts") as container:
            packets = encode(range(20), container.add_stream("mpeg4", rate=25))
            for count, data in enumerate(map(bytes, packets)):
                header = struct.pack(">BBHII", 0x80, 0x80 | 96, count, count * 3600, 1)
                self.request.sendall(b"$\0" + struct.pack(">H", 12 + len(data)) + header + data)
                time.sleep(0.01)


@pytest.fixture
def camera():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), RtspCamera) as server:
        server.daemon_threads = True
        server.requests = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def udp():
    """An address of this computer that no one uses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        return f"udp://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(live, "PAUSES", (0.01, 0.02, 0.03))
    monkeypatch.setattr(live, "CONNECT_TIMEOUT", 20.0)
    monkeypatch.setattr(live, "READ_TIMEOUT", 1.0)
    before = receivers()
    yield
    wait_for(lambda: receivers() <= before)  # no thread is left


def receivers():
    return {thread for thread in threading.enumerate() if isinstance(thread, live._Receiver)}


def test_frames_come_in_order_with_their_times(udp):
    with Sender(udp):
        frames = iter(live.LiveStream(udp))
        taken = list(itertools.islice(frames, 5))
        frames.close()
    assert [frame.name for frame in taken] == [f"{udp}[{i}]" for i in range(5)]
    assert taken[0].image.shape == (48, 96, 3)
    times = [frame.time for frame in taken]
    steps = [(after - before) % 64 for before, after in itertools.pairwise(map(number, taken))]
    assert all(step > 0 for step in steps)
    # The time stamps are those of the sender, 25 a second, whichever frames were dropped.
    assert np.diff(times) == pytest.approx(np.array(steps) / 25, abs=1e-3)


def test_a_slow_consumer_gets_the_newest_frame(udp, caplog):
    with Sender(udp):
        frames = iter(live.LiveStream(udp))
        (receiver,) = receivers()
        for _ in range(2):
            before, frame = receiver._received, next(frames)
            wait_for(lambda before=before: receiver._received >= before + 30)
            skipped = (number(next(frames)) - number(frame)) % 64
            assert skipped >= 28
        frames.close()
    dropped, received = map(int, re.search(r"(\d+) of (\d+) frames dropped", caplog.text).groups())
    assert 56 <= dropped <= received - 4


def test_the_number_of_dropped_frames_is_logged_from_time_to_time(udp, caplog, monkeypatch):
    monkeypatch.setattr(live, "LOG_EVERY", 0.0)
    caplog.set_level(logging.INFO, "centernet")
    with Sender(udp):
        frames = iter(live.LiveStream(udp))
        wait_for(lambda: "dropped, which came while others were processed so far" in caplog.text)
        frames.close()


def test_a_sender_that_is_started_again_is_received_again(udp, caplog):
    with Sender(udp):
        frames = iter(live.LiveStream(udp))
        first = next(frames)
    (receiver,) = receivers()
    wait_for(lambda: re.search(r"broke off: nothing was received for \d+ s\. Connecting again", caplog.text))
    received = receiver._received
    with Sender(udp):
        wait_for(lambda: receiver._received > received)
        again = next(frames)
    assert again.time - first.time >= 0.9  # the pause is a part of the time
    frames.close()


def test_a_break_in_a_for_loop_ends_the_thread(udp):
    with Sender(udp):
        for frame in open_source(udp).frames():
            assert frame.time == 0 or frame.time > 0
            break
        wait_for(lambda: not receivers())


def test_an_iterator_that_is_never_read_leaves_no_thread(udp):
    with Sender(udp):
        attempts = open_source(udp).attempts()
        assert receivers()
        del attempts
        wait_for(lambda: not receivers())


def test_a_camera_is_read_over_rtsp_and_ends_with_an_error_when_it_is_gone(camera, caplog):
    address = f"rtsp://admin:geheim@127.0.0.1:{camera.server_address[1]}/live?token=geheim"
    source = open_source(address)
    attempts = source.attempts()
    first = next(attempts)
    assert first.image.shape == (48, 96, 3)
    assert first.name == f"rtsp://***@127.0.0.1:{camera.server_address[1]}/live?***[0]"
    wait_for(lambda: sum(method == "PLAY" for method, _ in camera.requests) >= 3)  # it hung up twice
    assert ("DESCRIBE", "Basic YWRtaW46Z2VoZWlt") in camera.requests
    camera.shutdown()
    camera.server_close()
    *_, last = attempts
    assert isinstance(last, SourceError)
    assert "broke off, and 3 tries to connect again failed: Connection refused" in str(last)
    assert "try 3 of 3" in caplog.text
    shown = caplog.text + repr(source) + "".join(traceback.format_exception(last))
    assert "geheim" not in shown
    assert last.__context__ is None


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "rtmps"])
def test_an_address_where_nothing_listens_is_refused(scheme):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"{scheme}://me:geheim@127.0.0.1:{closed.getsockname()[1]}/live"
        with pytest.raises(SourceError, match=r"\*\*\*@.*expected a live stream.*refused") as caught:
            open_source(address).attempts()
    assert "geheim" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "udp"])
def test_a_silent_address_is_given_up(scheme, monkeypatch):
    monkeypatch.setattr(live, "CONNECT_TIMEOUT", 0.3)
    monkeypatch.setattr(live, "READ_TIMEOUT", 0.3)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(SourceError, match="Received none: nothing was received for"),
    ):
        open_source(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/live").attempts()


def test_data_without_pictures_is_given_up(udp, monkeypatch):
    monkeypatch.setattr(live, "PICTURE_TIMEOUT", 0.2)
    monkeypatch.setattr(live, "_decoded", lambda packet: [])
    with Sender(udp), pytest.raises(SourceError, match=r"no picture could be decoded for 0\.2 s"):
        next(iter(live.LiveStream(udp)))


def test_damaged_packets_don_t_break_the_connection(udp, monkeypatch, caplog):
    class Damaged:
        def decode(self):
            raise av.error.InvalidDataError(1, "Invalid data")

    packets, real = itertools.count(), live._decoded
    monkeypatch.setattr(live, "_decoded", lambda packet: real(Damaged() if next(packets) % 2 else packet))
    with Sender(udp):
        frames = iter(live.LiveStream(udp))
        assert len(list(itertools.islice(frames, 4))) == 4
        frames.close()
    assert "broke off" not in caplog.text


@pytest.mark.parametrize(
    ("address", "format", "protocols"),
    [
        ("rtsp://h/x", "rtsp", "rtp,srtp,udp,tcp"),
        ("RTSPS://h/x", "rtsp", "rtp,srtp,udp,tcp,tls"),
        ("rtmp://h/x", "flv", "rtmp,tcp"),
        ("rtmps://h/x", "flv", "rtmps,tls,tcp"),
        ("udp://@:5000", "mpegts", "udp"),
        ("srt://h:1", "mpegts", "srt"),
    ],
)
def test_a_scheme_reaches_only_its_own_format_and_protocols(monkeypatch, address, format, protocols):
    asked = []

    def fake(file, **options):
        asked.append((file, options))
        raise OSError(5, "nothing here")

    monkeypatch.setattr(av, "open", fake)
    with pytest.raises(SourceError, match="nothing here"):
        iter(live.LiveStream(address))
    ((file, options),) = asked
    assert file.partition("://")[0] == address.partition("://")[0].lower()
    assert (options["format"], options["options"]["protocol_whitelist"]) == (format, protocols)


def test_a_playlist_in_the_place_of_a_stream_opens_no_file(udp, tmp_path, monkeypatch):
    send(str(tmp_path / "private.ts"), range(20))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/private.ts\n#EXT-X-ENDLIST\n".encode()
    monkeypatch.setattr(live, "CONNECT_TIMEOUT", 1.0)
    host, port = udp.removeprefix("udp://").split(":")
    stopped = threading.Event()

    def send_playlist():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stopped.wait(0.02):
                sender.sendto(playlist, (host, int(port)))

    thread = threading.Thread(target=send_playlist)
    thread.start()
    with pytest.raises(SourceError):
        next(iter(live.LiveStream(udp)))
    stopped.set()
    thread.join()


@pytest.mark.parametrize(
    "text",
    [
        *("file:///etc/passwd", "concat:a.ts|b.ts", "pipe:0", "tcp://h:1", "hls+http://h/x", "crypto+file:x"),
        *("data://x", "subfile,,start,0,,:x", "rtp://h:1", "rtsp:/h/x", "x rtsp://h"),
    ],
)
def test_no_other_protocol_of_ffmpeg_is_a_stream(text):
    assert kind_of(text) == "single"


@pytest.mark.parametrize("address", ["rtsp://", "rtsp:///x", "rtmp://h/a swfUrl=x", "rtsp://h/\r\nX: 1", "udp://h:0"])
def test_addresses_of_another_form_are_refused(address):
    with pytest.raises(SourceError, match="expected the address of a live stream"):
        open_source(address)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://camera/stream", "rtsp://camera/stream"),
        ("RTSP://me:secret@camera:554/a/b", "rtsp://***@camera:554/a/b"),
        ("rtsp://me:s@ecret@camera/a", "rtsp://***@camera/a"),
        ("rtsp://me:s/e@c?ret@camera/a", "rtsp://***"),
        ("rtsp://camera/a?password=s@cret", "rtsp://***"),
        ("rtsp://camera/a?user=me&password=secret", "rtsp://camera/a?***"),
        ("rtsp://camera/user=me_password=secret_channel=1", "rtsp://camera/user=***"),
        ("srt://host:1?passphrase=secret", "srt://host:1?***"),
        ("udp://@:1234", "udp://:1234"),
        ("https://me:secret@host/a.jpg", "https://me:secret@host/a.jpg"),
        ("photo.jpg", "photo.jpg"),
    ],
)
def test_addresses_are_shown_without_credentials(address, shown):
    assert live.masked(address) == shown


@given(secret=st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=4))
def test_no_secret_is_shown(secret):
    for before, after in (("me:", "@camera/x"), ("camera/x?key=", ""), ("camera/key=", "&x=1")):
        shown = live.masked(f"rtsp://{before}<{secret}>{after}")
        assert not {"<", ">"} & set(shown)


def test_without_pyav_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install centernet\[video\]"):
        open_source("rtsp://camera/x")
