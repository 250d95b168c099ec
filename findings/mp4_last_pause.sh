#!/usr/bin/env bash
# H.264 with B-frames in MP4, written by FFmpeg: frames at irregular times lose the pause before the last one.
#
# Guess before running: an MP4 whose last frames are shown at 0.64, 2.0 and 2.1 s ends after 2.1 s.
# Seen (PyAV 18.1.0, its FFmpeg and libx264): with B-frames the video lasts 1.24 s, although the frames that are read back have
# the right times; without B-frames 2.2 s. A duration in an MP4 is that of frames in the order of decoding.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet av==18.1.0 numpy==2.3.5
venv/bin/python - <<'PYTHON'
from fractions import Fraction

import av
import numpy as np

TIMES = (0.0, 0.1, 0.5, 0.6, 0.64, 2.0, 2.1)


def written(b_frames: int) -> tuple[float, float]:
    """Duration that the file states, and time of its last frame."""
    with av.open("video.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 60000)
        stream.codec_context.max_b_frames = b_frames
        for number, time in enumerate(TIMES):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 30 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(time * 60000), Fraction(1, 60000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with av.open("video.mp4") as container:
        stream = container.streams.video[0]
        duration = float(stream.duration * stream.time_base)
        return round(duration, 2), round(max(frame.time for frame in container.decode(stream)), 2)


found = {b_frames: written(b_frames) for b_frames in (0, 3)}
print(f"duration and time of the last frame in seconds: without B-frames {found[0]}, with {found[3]}")
assert found[0][0] >= 2.1 and found[3][0] < 2.0 and found[3][1] == 2.1, found
PYTHON
