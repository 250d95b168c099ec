"""Objects followed through the frames of a video, by ByteTrack of the package trackers (extra `track`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from centernet.errors import MissingExtraError
from centernet.results.detections import Detections

HIGH_SCORE = 0.4  # starts a track; detections below it only continue one
LOST_FRAMES = 30  # at 30 frames a second: an object that is hidden for a second keeps its id
UNKNOWN_FPS = 30.0


class Tracker:
    """Gives the objects of one video ids that stay the same from frame to frame.

    Boxes are matched by their overlap with the predicted ones (ByteTrack), whatever their class: an object keeps its
    id when its class changes.

    Args:
        fps: Frames per second of the video; None if unknown. The times of frames, where they have any, count more.

    Raises:
        MissingExtraError: The package trackers is not installed.
    """

    def __init__(self, fps: float | None = None) -> None:
        try:
            from trackers import ByteTrackTracker
        except ImportError as error:
            raise MissingExtraError(
                "Tracking needs the package trackers, which is not installed. Install it: pip install centernet[track]"
            ) from error
        self._tracker = ByteTrackTracker(
            lost_track_buffer=LOST_FRAMES,
            frame_rate=fps or UNKNOWN_FPS,
            track_activation_threshold=HIGH_SCORE,
            high_conf_det_threshold=HIGH_SCORE,
        )

    def update(self, detections: Detections) -> Detections:
        """Add the ids of the tracks to the detections of the next frame.

        Args:
            detections: Of a frame later than the last one.

        Returns:
            The same rows with `track_ids`; -1 for an object that is not confirmed: in its first frame, or with a low
            score. A frame that was not read has none, and the tracks wait for the next.
        """
        ids = np.full(len(detections), -1)
        if detections.error is None:
            given = detections.to_supervision()
            given.data = {"row": np.arange(len(detections))}
            tracked = self._tracker.update(given, timestamp=detections.time)
            if len(tracked):  # in another order
                ids[tracked.data["row"]] = tracked.tracker_id
        return replace(detections, track_ids=ids)
