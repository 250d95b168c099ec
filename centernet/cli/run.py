"""The loop of `centernet detect`: batches in, results written as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from centernet.cli.inputs import Group
from centernet.cli.outputs import JsonArray, Pictures, coco_image_id
from centernet.cli.summary import Summary
from centernet.errors import ConfigError, SourceError
from centernet.inference.detecting import detect_frames
from centernet.results.detections import Detections

if TYPE_CHECKING:
    from centernet.detector import Detector
    from centernet.images.sources import Source


@dataclass(frozen=True)
class Records:
    """Where results are counted and written down.

    Attributes:
        summary: Counts them for the table at the end.
        rows: File of all results as `Detections.to_dict`, or None.
        coco_rows: File of all results as COCO rows, or None.
    """

    summary: Summary
    rows: JsonArray | None
    coco_rows: JsonArray | None

    def add(self, name: str, found: Detections, seconds: float, video: Source | None) -> None:
        """Record what was found in one image; see `Summary.add`."""
        self.summary.add(name, found, seconds, video)
        if self.rows:
            self.rows.append(found.to_dict())
        if self.coco_rows:
            position = self.summary.total.images
            for row in found.to_coco(position if video else coco_image_id(name, position)):
                self.coco_rows.append(row)

    def fail(self, name: str, reason: str) -> None:
        """Record that one image, or a whole source, could not be read or written."""
        self.summary.failures.append(reason)
        if self.rows:
            self.rows.append({"source": name, "error": reason})


@dataclass(frozen=True)
class Run:
    """Detects groups of images and hands every result to where it belongs.

    Attributes:
        detector: Finds the objects.
        batch_size: Images that go through the network together.
        options: `min_score`, `max_detections`, `test_time` and `exact` of `Detector.detect`.
        pictures: Draws them.
        records: Writes them down.
        advance: Called after each image.
    """

    detector: Detector
    batch_size: int
    options: Mapping[str, Any]
    pictures: Pictures
    records: Records
    advance: Callable[[], None]

    def detect_group(self, group: Group) -> None:
        """Detect in all images of a group; those that fail are recorded, and the others go on."""
        if group.video is None:
            self._detect(group, self.pictures.save)
            return
        try:
            with self.pictures.video(group.video) as append:
                self._detect(group, append)
        except (ConfigError, SourceError) as error:  # this video can't be written or opened, but others may be
            self.records.fail(group.video.name, str(error))
        except KeyboardInterrupt:
            if not group.is_camera:
                raise

    def _detect(self, group: Group, draw: Callable[[Detections], None]) -> None:
        attempts = group.attempts()
        start = time.perf_counter()
        while batch := list(islice(attempts, self.batch_size)):
            frames = (attempt for _, attempt in batch)
            found = list(detect_frames(self.detector, frames, batch_size=len(batch), **self.options))
            seconds = (time.perf_counter() - start) / len(batch)
            for (name, _), one in zip(batch, found, strict=True):
                if one.error is None:
                    self.records.add(name, one, seconds, group.video)
                    draw(one)
                else:
                    self.records.fail(name, one.error)
                self.advance()
            start = time.perf_counter()
