"""From a source to its detections: read, run in batches, build results."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np

from centernet.errors import CenterNetError, ConfigError, SourceError
from centernet.images.sources import Frame, Source, open_source
from centernet.inference.tiling import merge_tiles, tiles_of
from centernet.models.config import ModelConfig
from centernet.models.test_time import TestTime
from centernet.ops.constants import Arrays
from centernet.results.detections import Detections
from centernet.results.tracking import Tracker

logger = logging.getLogger("centernet")


class DetectionModel(Protocol):
    """What detecting needs of a detector, whichever runtime computes it."""

    config: ModelConfig

    def infer(self, images: Sequence[np.ndarray], *, exact: bool = False) -> dict[str, np.ndarray]:
        """Arrays of `Network.decode` for uint8 RGB images `(height, width, 3)` of any sizes."""
        ...

    def infer_passes(self, images: Sequence[np.ndarray], test_time: TestTime, *, exact: bool = False) -> list[Arrays]:
        """Detections of images from several passes, without the batch axis; see `Network.infer_passes`."""
        ...


def detect(
    detector: DetectionModel,
    source: Any,
    *,
    min_score: float,
    max_detections: int | None,
    batch_size: int,
    test_time: TestTime | None,
    exact: bool,
    track: bool = False,
) -> Detections | list[Detections] | Iterator[Detections]:
    """Detect objects in any source; see `Detector.detect`."""
    check_options(min_score, max_detections, batch_size, test_time)
    opened = open_source(source)
    tracker = tracker_of(opened) if track else None
    found = detect_frames(
        detector,
        opened.frames() if opened.kind == "single" else opened.attempts(),
        batch_size=batch_size,
        min_score=min_score,
        max_detections=max_detections,
        exact=exact,
        test_time=test_time,
    )
    if opened.kind == "single":
        return next(found)
    if tracker:
        return (tracker.update(one) for one in found)
    return list(found) if opened.kind == "list" else found


def tracker_of(source: Source) -> Tracker:
    """A new tracker for a source, which must be a video.

    Raises:
        ConfigError: It is one image, or images that don't follow each other in time.
        MissingExtraError: The package trackers is not installed.
    """
    if not source.is_video:
        raise ConfigError(
            "Tracking expected a video, a camera, a live stream, or an iterator of frames: it follows objects from one "
            f"frame to the next. Received: {'one image' if source.kind == 'single' else 'a collection of images'}. If "
            "files are the frames of a video: detector.detect(iter(paths), track=True)."
        )
    return Tracker(source.fps)


def check_options(
    min_score: float, max_detections: int | None, batch_size: int, test_time: TestTime | None = None
) -> None:
    """Check options before anything is read.

    Raises:
        ConfigError: If a number is out of range, or `test_time` is not a `TestTime`.
    """
    if not isinstance(test_time, TestTime | None):
        raise ConfigError(
            "Expected test_time as a centernet.TestTime (TestTime() is one pass), or None for the model's own passes. "
            f"Received: {test_time!r}"
        )
    counts = [batch_size] if max_detections is None else [batch_size, max_detections]
    whole = all(isinstance(count, Integral) and count >= 1 for count in counts)
    if not (whole and isinstance(min_score, Real) and 0 <= min_score <= 1):
        raise ConfigError(
            "Expected a min_score of 0–1 and a whole batch_size and max_detections of at least 1. Received: "
            f"min_score={min_score!r}, batch_size={batch_size!r}, max_detections={max_detections!r}"
        )


def detect_frames(
    detector: DetectionModel,
    frames: Iterable[Frame | SourceError],
    *,
    batch_size: int,
    min_score: float,
    max_detections: int | None,
    exact: bool,
    test_time: TestTime | None = None,
) -> Iterator[Detections]:
    """Detections of frames in their order, `batch_size` at a time.

    A frame is released as soon as its detections are taken: memory doesn't grow with the stream.

    Args:
        detector: The detector.
        frames: Images, or the error of one that can't be read (gives empty `Detections` with its `error`).
        batch_size: Images, or tiles of an image, that pass the network together; on a CPU fewer of them, where more are
            no faster (`centernet.ops.preprocessing.batches`).
        min_score: See `Detector.detect`.
        max_detections: Likewise.
        exact: Likewise.
        test_time: Likewise.

    Yields:
        The detections of each frame.
    """
    test_time = test_time or detector.config.test_time
    is_tiled = bool(test_time and test_time.tiles)
    frames = iter(frames)
    while group := deque(islice(frames, batch_size)):
        found = deque(_infer_group(detector, group, test_time, batch_size, min_score, exact))
        while group:
            # No variable holds a frame while the caller has its detections.
            yield _result(detector, group.popleft(), found, max_detections, is_tiled=is_tiled)


def _infer_group(
    detector: DetectionModel,
    group: Iterable[Frame | SourceError],
    test_time: TestTime | None,
    batch_size: int,
    min_score: float,
    exact: bool,
) -> list[Arrays]:
    """Rows from `min_score` on of each frame that could be read."""
    images = [frame.image for frame in group if isinstance(frame, Frame)]
    if not images:
        return []
    if test_time and test_time.tiles:
        found = [_infer_tiles(detector, image, test_time, batch_size, min_score, exact) for image in images]
    else:
        found = _infer(detector, images, test_time, exact)
    return [_above(detector, arrays, min_score) for arrays in found]


def _infer(
    detector: DetectionModel, images: Sequence[np.ndarray], test_time: TestTime | None, exact: bool
) -> list[Arrays]:
    """Arrays of each image, best first, in passes without tiles; None is one pass."""
    if test_time:
        return detector.infer_passes(images, test_time, exact=exact)
    arrays = detector.infer(images, exact=exact)
    return [{name: values[row] for name, values in arrays.items()} for row in range(len(images))]


def _infer_tiles(
    detector: DetectionModel, image: np.ndarray, test_time: TestTime, batch_size: int, min_score: float, exact: bool
) -> Arrays:
    """Arrays of one image, best first, from its tiles, `batch_size` at a time."""
    config, passes = detector.config, test_time.passes
    tiles = tiles_of(image.shape[:2], test_time)
    single = passes if config.test_time or not passes.is_single else None
    if len(tiles) == 1:
        return _infer(detector, [image], single, exact)[0]
    suppression = passes.joining(vote=False)
    # Boxes below the score change others only by voting.
    needed = 0.0 if suppression.voting_exponent else min_score
    parts = []
    for start in range(0, len(tiles), batch_size):
        group = tiles[start : start + batch_size]
        found = _infer(detector, [tile.of(image) for tile in group], single, exact)
        for tile, arrays in zip(group, found, strict=True):
            parts.append(tile.in_image(_above(detector, arrays, needed)))
    if config.preprocessing.fit == "canvas" if test_time.whole is None else test_time.whole:
        parts.append(_above(detector, _infer(detector, [image], single, exact)[0], needed))
    return merge_tiles(parts, suppression)


def _above(detector: DetectionModel, arrays: Arrays, min_score: float) -> Arrays:
    """The first rows, down to a score above 0; scores are descending."""
    _check_numbers(detector, {"scores": arrays["scores"]})
    keep = arrays["scores"] >= np.float32(min_score or np.finfo(np.float32).tiny)
    count = int(keep.argmin()) if not keep.all() else len(keep)
    arrays = {name: values[:count] for name, values in arrays.items()}
    _check_numbers(detector, arrays)
    return arrays


def _check_numbers(detector: DetectionModel, found: dict[str, np.ndarray]) -> None:
    broken = [name for name, values in found.items() if not np.isfinite(values).all()]
    if broken:
        raise CenterNetError(
            f"Expected finite output of {detector.config.name}. Received NaN or infinity in {', '.join(broken)}: the "
            "weights are damaged, or too large for the precision. Load other weights, or train with a lower rate."
        )


def _result(
    detector: DetectionModel,
    frame: Frame | SourceError,
    found: deque[Arrays],
    max_detections: int | None,
    *,
    is_tiled: bool,
) -> Detections:
    """The detections of a frame, whose rows are taken from the front of `found`."""
    if isinstance(frame, SourceError):
        return _failed(detector, frame)
    rows: dict[str, Any] = {name: values[:max_detections] for name, values in found.popleft().items()}
    common = _common(detector) | ({"max_detections": None} if is_tiled else {})
    return Detections(
        **rows,
        image_size=frame.image.shape[:2],
        source=frame.name,
        time=frame.time,
        image=frame.image,
        **common,
    )


def _failed(detector: DetectionModel, error: SourceError) -> Detections:
    task = detector.config.keypoints
    keypoints = {"keypoints": np.zeros((0, len(task.names), 2))} if task else {}
    return Detections.empty((1, 1), error=str(error), source=error.source, **keypoints, **_common(detector))


def _common(detector: DetectionModel) -> dict[str, Any]:
    config = detector.config
    task = config.keypoints
    names = {"keypoint_names": task.names, "skeleton": task.skeleton} if task else {}
    return {
        "class_names": config.classes,
        "dataset_ids": config.dataset_ids,
        "max_detections": config.decoder.max_detections,
        **names,
    }
