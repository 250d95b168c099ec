import sys

import numpy as np
import pytest

from centernet.errors import ConfigError, MissingExtraError, SourceError
from centernet.images.sources import Source, open_source, read_images

av = pytest.importorskip("av", reason="needs the extra `video`")
from centernet.images.video import Video, VideoWriter  # noqa: E402


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


def close(pixel, color):
    return np.abs(np.asarray(pixel, int) - color).max() < 25


def test_frames_come_back_in_order_with_their_colors(clip):
    frames = list(Video(clip))
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
    (frame,) = Video(tmp_path / "odd.mp4")
    assert frame.shape == (height + height % 2, width + width % 2, 3)


def test_mpeg4_is_written_where_h264_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(av, "codecs_available", {"mpeg4"})
    with VideoWriter(tmp_path / "old.mp4", 30000 / 1001) as writer:
        writer.write(picture())
    with av.open(str(tmp_path / "old.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
        assert float(container.streams.video[0].average_rate) == pytest.approx(29.97, abs=1e-3)


@pytest.mark.skipif(
    not hasattr(av.video.stream.VideoStream, "set_display_rotation"), reason="this PyAV can't write rotation"
)
@pytest.mark.parametrize(
    ("degrees", "red", "blue"), [(90, (-5, 5), (5, 5)), (-90, (5, -5), (-5, 5)), (180, (-5, -5), (5, 5))]
)
def test_rotation_in_the_metadata_is_applied(tmp_path, degrees, red, blue):
    with av.open(str(tmp_path / "turned.mp4"), "w") as container:
        stream = container.add_stream("libx264" if "libx264" in av.codecs_available else "mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.set_display_rotation(degrees)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(), format="rgb24")))
        container.mux(stream.encode(None))
    (frame,) = Video(tmp_path / "turned.mp4")
    assert frame.shape == ((48, 64, 3) if degrees == 180 else (64, 48, 3))
    assert close(frame[red], (255, 0, 0))
    assert close(frame[blue], (0, 0, 255))


def test_anamorphic_video_is_widened(tmp_path):
    with av.open(str(tmp_path / "wide.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(), format="rgb24")))
        container.mux(stream.encode(None))
    (frame,) = Video(tmp_path / "wide.mp4")
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
