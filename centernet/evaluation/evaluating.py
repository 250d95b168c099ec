"""Evaluation of a detector, or of given detections, on a dataset; and during training, as a callback."""

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
from centernet.evaluation.alignment import Pair, align, check_evaluable
from centernet.evaluation.coco import count_boxes, count_keypoints, keypoint_sigmas
from centernet.evaluation.figures import KeypointFigures, box_figures, keypoint_figures, score_curves
from centernet.evaluation.matching import match
from centernet.evaluation.result import Evaluation
from centernet.images.reading import Frame
from centernet.inference.detecting import DetectionModel, check_options, detect_frames
from centernet.inference.tiling import MOST_DETECTIONS
from centernet.models.test_time import TestTime
from centernet.results.detections import Detections


def evaluate(
    detector: DetectionModel,
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
    """Detect objects in every image of a dataset and compute COCO's figures.

    Args:
        detector: A `Detector`.
        dataset: The annotated images; classes are matched by name.
        min_score: Minimum score of a detection. COCO's figures need all detections, so 0.
        max_detections: See `Detector.detect`.
        batch_size: Images per batch.
        test_time: Test-time augmentation (mirrored and scaled passes); by default the model's own.
        exact: See `Detector.detect`.
        score: See `Evaluation.score`.
        sigmas: COCO's σ of each keypoint; by default those of `centernet.evaluation.coco.keypoint_sigmas`.
        progress: Called after each image.

    Returns:
        The figures. Images that can't be read are listed in `skipped` and don't count.

    Raises:
        ConfigError: If the dataset is empty, or its classes or keypoints don't match the detector's.
        SourceError: If no image can be read.
    """
    if not isinstance(dataset, Dataset):
        raise ConfigError(f"Expected a Dataset to evaluate on (see centernet.data). Received: {type(dataset).__name__}")
    _check_score(score)
    check_evaluable(dataset, detector.config.classes)
    check_options(min_score, max_detections, batch_size, test_time)
    options: dict[str, Any] = {"max_detections": max_detections, "test_time": test_time, "exact": exact}
    start = time.perf_counter()
    detections = []
    frames = _read_ahead(dataset, 2 * batch_size)
    for one in detect_frames(detector, frames, batch_size=batch_size, min_score=min_score, **options):
        detections.append(replace(one, image=None))  # the images of a whole dataset would fill the memory
        if progress:
            progress()
    seconds = time.perf_counter() - start
    passes = test_time or detector.config.test_time
    limit = MOST_DETECTIONS if passes and passes.tiles else detector.config.decoder.max_detections
    settings = {
        "min_score": min_score,
        "max_detections": min(max_detections or limit, limit),
        "batch_size": batch_size,
        "test_time": asdict(passes) if passes else None,
        "exact": exact,
    }
    return evaluate_detections(
        dataset, detections, score=score, sigmas=sigmas, model=detector.config.name, settings=settings, seconds=seconds
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
    """Compute COCO's figures of given detections.

    Crowds are ignored (neither positive nor negative). Objects with a box without area or a class that is not in the
    dataset can't be detected: they don't count, and are listed in `left_out`. Classes without objects have no figures
    and are not in the means.

    Args:
        dataset: The annotated images.
        detections: One per image, in the order of the dataset; or `image_id` → detections. See
            `centernet.evaluation.alignment.align` for how classes and keypoints are matched. Images whose detections
            have an `error` don't count.
        score: See `Evaluation.score`.
        sigmas: See `evaluate`.
        model: Name of the detector.
        settings: Settings of the detector, for the report.
        seconds: Duration of the detection, for the report.

    Returns:
        The figures.

    Raises:
        ConfigError: If detections don't belong to the dataset, or an argument is out of range.
        SourceError: If no image could be read.
    """
    _check_score(score)
    start = time.perf_counter()
    pairs, skipped = align(dataset, detections)
    if not pairs:
        raise SourceError(
            f"Expected at least one image of {dataset.name} that can be read. Received {len(skipped)} that can't: "
            f"{skipped[0]}"
        )
    matches = [match(pair) for pair in pairs]
    counted = count_boxes(pairs, dataset.class_names)
    curves = score_curves(matches, len(dataset.class_names))
    return Evaluation(
        **asdict(box_figures(counted)),
        keypoints=_keypoint_figures(dataset, pairs, sigmas),
        class_names=dataset.class_names,
        score=curves.best_score if score is None else score,
        model=model,
        dataset=dataset.name,
        settings=dict(settings or {}),
        images=len(pairs),
        objects=sum(len(one.objects) for one in matches),
        ignored=sum(int((pair.usable & pair.sample.ignore).sum()) for pair in pairs),
        left_out=tuple(reason for pair in pairs for reason in pair.left_out()),
        skipped=tuple(skipped),
        seconds=None if seconds is None else (seconds, time.perf_counter() - start),
        counted=counted,
        score_curves=curves,
        matches=tuple(matches),
    )


def _check_score(score: float | None) -> None:
    if score is not None and not 0 <= score <= 1:
        raise ConfigError(f"Expected a score of 0–1 for classes, mistakes and pictures. Received: score={score!r}")


def _keypoint_figures(dataset: Dataset, pairs: list[Pair], sigmas: Sequence[float] | None) -> KeypointFigures | None:
    task = dataset.keypoints
    if task is None or all(pair.detections.keypoints is None for pair in pairs):
        return None
    if task.class_name not in dataset.class_names:
        raise ConfigError(
            f"Expected the class with keypoints to be one of {dataset.name}'s. Received: {task.class_name!r}"
        )
    used = tuple(keypoint_sigmas(task) if sigmas is None else sigmas)
    if len(used) != len(task.names) or not all(sigma > 0 for sigma in used):
        raise ConfigError(f"Expected a σ above 0 for each of {len(task.names)} keypoints. Received: sigmas={used}")
    class_id = dataset.class_names.index(task.class_name)
    objects = sum(int(pair.labeled(class_id).sum()) for pair in pairs)
    counted = count_keypoints(pairs, class_id, used)
    return keypoint_figures(counted, task.class_name, objects, dict(zip(task.names, map(float, used), strict=True)))


def _read_ahead(dataset: Dataset, count: int) -> Iterator[Frame | SourceError]:
    """The images in order; the next `count` are read while the network runs."""
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
