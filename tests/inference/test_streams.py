"""Streams of images: what a batch gives, and when its images are released."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small import picture, small_detector
from small_triplets import small_triplets

import centernet
from centernet import TestTime
from centernet.images.reading import Frame
from centernet.inference.detecting import detect_frames
from centernet.ops import preprocessing
from centernet.ops.preprocessing import Preprocessing

SIZES = ((50, 70), (64, 64), (50, 70), (40, 90), (50, 70), (50, 70), (64, 64))
FLIP = TestTime(flip=True)
PASSES = (None, FLIP, TestTime(flip=True, scales=(1.0, 1.5)))
OPTIONS: dict[str, Any] = {"min_score": 0.0, "max_detections": None, "exact": False}


def images() -> list[np.ndarray]:
    return [picture(*size, seed=number) for number, size in enumerate(SIZES)]


def agree(found: list[Any], expected: list[Any]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.names == other.names
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


@pytest.mark.parametrize("fit", ["canvas", "original"])
@pytest.mark.parametrize("make", [small_detector, small_triplets])
def test_no_batch_size_changes_what_is_found(make: Any, fit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = make(preprocessing=Preprocessing((64, 64), fit=fit, step=16), image_size=None)
    for passes in PASSES:
        alone = detector.detect(images(), min_score=0, test_time=passes)
        assert sum(map(len, alone)) > 20
        for batch_size, pixels in ((3, 2**18), (7, 2**18), (7, 1)):
            monkeypatch.setattr(preprocessing, "CPU_PIXELS", pixels)
            agree(detector.detect(images(), min_score=0, test_time=passes, batch_size=batch_size), alone)


def test_nor_of_an_exported_file() -> None:
    detector = centernet.load("bccd", runtime="onnx")
    alone, together = (detector.detect(images(), min_score=0, batch_size=size) for size in (1, 5))
    agree(together, alone)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports on TensorFlow only")
def test_a_file_of_a_fixed_batch_takes_any_stream(tmp_path: Path) -> None:
    detector = small_detector()
    detector.export(tmp_path / "three", batch_size=3)
    fixed = centernet.load(tmp_path / "three")
    agree(fixed.detect(images(), min_score=0.05, batch_size=7), detector.detect(images(), min_score=0.05))


def test_mirrored_passes_of_a_batch_are_one_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = small_detector()
    counts: list[int] = []
    compiled_form = type(detector).compiled_form

    def watched(self: Any, form: Any, step: Any, signature: Any) -> Any:
        run = compiled_form(self, form, step, signature)

        def counted(batch: np.ndarray, sizes: np.ndarray) -> Any:
            counts.append(len(batch))
            return run(batch, sizes)

        return counted

    monkeypatch.setattr(type(detector), "compiled_form", watched)
    detector.detect([picture()] * 5, test_time=FLIP, batch_size=5)
    monkeypatch.setattr(preprocessing, "CPU_PIXELS", 2 * 2 * 64 * 64)
    detector.detect([picture()] * 5, test_time=FLIP, batch_size=5)
    assert counts == [5, 2, 2, 1]


def test_only_a_cpu_has_smaller_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    def sizes(**options: Any) -> list[int]:
        return [len(batch) for batch, _ in preprocessing.batches([picture()] * 5, (256, 256), **options)]

    monkeypatch.setattr(preprocessing, "_is_cpu", lambda: True)
    assert sizes() == [4, 1]
    assert sizes(passes=2) == [2, 2, 1]
    monkeypatch.setattr(preprocessing, "_is_cpu", lambda: False)
    assert sizes() == [5]


@pytest.mark.parametrize("passes", [None, FLIP, TestTime(tiles=(32, 32))])
def test_an_image_is_released_with_its_detections(passes: TestTime | None) -> None:
    alive: list[weakref.ref[Frame]] = []

    def frames() -> Iterator[Frame]:
        for number, size in enumerate(SIZES):
            yield watched(Frame(picture(*size), str(number)))

    def watched(frame: Frame) -> Frame:
        alive.append(weakref.ref(frame))
        return frame

    counts = []
    for _ in detect_frames(small_detector(), frames(), batch_size=4, test_time=passes, **OPTIONS):
        gc.collect()
        counts.append(sum(one() is not None for one in alive))
    assert counts == [3, 2, 1, 0, 2, 1, 0]  # those of the batch that are still to come
