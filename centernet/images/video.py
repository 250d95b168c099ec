"""Reads and writes videos through PyAV, the extra `video`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from centernet.errors import ConfigError, SourceError
from centernet.files.formatting import missing_file
from centernet.images.decoding import Display, FrameClock, av_errors, import_av, reason_of
from centernet.images.reading import Frame

DEFAULT_FPS = 10.0  # of a source without a known frame rate or times: about the speed of a detector
CLOCK = 60_000  # ticks a second of a written video: MPEG-4 allows 65,535
LONGEST = 1e9  # seconds

logger = logging.getLogger("centernet")


class Video:
    """The frames of a video file or camera; each iteration opens it anew and holds one frame at a time.

    Images are rotated and mirrored according to the file's metadata and have square pixels: anamorphic video is
    widened. Each `Frame` has its presentation time, which also holds for variable frame rates. Sound is left out.

    Args:
        source: Path of a file, or number of a camera.

    Attributes:
        name: The path, or `camera 0`.
        fps: Frame rate in frames per second; None if unknown.
        frame_count: Approximate number of frames; None if unknown.
        live: Whether it is a camera, which has no end.

    Raises:
        SourceError: The file or camera is missing, or the file is not a video.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(self, source: str | os.PathLike[str] | int) -> None:
        if isinstance(source, int) and source < 0:
            raise SourceError(f"camera {source}: expected the number of a camera, from 0 on. Received: {source}.")
        self._camera = source if isinstance(source, int) else None
        self._path = os.path.expanduser(str(source))
        self.name = str(source) if self._camera is None else f"camera {source}"
        self.live = self._camera is not None
        self.fps: float | None = None
        self.frame_count: int | None = None
        import_av("Reading video")
        # Open a camera only once, when its frames are read: a second time is slow, and sometimes refused.
        if self._camera is None:
            with self._open() as container:
                self.fps, self.frame_count = _rate_and_count(container.streams.video[0])

    def __repr__(self) -> str:
        """Name, number of frames and frame rate."""
        return f"Video({self.name!r}, frame_count={self.frame_count}, fps={self.fps})"

    def __iter__(self) -> Iterator[Frame]:
        return self._read(self._open())

    def _read(self, opened: Any) -> Iterator[Frame]:
        count, time = 0, 0.0
        with opened as container:
            stream = container.streams.video[0]
            display, clock = Display(stream), FrameClock(1 / (self.fps or DEFAULT_FPS))
            try:
                for decoded in container.decode(stream):
                    image, time = display.image(decoded), clock.time(decoded.time)
                    yield Frame(image, f"{self.name}[{count}]", time)
                    count += 1
            except av_errors() as error:
                raise SourceError(
                    f"{self.name}: expected an undamaged video. Received one that is damaged after frame {count}: "
                    f"{reason_of(error)}. Get it again, or repair it: ffmpeg -i in.mp4 -c copy out.mp4"
                ) from error
        if not count:
            raise SourceError(f"{self.name}: expected a video. Received a file without a readable frame.")
        # Some containers carry no index, so that a truncated file ends like a complete one.
        # At a variable frame rate, the number of frames is a poor guess, but not the time.
        expected = self.frame_count or 0
        if count < 0.9 * expected and time < 0.9 * expected / (self.fps or DEFAULT_FPS):
            logger.warning("%s: ended after %d of about %d frames.", self.name, count, self.frame_count)

    def _open(self) -> Any:
        av = import_av("Reading video")
        if self._camera is None and not os.path.isfile(self._path):
            raise SourceError(f"{self.name}: {missing_file(Path(self._path))}")
        try:
            # With the protocol, so that a colon in the path isn't read as another one.
            container = av.open(f"file:{self._path}") if self._camera is None else _open_camera(self._camera)
        except av_errors() as error:
            raise SourceError(f"{self.name}: {self._advice(reason_of(error))}") from error
        if not container.streams.video:
            container.close()
            raise SourceError(f"{self.name}: expected a video. Received a file without a video stream.")
        container.streams.video[0].thread_type = "AUTO"
        return container

    def _advice(self, reason: str) -> str:
        if self._camera is not None:
            return f"no camera there: {reason}. Connect one, close programs that use it, or use another number."
        size = os.path.getsize(self._path)
        return f"expected a video. Received a file of {size} bytes that can't be opened: {reason}. Get it again."


