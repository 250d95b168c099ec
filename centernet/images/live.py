"""Live streams by address: connected with timeouts, connected again when they break, always at the newest frame."""

from __future__ import annotations

import itertools
import logging
import re
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from centernet.errors import SourceError
from centernet.images.decoding import Display, FrameClock, av_errors, import_av, reason_of
from centernet.images.reading import Frame

CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 10.0  # seconds without data
PICTURE_TIMEOUT = 20.0  # seconds with data that can't be decoded
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)  # seconds before each try to connect again
LOG_EVERY = 60.0  # seconds
STEP = 1 / 25  # seconds between frames without time stamps

logger = logging.getLogger("centernet")


class _Scheme(NamedTuple):
    format: str  # the only one that is read
    protocols: str  # the only ones that FFmpeg may use, whatever the other side names in its answer
    options: dict[str, str] = {}  # noqa: RUF012 - of FFmpeg


_PREFER_TCP = {"rtsp_flags": "prefer_tcp"}  # loses no packets
_BRIEF = {"analyzeduration": "2000000"}  # microseconds, which pass at every start of a stream without sound
SCHEMES = {
    "rtsp": _Scheme("rtsp", "rtp,srtp,udp,tcp", _PREFER_TCP),
    "rtsps": _Scheme("rtsp", "rtp,srtp,udp,tcp,tls", _PREFER_TCP),
    "rtmp": _Scheme("flv", "rtmp,tcp", _BRIEF),
    "rtmps": _Scheme("flv", "rtmps,tls,tcp", _BRIEF),
    "udp": _Scheme("mpegts", "udp", {"overrun_nonfatal": "1"}),
    "srt": _Scheme("mpegts", "srt"),
}


def is_live(text: str) -> bool:
    """Whether a text is the address of a live stream."""
    return "://" in text and _scheme(text) in SCHEMES


def masked(text: str) -> str:
    """The address of a live stream without user, password and values of parameters; any other text as it is."""
    if not is_live(text):
        return text
    authority, slash, rest = re.split(r"([/?#]|$)", text.partition("://")[2], maxsplit=1)
    rest = slash + rest
    if "@" in rest:  # perhaps a password with unescaped characters: nothing tells where it ends
        return f"{_scheme(text)}://***"
    user, _, host = authority.rpartition("@")
    rest = re.sub(r"(?s)[?#=;].*", lambda found: f"{found[0][0]}***", rest)
    return f"{_scheme(text)}://{'***@' if user else ''}{host}{rest}"


class LiveStream:
    """The newest frames of a live stream; each iteration connects anew.

    A thread decodes all frames and keeps the newest; those that come while another is processed are dropped, so that
    the delay stays that of one frame. It ends when the iterator is closed. A stream that breaks is connected again,
    after the pauses of `PAUSES`; `Frame.time` goes on with the clock. Sound is left out.

    Args:
        address: MPEG-TS over `udp://` or `srt://`, or `rtsp://`, `rtsps://`, `rtmp://`, `rtmps://`. Of FFmpeg's
            protocols, only those that the scheme needs can be reached.

    Attributes:
        name: The address without user, password and values of parameters.

    Raises:
        SourceError: It isn't such an address.
        MissingExtraError: PyAV is not installed.
    """

    live = True

    def __init__(self, address: str) -> None:
        self.name = masked(address)
        import_av("Reading a live stream")
        try:
            parts = urlsplit(address)
            valid = is_live(address) and parts.port != 0 and bool(parts.netloc)
        except ValueError:
            valid = False
        # A space would start options of RTMP, and a line break a header of RTSP.
        if not valid or not address.isprintable() or " " in address:
            forms = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise SourceError(
                f"{self.name}: expected the address of a live stream ({forms}), such as rtsp://user:password@host/x, "
                "with other characters percent-encoded. Received: another form."
            )
        self._address = f"{_scheme(address)}://{address.partition('://')[2]}"

    def __repr__(self) -> str:
        """The address, masked."""
        return f"LiveStream({self.name!r})"

    def __iter__(self) -> Iterator[Frame]:
        frames = self._frames()
        next(frames)  # connects; from now on, the end of the iterator ends the thread
        return frames

    def _frames(self) -> Iterator[Any]:
        receiver = _Receiver(self.name, self._address)
        receiver.start()
        try:
            receiver.wait_for_connection()
            yield None
            for index in itertools.count():
                decoded, display, moment = receiver.take()
                yield Frame(display.image(decoded), f"{self.name}[{index}]", moment)
        finally:
            receiver.stop()


