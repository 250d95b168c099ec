"""Video in and out through PyAV, the extra `video`."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from centernet.errors import ConfigError, MissingExtraError, SourceError
from centernet.files.formatting import missing_file

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger("centernet")


class Video:
    """The frames of a video file or a camera; `iter` opens it anew, and one array is read at a time.

    Frames are uint8 `(height, width, 3)` RGB, turned as the file's metadata says (from PyAV 14.2 on), and
    with square pixels: anamorphic video is widened.

    Args:
        source: Path of a file, or the number of a camera.

    Attributes:
        name: The path, or `camera 0`.
        fps: Frames a second, or None where unknown.
        frame_count: About how many frames, or None where unknown.

    Raises:
        SourceError: There is no such file or camera, or it is no video.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(self, source: str | os.PathLike[str] | int) -> None:
        if isinstance(source, int) and source < 0:
            raise SourceError(f"camera {source}: expected the number of a camera, from 0 on. Received: {source}.")
        self._camera = source if isinstance(source, int) else None
        self._path = os.path.expanduser(str(source))
        self.name = str(source) if self._camera is None else f"camera {source}"
        self.fps: float | None = None
        self.frame_count: int | None = None
        _require_av("Reading video")
        # A camera is opened once, when its frames are read: opening it twice is slow, and at times refused.
        if self._camera is None:
            with self._opened() as container:
                self.fps, self.frame_count = _rate_and_count(container.streams.video[0])

    def __iter__(self) -> Iterator[np.ndarray]:
        return self._read(self._opened())

    def _read(self, opened: Any) -> Iterator[np.ndarray]:
        count = 0
        with opened as container:
            try:
                for array in _frames(container):
                    yield array
                    count += 1
            except _errors() as error:
                raise SourceError(
                    f"{self.name}: expected a whole video. Received one that is damaged after frame {count}: "
                    f"{_reason(error)}. Get it again, or repair it: ffmpeg -i in.mp4 -c copy out.mp4"
                ) from error
        if not count:
            raise SourceError(f"{self.name}: expected a video. Received a file without a readable frame.")
        # Some containers carry no index, so that a file cut short ends like a whole one.
        if count < 0.9 * (self.frame_count or 0):
            logger.warning("%s: ended after %d of about %d frames.", self.name, count, self.frame_count)

    def _opened(self) -> Any:
        av = _require_av("Reading video")
        if self._camera is None and not os.path.isfile(self._path):
            raise SourceError(f"{self.name}: {missing_file(Path(self._path))}")
        try:
            # With its protocol, so that a colon in the path is no other one.
            file = f"file:{self._path}"
            container = av.open(file) if self._camera is None else _open_camera(self._camera)
        except _errors() as error:
            raise SourceError(self._refusal(error)) from error
        if not container.streams.video:
            container.close()
            raise SourceError(f"{self.name}: expected a video. Received a file without a video stream.")
        container.streams.video[0].thread_type = "AUTO"
        return container

    def _refusal(self, error: Exception) -> str:
        if self._camera is not None:
            return (
                f"{self.name}: no camera could be opened there: {_reason(error)}. Connect one, "
                "close other programs that use it, or give another number."
            )
        return (
            f"{self.name}: expected a video. Received a file of {os.path.getsize(self._path)} bytes that "
            f"can't be opened: {_reason(error)}. Get it again."
        )