class VideoWriter:
    """Writes RGB frames to a video file, as H.264 if the installed FFmpeg has it, otherwise as MPEG-4.

    Use it as a context manager. These codecs lack odd sizes, which are padded by repeating the last row or column.
    The file is created with the first frame. It has no sound.

    Args:
        path: File to write; its suffix (`.mp4`, `.mkv`, …) selects the container.
        fps: Frame rate in frames per second, where frames come without a time.
        size: Height and width of the frames in pixels; by default those of the first one.

    Raises:
        ConfigError: The frame rate is not positive.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(
        self, path: str | os.PathLike[str], fps: float | Fraction, size: tuple[int, int] | None = None
    ) -> None:
        self._av = import_av("Writing video")
        if not 0 < fps < 1e4:
            raise ConfigError(f"VideoWriter expected a positive number of frames a second. Received: {fps!r}.")
        self.path = os.fspath(path)
        self.fps = max(Fraction(fps).limit_denominator(1001), Fraction(1, 1001))
        self.size = size
        self._container: Any = None
        self._last: Fraction | None = None  # time of the last frame
        self._ticks = -1  # the same in the clock of the file

    def __repr__(self) -> str:
        """Path, frame rate and size."""
        return f"VideoWriter({self.path!r}, fps={float(self.fps):g}, size={self.size})"

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(self, image: np.ndarray | Image.Image, time: float | None = None) -> None:
        """Append one frame.

        Args:
            image: uint8 `(height, width, 3)` RGB, or a PIL image; all frames have the same size.
            time: Presentation time in seconds, from 0 on; by default one frame of `fps` after the last.

        Raises:
            ConfigError: The frame has another size or is not later than the last, or the file can't be written.
        """
        frame = np.asarray(image)
        self.size = self.size or frame.shape[:2]
        if frame.dtype != np.uint8 or frame.shape != (*self.size, 3):
            raise ConfigError(
                f"VideoWriter expected frames of uint8 and shape {(*self.size, 3)}. "
                f"Received: {frame.dtype} of shape {frame.shape}. Resize them, or write a second file."
            )
        moment = self._moment(time)
        if self._container is None:
            self._open(*self.size)
        even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
        encoded = self._av.VideoFrame.from_ndarray(even, format="rgb24")
        # Frames nearer to each other than the clock can tell are one tick apart.
        self._ticks = max(round(moment * CLOCK), self._ticks + 1)
        encoded.pts, encoded.time_base = self._ticks, Fraction(1, CLOCK)
        self._encode(encoded)
        self._last = moment

    def close(self) -> None:
        """Write the remaining frames and close the file."""
        if self._container is not None:
            try:
                self._encode(None)
            finally:
                self._container.close()
                self._container = None

    def _moment(self, time: float | None) -> Fraction:
        if time is None:
            return Fraction(0) if self._last is None else self._last + 1 / self.fps
        if not (0 <= time < LONGEST and (self._last is None or time > self._last)):
            after = "" if self._last is None else f" after a frame at {float(self._last):g}"
            raise ConfigError(f"VideoWriter expected times in seconds, from 0 on, rising. Received: {time!r}{after}.")
        return Fraction(time)

    def _open(self, height: int, width: int) -> None:
        codec = "libx264" if "libx264" in self._av.codecs_available else "mpeg4"
        with self._errors():
            container = self._av.open(f"file:{self.path}", "w")
            self._stream = container.add_stream(codec, rate=self.fps)
            self._stream.height, self._stream.width = height + height % 2, width + width % 2
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, CLOCK)
            # B-frames are stored in another order: MP4 would then lose the pause before the last frame.
            self._stream.codec_context.max_b_frames = 0
            container.start_encoding()
            self._container = container

    def _encode(self, frame: Any) -> None:
        with self._errors():
            self._container.mux(self._stream.encode(frame))

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except av_errors() as error:
            raise ConfigError(
                f"{self.path}: expected a video file that can be written, such as detections.mp4, in a folder that "
                f"exists and has room. Received: {reason_of(error)}."
            ) from error


def _rate_and_count(stream: Any) -> tuple[float | None, int | None]:
    rate = stream.average_rate or stream.guessed_rate
    fps = float(rate) if rate else None
    seconds = float(stream.duration * stream.time_base) if stream.duration else 0
    if not seconds and stream.container.duration:
        seconds = stream.container.duration / 1e6
    return fps, stream.frames or (round(seconds * fps) if fps and seconds else None)


def _open_camera(number: int) -> Any:
    av = import_av("Reading a camera")
    if sys.platform == "win32":
        from av.device import enumerate_input_devices

        names = [device.name for device in enumerate_input_devices("dshow")]
        return av.open(f"video={names[number]}", format="dshow")
    if sys.platform == "darwin":
        return av.open(str(number), format="avfoundation", options={"framerate": "30"})
    return av.open(f"/dev/video{number}", format="v4l2")
