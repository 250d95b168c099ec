import gc
import itertools
import struct
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from centernet.errors import ConfigError, MissingExtraError, SourceError
from centernet.images.sources import Source, open_source, read_images

av = pytest.importorskip("av", reason="needs the extra `video`")
from centernet.images.decoding import MAX_PAUSE, FrameClock  # noqa: E402
from centernet.images.video import CLOCK, Video, VideoWriter  # noqa: E402

ONE = 2**16  # of a display matrix
# Coefficients a, b, c, d of a display matrix (x' = a x + c y, y' = b x + d y), and what it does to the pixels.
ORIENTATIONS = {
    "upright": ((1, 0, 0, 1), lambda image: image),
    "turned right": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "upside down": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "turned left": ((0, -1, 1, 0), np.rot90),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "mirrored upside down": ((1, 0, 0, -1), np.flipud),
    "mirrored, turned right": ((0, 1, 1, 0), lambda image: np.rot90(np.flipud(image), -1)),
    "mirrored, turned left": ((0, -1, -1, 0), lambda image: np.rot90(np.flipud(image))),
}


def picture(number=0, height=48, width=64):
    """Red above left, blue on the right, below left a green that tells the frame."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (255, 0, 0)
    image[:, width // 2 :] = (0, 0, 255)
    image[height // 2 :, : width // 2] = (0, 20 * number, 0)
    return image


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip: 1.mp4"
    with VideoWriter(path, fps=12.5) as writer:
        for number in range(10):
            writer.write(picture(number))
    return path


def images(path):
    return [frame.image for frame in Video(path)]


def close(pixel, color):
    return np.abs(np.asarray(pixel, int) - color).max() < 25


def test_frames_come_back_in_order_with_their_colors(clip):
    frames = images(clip)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 10
    assert all(frame.dtype == np.uint8 for frame in frames)
    assert close(frames[3][5, 5], (255, 0, 0))
    assert close(frames[3][5, 60], (0, 0, 255))
    assert close(frames[9][40, 5], (0, 180, 0))


def test_rate_and_count_are_known_before_reading(clip):
    video = Video(clip)
    assert (video.fps, video.frame_count) == (12.5, 10)


def test_a_video_is_a_stream_of_numbered_frames(clip):
    source = open_source(clip)
    assert (source.kind, source.total, source.fps) == ("stream", 10, 12.5)
    assert [frame.name for frame in source.frames()][9] == f"{clip}[9]"
    assert len(list(source.frames())) == 10


@pytest.mark.parametrize(("height", "width"), [(1, 1), (49, 64), (48, 65)])
def test_odd_sizes_are_padded_not_distorted(tmp_path, height, width):
    with VideoWriter(tmp_path / "odd.mp4", 10) as writer:
        writer.write(picture(1, height, width))
    (frame,) = images(tmp_path / "odd.mp4")
    assert frame.shape == (height + height % 2, width + width % 2, 3)


def test_mpeg4_is_written_where_h264_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with VideoWriter(tmp_path / "old.mp4", 30000 / 1001) as writer:
        writer.write(picture())
    with av.open(str(tmp_path / "old.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
        assert float(container.streams.video[0].average_rate) == pytest.approx(29.97, abs=1e-3)


def set_display_matrix(path, coefficients):
    """Write the matrix of an MP4's track header, as phones do."""
    a, b, c, d = (ONE * value for value in coefficients)
    data = bytearray(path.read_bytes())
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 2**30)
    path.write_bytes(data)


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_videos_are_upright_however_the_phone_was_held(clip, name):
    (before, *_) = images(clip)
    coefficients, display = ORIENTATIONS[name]
    set_display_matrix(clip, coefficients)
    (after, *_) = images(clip)
    np.testing.assert_array_equal(after, display(before))
    assert after.flags.c_contiguous


def test_decoded_frames_don_t_wait_for_the_garbage_collector(clip):
    gc.collect()
    gc.disable()
    try:
        frames = iter(Video(clip))
        for _ in range(9):
            next(frames)
        # Side data and its frame hold each other.
        kept = [one for one in gc.get_objects() if isinstance(one, av.sidedata.sidedata.SideDataContainer)]
        assert len(kept) <= 1
    finally:
        gc.enable()


