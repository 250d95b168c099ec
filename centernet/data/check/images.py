"""Images that are missing, damaged, of another size than stated, or there twice."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from centernet.data.check.problems import SHOWN, Problem, of_images
from centernet.data.check.report import FAILURES
from centernet.data.dataset import Dataset
from centernet.data.image_files import upright_size
from centernet.data.sample import Sample
from centernet.errors import SourceError
from centernet.images.reading import read_image

MOST_WORKERS = 8
MISSING, TRUNCATED, UNREADABLE = FAILURES


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image.

    Attributes:
        size: Height and width in pixels: of the image, or as stated where it was not read; None if nobody knows.
        digest: Equal for images of the same bytes; None if it was not read.
        failure: Kind of problem, if it can't be read.
        reason: Why it can't be.
    """

    size: tuple[int, int] | None
    digest: bytes | None = None
    failure: str | None = None
    reason: str = ""


def stated_facts(dataset: Dataset) -> list[ImageFacts]:
    """What annotations say of each image, and the headers of those of which they don't say the size."""
    facts = []
    for sample in dataset:
        try:
            facts.append(ImageFacts(_stated(sample) or upright_size(sample.source)))
        except SourceError as error:
            facts.append(ImageFacts(None, None, UNREADABLE, str(error)))
    return facts


def read_facts(dataset: Dataset, progress: Callable[[], None] | None = None) -> list[ImageFacts]:
    """What each image is; all are read, in threads, and none is kept.

    Args:
        dataset: The images.
        progress: Called after each image.
    """
    facts = []
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_WORKERS)) as pool:
        for one in pool.map(_facts, dataset):
            facts.append(one)
            if progress:
                progress()
    return facts


def image_problems(dataset: Dataset, facts: Sequence[ImageFacts]) -> list[Problem]:
    """What is wrong with images."""
    found = []
    for kind in FAILURES:
        numbers = [number for number, one in enumerate(facts) if one.failure == kind]
        detail = f" ({facts[numbers[0]].reason})" if kind == UNREADABLE and numbers else ""
        found += of_images(dataset, kind, numbers, [dataset[number].name for number in numbers], detail=detail)
    return [*found, *_other_sizes(dataset, facts), *_copies(dataset, facts), *_same_ids(dataset)]


def _stated(sample: Sample) -> tuple[int, int] | None:
    return sample.size if sample.size and min(sample.size) > 0 else None


def _facts(sample: Sample) -> ImageFacts:
    source = sample.source
    if isinstance(source, Path) and not source.is_file():
        return ImageFacts(_stated(sample), None, MISSING)
    # Whatever a damaged file, or a function that renders an image, raises: the others are to be checked all the same.
    try:
        data = source.read_bytes() if isinstance(source, Path) else source() if callable(source) else source
        image = read_image(data, name=sample.name).image
    except Exception as error:
        reason = " ".join(str(error).removeprefix(f"{sample.name}: ").split()) or type(error).__name__
        return ImageFacts(_stated(sample), None, TRUNCATED if "truncated" in reason.lower() else UNREADABLE, reason)
    known = data if isinstance(data, bytes) else str(image.shape).encode() + np.ascontiguousarray(image).tobytes()
    return ImageFacts((image.shape[0], image.shape[1]), hashlib.blake2b(known, digest_size=16).digest())


def _other_sizes(dataset: Dataset, facts: Sequence[ImageFacts]) -> list[Problem]:
    numbers, cases = [], []
    for number, (sample, one) in enumerate(zip(dataset, facts, strict=True)):
        if one.digest and one.size and sample.size and sample.size != one.size:
            numbers.append(number)
            height, width = sample.size
            turned = " turned" if sample.size == one.size[::-1] else ""
            cases.append(f"{sample.image_id} ({width}x{height} is{turned} {one.size[1]}x{one.size[0]})")
    return of_images(dataset, "size", numbers, cases)


def _copies(dataset: Dataset, facts: Sequence[ImageFacts]) -> list[Problem]:
    groups = defaultdict(list)
    for number, one in enumerate(facts):
        if one.digest:
            groups[one.digest].append(number)
    same = [numbers for numbers in groups.values() if len(numbers) > 1]
    cases = [_equal([str(dataset[number].image_id) for number in numbers]) for numbers in same]
    return of_images(dataset, "same image", [number for numbers in same for number in numbers[1:]], cases)


def _equal(ids: Sequence[str]) -> str:
    return " = ".join(ids[:SHOWN]) + (" …" if len(ids) > SHOWN else "")


def _same_ids(dataset: Dataset) -> list[Problem]:
    groups = defaultdict(list)
    for number, sample in enumerate(dataset):
        groups[sample.image_id].append(number)
    same = {name: numbers for name, numbers in groups.items() if len(numbers) > 1}
    cases = [f"{name} ({len(numbers)} times)" for name, numbers in same.items()]
    return of_images(dataset, "same id", [number for numbers in same.values() for number in numbers[1:]], cases)
