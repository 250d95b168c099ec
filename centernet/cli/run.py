"""The loop of `centernet detect`: opens the sources, detects batch by batch, and writes each result."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice, repeat
from pathlib import Path
from typing import Any

from centernet.cli import console
from centernet.cli.outputs import DrawnImages, JsonArray, Summary, coco_image_id
from centernet.cli.resume import Done, Journal
from centernet.errors import ConfigError, MissingExtraError, SourceError
from centernet.files.formatting import missing_file
from centernet.files.web import is_url
from centernet.images.live import LiveStream, masked
from centernet.images.sources import Source, open_source
from centernet.images.video import Video
from centernet.inference.detecting import DetectionModel, detect_frames, tracker_of
from centernet.results.detections import Detections


def open_inputs(texts: Sequence[str]) -> tuple[list[Source], list[tuple[str, Exception]]]:
    """Open paths, URLs, glob patterns and cameras; returns the sources, and name and error of those that fail."""
    opened: list[Source] = []
    failures: list[tuple[str, Exception]] = []
    for text in texts:
        try:
            source = open_source(text)
            path = Path(text).expanduser()
            # Report a misspelled name before the model is loaded.
            if source.kind == "single" and not is_url(text) and not path.exists():
                raise SourceError(f"{text}: {missing_file(path)}")
            opened.append(source)
        except (SourceError, MissingExtraError) as error:
            failures.append((masked(text), error))
    return opened, failures


def group_sources(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Group neighboring sources, whose images may share a batch; each video, camera or stream is a group of its own."""
    for are_videos, members in groupby(sources, _is_video):
        group = list(members)
        yield from ([source] for source in group) if are_videos else [group]


def input_files(sources: Sequence[Source]) -> set[Path]:
    """All files to read, which no output may overwrite."""
    texts = [text for source in sources for text in ([source.name] if _is_video(source) else _names(source))]
    return {Path(text).expanduser().resolve() for text in texts if not is_url(text)}


def count_images(sources: Sequence[Source]) -> int | None:
    """Number of images, or None if a source doesn't know its own."""
    totals = [source.total for source in sources]
    return None if None in totals else sum(total or 0 for total in totals)


def check_resumable(sources: Sequence[Source]) -> None:
    """Check that what an earlier run has done can be told by names.

    Raises:
        ConfigError: If there is a video or camera, or an image twice.
    """
    videos = [source.name for source in sources if _is_video(source)]
    counts = Counter(name for source in sources if not _is_video(source) for name in _names(source))
    twice = [name for name, count in counts.items() if count > 1]
    if videos or twice:
        raise ConfigError(
            "Expected images to --resume, each of them once. Received: "
            f"{', '.join((videos or twice)[:3])}{', a video or camera' if videos else ', more than once'}."
        )


def without_done(sources: Sequence[Source], done: Container[str]) -> list[Source]:
    """Sources of images without those whose names are done."""
    left = [[name for name in _names(source) if name not in done] for source in sources]
    return [
        replace(source, items=names, total=len(names)) for source, names in zip(sources, left, strict=True) if names
    ]


def _is_video(source: Source) -> bool:
    return isinstance(source.items, Video | LiveStream)


def _names(source: Source) -> Iterator[str]:
    return repeat(source.name) if _is_video(source) else map(os.fsdecode, source.items)


@dataclass(frozen=True)
class Records:
    """Counts the results, and writes them to JSON files."""

    summary: Summary
    rows: JsonArray | None  # `Detections.to_dict` of each image
    coco_rows: JsonArray | None  # `Detections.to_coco` of all images
    journal: Journal | None = None  # notes what is done

    def add(
        self, name: str, detections: Detections, seconds: float, video: Source | None, pictures: tuple[str, ...]
    ) -> None:
        """Record the detections of one image, and the names of its drawings; see `Summary.add`."""
        self.summary.add(name, detections, seconds, video)
        if self.rows:
            self.rows.append(detections.to_dict())
        position = self.summary.total.images + (self.journal.positions if self.journal else 0)
        image_id = position if video else coco_image_id(name, position)
        if self.coco_rows:
            for row in detections.to_coco(image_id):
                self.coco_rows.append(row)
        if self.journal:
            self.journal.add(Done(name, position, pictures, image_id, len(detections) if self.coco_rows else 0))

    def fail(self, name: str, reason: str) -> None:
        """Record an image or source that can't be read or written."""
        self.summary.failures.append(reason)
        if self.rows:
            self.rows.append({"source": name, "error": reason})


@dataclass(frozen=True)
class Run:
    """Detects in groups of images, and draws and records the results."""

    detector: DetectionModel
    batch_size: int
    options: Mapping[str, Any]  # `min_score`, `max_detections`, `test_time` and `exact` of `Detector.detect`
    images: DrawnImages
    records: Records
    advance: Callable[[], None]  # called after each image
    track: bool = False

    def detect_group(self, sources: Sequence[Source]) -> None:
        """Detect in all images of a group; images that fail are recorded, and the run continues."""
        if not _is_video(sources[0]):
            self._detect(sources, self.images.save)
            return
        (video,) = sources
        try:
            with self.images.video(video) as append:
                self._detect(sources, append, video)
        except (ConfigError, SourceError) as error:  # this video can't be opened or written: continue with the next
            self.records.fail(video.name, str(error))
        except KeyboardInterrupt:  # the regular end of a camera or live stream
            if not getattr(video.items, "live", False):
                raise

    def _detect(
        self, sources: Sequence[Source], draw: Callable[[Detections], tuple[str, ...]], video: Source | None = None
    ) -> None:
        follow = tracker_of(sources[0]).update if self.track else lambda detections: detections
        attempts = chain.from_iterable(zip(_names(one), one.attempts(), strict=False) for one in sources)
        start = time.perf_counter()
        while batch := list(islice(attempts, self.batch_size)):
            names = [name for name, _ in batch]
            frames = [frame for _, frame in batch]
            del batch
            found = detect_frames(self.detector, frames, batch_size=self.batch_size, **self.options)
            results = deque(map(follow, found))
            del frames, found
            seconds = (time.perf_counter() - start) / len(names)
            for name in names:
                self._record(name, results.popleft(), seconds, draw, video)
            start = time.perf_counter()

    def _record(
        self,
        name: str,
        detections: Detections,
        seconds: float,
        draw: Callable[[Detections], tuple[str, ...]],
        video: Source | None,
    ) -> None:
        """Write everything about one image, or nothing if the run is interrupted before."""
        with console.holding_interrupts():
            if detections.error is None:
                pictures = draw(detections)
                self.records.add(name, detections, seconds, video, pictures)
            else:
                self.records.fail(name, detections.error)
            self.advance()