class _Receiver(threading.Thread):
    """Reads the stream and keeps its newest frame."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(daemon=True)
        self._source, self._address = name, address
        self._stopped = threading.Event()
        self._change = threading.Condition()  # of the following
        self._connected = False
        self._newest: tuple[Any, Display, float] | None = None  # frame, its display, time
        self._failure: Exception | None = None
        self._received = self._dropped = 0
        self._clock, self._start, self._logged = FrameClock(STEP), 0.0, time.monotonic()
        self._heard = 0.0  # when the last packet came, or connecting began

    def wait_for_connection(self) -> None:
        """Return when frames can come; raise the `SourceError` of an address that can't be connected to."""
        self._wait(lambda: self._connected)

    def take(self) -> tuple[Any, Display, float]:
        """Wait for a frame that was not taken yet; returns it, how to display it, and its time.

        Raises:
            SourceError: The stream broke and can't be connected again.
        """
        self._wait(lambda: self._newest is not None)
        with self._change:
            newest, self._newest = self._newest, None
        assert newest is not None  # only this method takes it
        return newest

    def stop(self) -> None:
        """End the thread; one that waits for data ends after the timeout at the latest."""
        self._stopped.set()
        self.join(1)
        if self._dropped:
            logger.warning("%s: %s.", self._source, self._drops())

    def run(self) -> None:
        """Receive until stopped, or until the stream can't be connected again."""
        try:
            self._receive()
        except Exception as error:  # raised where the frames are taken
            with self._change:
                self._failure = error
                self._change.notify_all()

    def _wait(self, ready: Any) -> None:
        with self._change:
            # Not forever, so that Ctrl-C is noticed on every system.
            while not self._change.wait_for(lambda: ready() or self._failure, timeout=1):
                pass
            if not ready() and self._failure:
                raise self._failure

    def _receive(self) -> None:
        tries = 0
        while True:
            before = self._received
            reason = self._connection()
            if self._stopped.is_set():
                return
            tries = 0 if self._received > before else tries
            if not self._received:
                raise SourceError(
                    f"{self._source}: expected a live stream. Received none: {reason}. Check that it is being sent, "
                    "and the address, user and password."
                )
            if tries == len(PAUSES):
                raise SourceError(f"{self._source}: broke off, and {tries} tries to connect again failed: {reason}.")
            tries += 1
            logger.warning(
                "%s: broke off: %s. Connecting again in %g s (try %d of %d).",
                *(self._source, reason, PAUSES[tries - 1], tries, len(PAUSES)),
            )
            if self._stopped.wait(PAUSES[tries - 1]):
                return

    def _connection(self) -> str:
        """Receive from one connection until it breaks; returns why. Errors of PyAV contain the address: no cause."""
        av = import_av("Reading a live stream")
        scheme = SCHEMES[_scheme(self._address)]
        options = {"protocol_whitelist": scheme.protocols, "fflags": "nobuffer", **scheme.options}
        timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
        self._heard = time.monotonic()
        try:
            with av.open(self._address, format=scheme.format, timeout=timeout, options=options) as container:
                return self._read(container)
        except av_errors() as error:
            # After a timeout, what FFmpeg says depends on where it waited.
            quiet = time.monotonic() - self._heard
            if isinstance(error, av.error.ExitError) or quiet >= min(timeout):
                return f"nothing was received for {quiet:.0f} s"
            return reason_of(error).replace(self._address, self._source)

    def _read(self, container: Any) -> str:
        if not container.streams.video:
            return "it has no video"
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"  # threads that decode several frames at once delay them
        if self._received:
            self._clock.restart(time.monotonic() - self._start)
        with self._change:
            self._connected = True
            self._change.notify_all()
        last, started, display = time.monotonic(), False, Display(stream)
        for packet in container.demux():
            self._heard = time.monotonic()
            is_video = packet.stream_index == stream.index
            # Before the first key frame, some decoders give pictures of noise.
            started = started or (is_video and packet.is_keyframe)
            decoded = _decoded(packet) if is_video and started else []
            for frame in decoded:
                self._keep(frame, display)
            last = self._heard if decoded else last
            if self._stopped.is_set():
                return "stopped"
            if self._heard - last > PICTURE_TIMEOUT:
                return f"no picture could be decoded for {PICTURE_TIMEOUT:g} s"
        return "the other side ended it"

    def _keep(self, frame: Any, display: Display) -> None:
        now = time.monotonic()
        self._start = self._start if self._received else now
        moment = self._clock.time(frame.time)
        with self._change:
            self._received += 1
            self._dropped += self._newest is not None
            self._newest = frame, display, moment
            self._change.notify_all()
        if self._dropped and now - self._logged > LOG_EVERY:
            self._logged = now
            logger.info("%s: %s so far.", self._source, self._drops())

    def _drops(self) -> str:
        return f"{self._dropped} of {self._received} frames dropped, which came while others were processed"


def _decoded(packet: Any) -> list[Any]:
    """The frames of a packet; none of a damaged one."""
    try:
        return list(packet.decode())
    except av_errors():
        return []


def _scheme(text: str) -> str:
    return text.partition("://")[0].lower()
