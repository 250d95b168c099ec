"""From a dataset and a detector, or its detections, to an `Evaluation`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.sample import Sample
from centernet.errors import ConfigError, SourceError
from centernet.evaluation.coco import count_boxes, count_keypoints, keypoint_sigmas
from centernet.evaluation.curves import score_curves
from centernet.evaluation.figures import KeypointFigures, box_figures, keypoint_figures
from centernet.evaluation.outcomes import match_all
from centernet.evaluation.result import Evaluation
from centernet.evaluation.samples import Pair, check_fits, pair_up
from centernet.images.reading import Frame
from centernet.inference.detecting import check_options, detect_frames
from centernet.models.test_time import TestTime
from centernet.results.detections import Detections


def evaluate(
    detector: Any,
    dataset: Dataset,
    *,
    min_score: float = 0.0,
    max_detections: int | None = None,
    batch_size: int = 1,
    test_time: TestTime | None = None,
    exact: bool = False,
    score: float | None = None,
    sigmas: Sequence[float] | None = None,
    progress: Callable[[], None] | None = None,
) -> Evaluation:
    """Detect in every image of a dataset, and count as COCO does.

    Args:
        detector: A `Detector`.
        dataset: The images with their objects; classes are matched by name.
        min_score: Objects that score less are left out. COCO's figures want all, so 0.
        max_detections: At most this many objects an image; at most (and by default) the decoder's.
        batch_size: Images that go through the network together.
        test_time: Several passes over each image (mirrored, at several scales); by default the model's own.
        exact: See `Detector.detect`.
        score: See `Evaluation.score`.
        sigmas: COCO's σ of each keypoint; by default those of `centernet.evaluation.coco.keypoint_sigmas`.
        progress: Called after each image.

    Returns:
        The figures. Images that can't be read are in `skipped`, and count as if they weren't in the dataset.

    Raises:
        ConfigError: If the dataset is empty, or has other classes or keypoints than the detector.
        SourceError: If no image can be read.
    """
    _check(detector, dataset, score)
    check_options(min_score, max_detections, batch_size, test_time)
    options: dict[str, Any] = {"max_detections": max_detections, "test_time": test_time, "exact": exact}
    start = time.perf_counter()
    found = []
    frames = _read_ahead(dataset, 2 * batch_size)
    for one in detect_frames(detector, frames, batch_size=batch_size, min_score=min_score, **options):
        found.append(replace(one, image=None))  # the images of a whole dataset would fill the memory
        if progress:
            progress()
    seconds = time.perf_counter() - start
    passes = test_time or detector.config.test_time
    settings = {
        "min_score": min_score,
        "max_detections": min(max_detections or 10**9, detector.config.decoder.max_detections),
        "batch_size": batch_size,
        "test_time": asdict(passes) if passes else None,
        "exact": exact,
    }
    return evaluate_detections(
        dataset, found, score=score, sigmas=sigmas, model=detector.config.name, settings=settings, seconds=seconds
    )


def evaluate_detections(
    dataset: Dataset,
    detections: Sequence[Detections] | Mapping[Any, Detections],
    *,
    score: float | None = None,
    sigmas: Sequence[float] | None = None,
    model: str = "detections",
    settings: Mapping[str, Any] | None = None,
    seconds: float | None = None,
) -> Evaluation:
    """Count detections as COCO does.

    Objects to be ignored (crowds) are neither asked for nor wrong. Objects whose box has no area can't be found by any
    box, nor those of a class that the dataset doesn't name: they are left out, counted and named. Classes without an
    object have no figures and are not in the means.

    Args:
        dataset: The images with their objects.
        detections: Of each image, in the order of the dataset; or `image_id` → detections. See
            `centernet.evaluation.samples.pair_up` for how classes and keypoints are matched. Detections that are an
            `error` count as an image that is not in the dataset.
        score: See `Evaluation.score`.
        sigmas: COCO's σ of each keypoint; by default those of `centernet.evaluation.coco.keypoint_sigmas`.
        model: What to call the detector.
        settings: How it detected, for the report.
        seconds: How long it took, for the report.

    Returns:
        The figures.

    Raises:
        ConfigError: If detections don't belong to the dataset, or an argument is out of range.
        SourceError: If no image could be read.
    """
    _check_score(score)
    start = time.perf_counter()
    pairs, skipped = pair_up(dataset, detections)
    if not pairs:
        raise SourceError(
            f"Expected at least one image of {dataset.name} that can be read. Received {len(skipped)} that can't: "
            f"{skipped[0]}"
        )
    matches = match_all(pairs)
    counted = count_boxes(pairs, dataset.class_names)
    curves = score_curves(matches, len(dataset.class_names))
    keypoints = _keypoints(dataset, pairs, sigmas)
    return Evaluation(
        **asdict(box_figures(counted)),
        keypoints=keypoints,
        class_names=dataset.class_names,
        score=curves.best_score if score is None else score,
        model=model,
        dataset=dataset.name,
        settings=dict(settings or {}),
        images=len(pairs),
        objects=sum(len(match.objects) for match in matches),
        ignored=sum(int((pair.usable & pair.sample.ignore).sum()) for pair in pairs),
        left_out=tuple(reason for pair in pairs for reason in pair.left_out()),
        skipped=tuple(skipped),
        seconds=None if seconds is None else (seconds, time.perf_counter() - start),
        counted=counted,
        score_curves=curves,
        matches=tuple(matches),
    )


def _check(detector: Any, dataset: Dataset, score: float | None) -> None:
    """Refuse what would fail after detecting, before it."""
    if not isinstance(dataset, Dataset):
        raise ConfigError(f"Expected a Dataset to evaluate on (see centernet.data). Received: {type(dataset).__name__}")
    _check_score(score)
    check_fits(dataset, detector.class_names)


def _check_score(score: float | None) -> None:
    if score is not None and not 0 <= score <= 1:
        raise ConfigError(f"Expected a score of 0–1 at which to look at detections. Received: score={score!r}")


def _keypoints(dataset: Dataset, pairs: list[Pair], sigmas: Sequence[float] | None) -> KeypointFigures | None:
    task = dataset.keypoints
    if task is None or all(pair.found.keypoints is None for pair in pairs):
        return None
    if task.class_name not in dataset.class_names:
        raise ConfigError(
            f"Expected the class with keypoints to be one of {dataset.name}'s. Received: {task.class_name!r}"
        )
    used = tuple(keypoint_sigmas(task) if sigmas is None else sigmas)
    if len(used) != len(task.names) or not all(sigma > 0 for sigma in used):
        raise ConfigError(f"Expected a σ above 0 for each of {len(task.names)} keypoints. Received: sigmas={used}")
    class_id = dataset.class_names.index(task.class_name)
    asked = 0
    for pair in pairs:
        sample = pair.sample
        if sample.keypoints is not None:
            labeled = (sample.keypoints[..., 2] > 0).any(axis=1)
            asked += int((pair.usable & ~sample.ignore & labeled & (sample.class_ids == class_id)).sum())
    counted = count_keypoints(pairs, class_id, used)
    return keypoint_figures(counted, task.class_name, asked, dict(zip(task.names, map(float, used), strict=True)))


def _read_ahead(dataset: Dataset, count: int) -> Iterator[Frame | SourceError]:
    """The images in order; while the network runs, the next `count` are read."""
    pending: deque[Future[Frame | SourceError]] = deque()
    with ThreadPoolExecutor(1) as reader:
        for sample in dataset:
            pending.append(reader.submit(_read, sample))
            if len(pending) > count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _read(sample: Sample) -> Frame | SourceError:
    try:
        return Frame(sample.image, sample.name)
    except SourceError as error:
        return error