TIMES = [0, 0.1, 0.5, 0.6, 0.64, 2.0, 2.1]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_keep_their_times(tmp_path, monkeypatch, caplog, suffix, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no {codec}")
    monkeypatch.setattr(av, "codecs_available", {codec})
    path = tmp_path / f"phone{suffix}"
    with VideoWriter(path, 10) as writer:
        for number, time in enumerate(TIMES):
            writer.write(picture(number), time)
    frames = list(Video(path))
    assert [frame.time for frame in frames] == pytest.approx(TIMES, abs=2e-3)
    assert [round(frame.image[40, 5, 1] / 20) for frame in frames] == list(range(len(TIMES)))
    with av.open(str(path)) as container:
        assert container.duration / 1e6 == pytest.approx(TIMES[-1], abs=0.15)
    assert caplog.text == ""


def test_a_copy_of_a_video_has_its_times(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time in TIMES:
            frame = av.VideoFrame.from_ndarray(picture(), format="rgb24")
            frame.pts, frame.time_base = round(1000 * (time + 5)), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with VideoWriter(tmp_path / "b.mp4", 10) as writer:
        for frame in Video(tmp_path / "a.mkv"):
            writer.write(frame.image, frame.time)
    assert [frame.time for frame in Video(tmp_path / "b.mp4")] == pytest.approx(TIMES, abs=1e-3)


def test_frames_without_times_come_at_the_frame_rate(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 30000 / 1001) as writer:
        for time in (None, None, 0.5, None):
            writer.write(picture(), time)
    step = 1001 / 30000
    assert [frame.time for frame in Video(tmp_path / "a.mp4")] == pytest.approx([0, step, 0.5, 0.5 + step], abs=1e-4)


@pytest.mark.parametrize("times", [[-1], [float("nan")], [float("inf")], [1, 1], [1, 0.5]])
def test_times_that_don_t_rise_are_refused(tmp_path, times):
    with VideoWriter(tmp_path / "a.mp4", 10) as writer:
        for time in times[:-1]:
            writer.write(picture(), time)
        with pytest.raises(ConfigError, match=f"rising. Received: {times[-1]}"):
            writer.write(picture(), times[-1])


def test_frames_nearer_than_the_clock_can_tell_are_all_written(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 10) as writer:
        for number in range(6):
            writer.write(picture(number), 1e-7 * number)
    assert [frame.time for frame in Video(tmp_path / "a.mp4")] == pytest.approx([n / CLOCK for n in range(6)], abs=1e-5)


@given(stamps=st.lists(st.none() | st.floats(-1e9, 1e9), max_size=20))
def test_any_time_stamps_give_rising_times_from_zero_on(stamps):
    clock = FrameClock(0.1)
    times = [clock.time(stamp) for stamp in stamps]
    assert times[:1] in ([], [0])
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert all(0 < pause <= MAX_PAUSE + 1e-6 for pause in pauses)


@pytest.mark.parametrize(
    ("stamps", "times"),
    [
        ([5, 5.1, 5.5], [0, 0.1, 0.5]),
        ([None, None, 7, 7.25], [0, 0.1, 0.2, 0.45]),
        ([0, 0.5, 0.2, 0.4], [0, 0.5, 0.6, 0.8]),
        ([0, 1, 1e6, 1e6 + 1], [0, 1, 1.1, 2.1]),
        ([0, 1, None, 2], [0, 1, 1.1, 2]),
    ],
)
def test_breaks_in_the_time_stamps_are_bridged(stamps, times):
    clock = FrameClock(0.1)
    assert [clock.time(stamp) for stamp in stamps] == pytest.approx(times)


def test_anamorphic_video_is_widened(tmp_path):
    with av.open(str(tmp_path / "wide.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(), format="rgb24")))
        container.mux(stream.encode(None))
    (frame,) = images(tmp_path / "wide.mp4")
    assert frame.shape == (48, 128, 3)


def test_similar_names_are_suggested_for_a_missing_video(clip):
    with pytest.raises(SourceError, match=r"Did you mean clip: 1\.mp4"):
        Video(clip.with_name("clip 1.mp4"))


@pytest.mark.parametrize("content", [b"", b"no video " * 99])
def test_a_file_that_is_no_video_is_refused(tmp_path, content):
    (tmp_path / "broken.mp4").write_bytes(content)
    with pytest.raises(SourceError, match=f"expected a video.*{len(content)} bytes"):
        open_source(tmp_path / "broken.mp4")


def test_a_truncated_video_is_refused(clip):
    clip.write_bytes(clip.read_bytes()[:1000])
    with pytest.raises(SourceError, match="Invalid data"):
        open_source(clip)


def test_a_damaged_video_is_reported_or_skipped(clip):
    data = bytearray(clip.read_bytes())
    start = data.index(b"mdat") + 4
    data[start : start + 400] = b"\xff" * 400
    clip.write_bytes(data)
    with pytest.raises(SourceError, match="damaged after frame 0"):
        list(read_images(clip))
    failures = []
    assert list(read_images(clip, on_error="skip", failures=failures)) == []
    assert len(failures) == 1


def test_a_video_that_ends_early_is_logged(tmp_path, caplog):
    path = tmp_path / "clip.mkv"
    with VideoWriter(path, 10) as writer:
        for seed in range(40):
            writer.write(np.random.default_rng(seed).integers(0, 255, (48, 64, 3), np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert 0 < len(list(Video(path))) < 36
    assert "of about 40 frames" in caplog.text


def test_sound_alone_is_no_video(tmp_path):
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(SourceError, match="without a video stream"):
        Video(tmp_path / "sound.mp4")


@pytest.mark.parametrize("source", [99, "99"])
def test_a_camera_that_is_not_there_is_refused(source, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match="camera 99: no camera"):
        next(read_images(source))
    with pytest.raises(SourceError, match="camera 99: no camera"):
        next(read_images(source, on_error="skip"))
    with pytest.raises(SourceError, match="camera 99: no camera"):
        open_source(source).attempts()


def test_a_negative_number_is_no_camera():
    with pytest.raises(SourceError, match=r"camera -1: expected the number of a camera, from 0 on"):
        open_source(-1)


def test_the_error_of_a_damaged_frame_has_its_name():
    def frames():
        yield picture()
        raise SourceError("damaged")

    good, bad = Source("stream", "clip.mp4", frames(), None).attempts()
    assert (good.name, bad.source) == ("clip.mp4[0]", "clip.mp4[1]")


def test_a_camera_is_opened_once_and_only_when_read(monkeypatch, clip):
    opened = []
    real = av.open

    def fake(file, *args, **options):
        opened.append(file)
        return real(str(clip)) if str(file).startswith("/dev/video") else real(file, *args, **options)

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(av, "open", fake)
    source = open_source(2)
    assert (opened, source.total) == ([], None)
    assert next(source.frames()).name == "camera 2[0]"
    assert opened == ["/dev/video2"]


def test_frames_of_another_size_or_type_are_refused(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 10, size=(48, 64)) as writer:
        writer.write(picture())
        for wrong in (picture(0, 50, 64), picture().astype(float), picture()[..., 0]):
            with pytest.raises(ConfigError, match=r"\(48, 64, 3\)"):
                writer.write(wrong)


@pytest.mark.parametrize("name", ["nowhere/a.mp4", "a.nonsense"])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="can be written"), VideoWriter(tmp_path / name, 10) as writer:
        writer.write(picture())


@pytest.mark.parametrize("fps", [0, -1, float("nan")])
def test_an_impossible_rate_is_refused(tmp_path, fps):
    with pytest.raises(ConfigError, match="positive"):
        VideoWriter(tmp_path / "a.mp4", fps)


def test_without_a_frame_there_is_no_file(tmp_path):
    with VideoWriter(tmp_path / "a.mp4", 10):
        pass
    assert not list(tmp_path.iterdir())


def test_without_pyav_the_extra_is_named(monkeypatch, clip):
    monkeypatch.setitem(sys.modules, "av", None)
    for use in (lambda: open_source(clip), lambda: open_source(0), lambda: VideoWriter("a.mp4", 10)):
        with pytest.raises(MissingExtraError, match=r"pip install centernet\[video\]"):
            use()
