#!/usr/bin/env bash
# PyAV: asking a decoded frame for its side data (the display matrix of a phone's video, for example) keeps its pixels in
# memory until Python's garbage collector runs.
#
# Guess before running: a frame that nothing refers to any more is freed at once, whatever it was asked for.
# Seen (PyAV 18.1.0): after 200 decoded frames, 2 are left without the question and 202 with it; 1 after gc.collect(). Frame
# and side data refer to each other, and the collector counts objects, not megabytes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet av==18.1.0 numpy==2.3.5
venv/bin/python - <<'PYTHON'
import gc

import av
import numpy as np

with av.open("video.mp4", "w") as container:
    stream = container.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
    for number in range(200):
        frame = av.VideoFrame.from_ndarray(np.full((480, 640, 3), number, np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def alive() -> int:
    return sum(isinstance(one, av.VideoFrame) for one in gc.get_objects())


def left(ask: bool) -> tuple[int, int]:
    gc.collect()
    gc.disable()
    with av.open("video.mp4") as container:
        for frame in container.decode(video=0):
            if ask:
                frame.side_data.get("DISPLAYMATRIX")
        del frame
        before = alive()
    gc.enable()
    gc.collect()
    return before, alive()


found = {ask: left(ask) for ask in (False, True)}
print(f"frames left of 200, before and after gc.collect(): not asked {found[False]}, asked for side data {found[True]}")
assert found[False][0] < 10 and found[True][0] >= 200 and found[True][1] < 10, found
PYTHON