class VideoWriter:
    """Writes RGB frames to a video file, as H.264 where the installed FFmpeg has it, otherwise as MPEG-4.

    Use it as a context manager. Odd sizes, which these codecs lack, are filled up by repeating the last row
    or column. No file appears before the first frame.

    Args:
        path: File to write; its suffix (`.mp4`, `.mkv`, …) decides the container.
        fps: Frames a second.
        size: Height and width of the frames in pixels; by default those of the first one.

    Raises:
        ConfigError: The rate is not positive.
        MissingExtraError: PyAV is not installed.
    """

    def __init__(
        self, path: str | os.PathLike[str], fps: float | Fraction, size: tuple[int, int] | None = None
    ) -> None:
        _require_av("Writing video")
        if not 0 < fps < 1e4:
            raise ConfigError(f"VideoWriter expected a positive number of frames a second. Received: {fps!r}.")
        self.path = os.fspath(path)
        self.fps = Fraction(fps).limit_denominator(1001)
        self.size = size
        self._container: Any = None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, image: np.ndarray | Image.Image) -> None:
        """Appends one frame.

        Args:
            image: uint8 `(height, width, 3)` RGB, or a PIL image, of the size of all the others.

        Raises:
            ConfigError: The frame has another size, or the file can't be written.
        """
        frame = np.asarray(image)
        self.size = self.size or frame.shape[:2]
        if frame.dtype != np.uint8 or frame.shape != (*self.size, 3):
            raise ConfigError(
                f"VideoWriter expected frames of uint8 and shape {(*self.size, 3)}. "
                f"Received: {frame.dtype} of shape {frame.shape}. Resize them, or write a second file."
            )
        if self._container is None:
            self._open(*self.size)
        even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
        picture = _require_av("Writing video").VideoFrame.from_ndarray(even, format="rgb24")
        self._mux(picture)

    def close(self) -> None:
        """Writes what is left and closes the file."""
        if self._container is not None:
            try:
                self._mux(None)
            finally:
                self._container.close()
                self._container = None

    def _open(self, height: int, width: int) -> None:
        av = _require_av("Writing video")
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        try:
            self._container = av.open(f"file:{self.path}", "w")
            self._stream = self._container.add_stream(codec, rate=self.fps)
            self._stream.height, self._stream.width = height + height % 2, width + width % 2
            self._stream.pix_fmt = "yuv420p"
            self._container.start_encoding()
        except _errors() as error:
            self._container = None
            raise self._refusal(error) from error

    def _mux(self, picture: Any) -> None:
        try:
            self._container.mux(self._stream.encode(picture))
        except _errors() as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> ConfigError:
        return ConfigError(
            f"{self.path}: expected a video file that can be written, such as found.mp4, in a folder that "
            f"exists and has room. Received: {_reason(error)}."
        )


def _frames(container: Any) -> Iterator[np.ndarray]:
    stream = container.streams.video[0]
    stretch = float(stream.sample_aspect_ratio or 1)
    for frame in container.decode(stream):
        array = frame.to_ndarray(format="rgb24", width=max(1, round(frame.width * stretch)))
        quarter_turns = round(getattr(frame, "rotation", 0) / 90)
        yield np.ascontiguousarray(np.rot90(array, quarter_turns)) if quarter_turns else array


def _rate_and_count(stream: Any) -> tuple[float | None, int | None]:
    rate = stream.average_rate or stream.guessed_rate
    fps = float(rate) if rate else None
    seconds = float(stream.duration * stream.time_base) if stream.duration else 0
    if not seconds and stream.container.duration:
        seconds = stream.container.duration / 1e6
    return fps, stream.frames or (round(seconds * fps) if fps and seconds else None)


def _open_camera(number: int) -> Any:
    av = _require_av("Reading a camera")
    if sys.platform == "win32":
        from av.device import enumerate_input_devices

        names = [device.name for device in enumerate_input_devices("dshow")]
        return av.open(f"video={names[number]}", format="dshow")
    if sys.platform == "darwin":
        return av.open(str(number), format="avfoundation", options={"framerate": "30"})
    return av.open(f"/dev/video{number}", format="v4l2")


def _errors() -> tuple[type[Exception], ...]:
    # Most of PyAV's errors are built-in ones as well, but not all.
    return (_require_av("Video").error.FFmpegError, OSError, ValueError, LookupError)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _require_av(what: str) -> Any:
    try:
        import av
        import av.error
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs PyAV, which is not installed. Install it: pip install centernet[video]"
        ) from error
    return av
