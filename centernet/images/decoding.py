"""What PyAV decodes, as upright RGB images with their times."""

from __future__ import annotations

from typing import Any

import numpy as np

from centernet.errors import MissingExtraError

MAX_PAUSE = 3600.0  # seconds between two frames; more is an error in the time stamps


class FrameClock:
    """Times of frames in seconds since the first one, always rising.

    A time stamp that is missing, doesn't rise or jumps by more than `MAX_PAUSE` puts its frame one `step` after the
    frame before; the next ones count from there.
    """

    def __init__(self, step: float) -> None:
        self._step = step
        self._start: float | None = None  # the time stamp at time 0
        self._last: float | None = None

    def time(self, stamp: float | None) -> float:
        """Time of the next frame from its time stamp in seconds."""
        last = self._last
        start = self._start if self._start is not None else stamp
        time = 0.0 if stamp is None or start is None else round(stamp - start, 6)
        if last is not None and (stamp is None or self._start is None or not last < time <= last + MAX_PAUSE):
            time = round(last + self._step, 6)
        self._start = start if stamp is None else stamp - time
        self._last = time
        return time

    def restart(self, time: float) -> None:
        """Put the next frame at `time` seconds, or one step after the last if that is later."""
        self._start = None
        if self._last is not None:
            self._last = max(self._last, time - self._step)


class Display:
    """How the metadata says to display the frames of a stream: with square pixels, rotated and mirrored.

    Args:
        stream: An opened `av.VideoStream`.
    """

    def __init__(self, stream: Any) -> None:
        self._stretch = float(stream.sample_aspect_ratio or 1)
        self._coefficients: list[int] | None = None

    def image(self, frame: Any) -> np.ndarray:
        """The pixels of a decoded `av.VideoFrame` as displayed, uint8 `(height, width, 3)` RGB."""
        array = frame.to_ndarray(format="rgb24", width=max(1, round(frame.width * self._stretch)))
        if self._coefficients is None:
            # Of the first frame only: a frame whose side data was asked for waits for the garbage collector.
            matrix = frame.side_data.get("DISPLAYMATRIX")
            self._coefficients = [1, 0, 0, 0, 1] if matrix is None else np.frombuffer(matrix, np.int32)[:5].tolist()
        # A point (x, y) is displayed at (a x + c y, b x + d y). PyAV's own `rotation` leaves out mirroring.
        a, b, _, c, d = self._coefficients
        if abs(b) > abs(a):
            array, (a, d) = array.transpose(1, 0, 2), (c, b)
        return np.ascontiguousarray(array[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def import_av(purpose: str) -> Any:
    """Import PyAV.

    Raises:
        MissingExtraError: It is not installed; the message says for what purpose it is needed.
    """
    try:
        import av
        import av.error
    except ImportError as error:
        raise MissingExtraError(
            f"{purpose} needs PyAV, which is not installed. Install it: pip install centernet[video]"
        ) from error
    return av


def av_errors() -> tuple[type[Exception], ...]:
    """The exceptions that PyAV raises. Most of its own are built-in ones as well, but not all."""
    return (import_av("Video").error.FFmpegError, OSError, ValueError, LookupError)


def reason_of(error: Exception) -> str:
    """What an exception of PyAV says, without the address that its text may contain."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
