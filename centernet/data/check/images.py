"""Checks of images: missing, damaged, different in size from their annotations, or repeated."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from centernet.data.check.problems import IMAGE_FAILURES, Problem, of_images
from centernet.data.dataset_base import DatasetBase
from centernet.data.image_files import upright_size
from centernet.data.sample import Sample
from centernet.errors import SourceError
from centernet.images.reading import read_image

MAX_WORKERS = 8
MAX_SHOWN = 5  # ids of identical images
MISSING, TRUNCATED, UNREADABLE = IMAGE_FAILURES


@dataclass(frozen=True)
class ImageFacts:
    """What is known about an image."""

    size: tuple[int, int] | None  # height and width in pixels, annotated ones if it was not read; None if unknown
    digest: bytes | None = None  # equal for identical images; None if it was not read
    failure: str | None = None  # kind of problem, if it can't be read
    reason: str = ""  # error message, if it can't be read


def image_facts(dataset: DatasetBase, read: bool, progress: Callable[[], None] | None = None) -> list[ImageFacts]:
    """Facts of all images, which are read in threads and not kept; `progress` is called after each one.

    Without `read` they come from the annotations, and from the header if the size is not annotated.
    """
    facts = []
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_WORKERS)) as pool:
        for one in pool.map(_read_facts, dataset) if read else map(_annotated_facts, dataset):
            facts.append(one)
            if progress:
                progress()
    return facts


def _annotated_facts(sample: Sample) -> ImageFacts:
    try:
        return ImageFacts(_annotated_size(sample) or upright_size(sample.source))
    except SourceError as error:
        return ImageFacts(None, None, UNREADABLE, str(error))


def _annotated_size(sample: Sample) -> tuple[int, int] | None:
    return sample.size if sample.size and min(sample.size) > 0 else None


def _read_facts(sample: Sample) -> ImageFacts:
    source = sample.source
    if isinstance(source, Path) and not os.path.isfile(source):
        return ImageFacts(_annotated_size(sample), None, MISSING)
    # Damaged files and functions that render images may raise anything; the check goes on.
    try:
        data = source.read_bytes() if isinstance(source, Path) else source() if callable(source) else source
        image = read_image(data, name=sample.name, reduced=True).image
        size = upright_size(data) if isinstance(data, bytes) else (image.shape[0], image.shape[1])
    except Exception as error:
        reason = " ".join(str(error).removeprefix(f"{sample.name}: ").split()) or type(error).__name__
        failure = TRUNCATED if "truncated" in reason.lower() else UNREADABLE
        return ImageFacts(_annotated_size(sample), None, failure, reason)
    content = data if isinstance(data, bytes) else str(image.shape).encode() + np.ascontiguousarray(image).tobytes()
    return ImageFacts(size, hashlib.sha256(content).digest())


def image_problems(dataset: DatasetBase, facts: Sequence[ImageFacts]) -> list[Problem]:
    """Unreadable images, wrong sizes, copies and repeated ids."""
    problems = []
    for kind in IMAGE_FAILURES:
        numbers = [number for number, one in enumerate(facts) if one.failure == kind]
        detail = f" ({facts[numbers[0]].reason})" if kind == UNREADABLE and numbers else ""
        problems += of_images(dataset, kind, numbers, [dataset[number].name for number in numbers], detail=detail)
    copies = _repeated(one.digest for one in facts)
    ids = [[str(dataset[number].image_id) for number in group] for group in copies]
    equal = [" = ".join(group[:MAX_SHOWN]) + (" …" if len(group) > MAX_SHOWN else "") for group in ids]
    same_id = _repeated(sample.image_id for sample in dataset)
    times = [f"{dataset[group[0]].image_id} ({len(group)} times)" for group in same_id]
    return [
        *problems,
        *_different_sizes(dataset, facts),
        *of_images(dataset, "same image", _later(copies), equal),
        *of_images(dataset, "same id", _later(same_id), times),
    ]


def _different_sizes(dataset: DatasetBase, facts: Sequence[ImageFacts]) -> list[Problem]:
    cases = {}
    for number, (sample, one) in enumerate(zip(dataset, facts, strict=True)):
        if one.digest and one.size and sample.size and sample.size != one.size:
            (height, width), rotated = sample.size, ", rotated" if sample.size == one.size[::-1] else ""
            cases[number] = (
                f"{sample.image_id} (annotated {width}x{height}, image {one.size[1]}x{one.size[0]}{rotated})"
            )
    return of_images(dataset, "size", list(cases), list(cases.values()))


def _repeated(keys: Iterable[Hashable]) -> list[list[int]]:
    """Groups of indices with the same key, which is not None."""
    groups = defaultdict(list)
    for number, key in enumerate(keys):
        groups[key].append(number)
    return [group for key, group in groups.items() if key is not None and len(group) > 1]


def _later(groups: Sequence[Sequence[int]]) -> list[int]:
    """All but the first of each group."""
    return [number for group in groups for number in group[1:]]
