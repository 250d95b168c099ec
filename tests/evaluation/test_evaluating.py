"""A detector is evaluated on a dataset: what it detects is what is counted."""

from __future__ import annotations

import dataclasses
import logging
import re
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from small import picture, small_detector

from centernet import TestTime
from centernet.data import Dataset, Sample
from centernet.errors import ConfigError, SourceError
from centernet.evaluation import CocoEvaluation, evaluate, evaluate_detections


@pytest.fixture(scope="module")
def detector() -> Any:
    return small_detector()


@pytest.fixture(scope="module")
def dataset(detector: Any) -> Dataset:
    """Images whose objects are some of those that the detector finds."""
    images = [picture(40 + 8 * number, 70, seed=number) for number in range(4)]
    found = [detector.detect(image, min_score=0) for image in images]
    samples = [
        Sample(image, one.boxes[:9:2], one.class_ids[:9:2], f"image {number}")
        for number, (image, one) in enumerate(zip(images, found, strict=True))
    ]
    return Dataset(tuple(samples), ("a", "b"), name="found")


def test_evaluate_counts_what_detect_finds(detector: Any, dataset: Dataset) -> None:
    calls: list[None] = []
    evaluation = evaluate(detector, dataset, progress=lambda: calls.append(None))
    found = detector.detect([sample.image for sample in dataset], min_score=0)
    assert evaluation.counted.precision.shape == (10, 101, 2, 4, 3)
    np.testing.assert_array_equal(evaluation.counted.precision, evaluate_detections(dataset, found).counted.precision)
    assert len(calls) == 4
    assert evaluation.seconds
    assert (evaluation.model, evaluation.dataset) == ("small", "found")
    assert all(match.pair.detections.image is None for match in evaluation.matches)


def test_the_detector_has_it_as_a_method(detector: Any, dataset: Dataset) -> None:
    expected = evaluate(detector, dataset, min_score=0.4, max_detections=3).to_dict()
    given = detector.evaluate(dataset, min_score=0.4, max_detections=3).to_dict()
    assert {**given, "seconds": None} == {**expected, "seconds": None}
    assert given["settings"]["max_detections"] == 3


def test_batches_give_the_same(detector: Any, dataset: Dataset) -> None:
    one, three = evaluate(detector, dataset), evaluate(detector, dataset, batch_size=3)
    assert three.ap == pytest.approx(one.ap, abs=1e-3)
    assert three.settings["batch_size"] == 3


def test_test_time_passes_are_used(detector: Any, dataset: Dataset) -> None:
    flipped = evaluate(detector, dataset, test_time=TestTime(flip=True))
    found = detector.detect([sample.image for sample in dataset], min_score=0, test_time=TestTime(flip=True))
    assert flipped.ap == evaluate_detections(dataset, found).ap
    assert flipped.settings["test_time"]["flip"] is True


def test_unreadable_images_are_skipped_counted_and_named(detector: Any, dataset: Dataset, tmp_path: Any) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    Image.fromarray(dataset[1].image).save(tmp_path / "good.png")
    sources = [tmp_path / "bad.jpg", tmp_path / "good.png", tmp_path / "gone.jpg", lambda: dataset[3].image]
    samples = [dataclasses.replace(sample, source=s) for sample, s in zip(dataset, sources, strict=True)]
    evaluation = evaluate(detector, dataclasses.replace(dataset, samples=tuple(samples)))
    assert evaluation.images == 2
    assert [re.split("[:/]", reason.removeprefix(f"{tmp_path}/"))[0] for reason in evaluation.skipped] == [
        "bad.jpg",
        "gone.jpg",
    ]
    assert evaluation.ap == pytest.approx(evaluate(detector, dataset[[1, 3]]).ap)
    with pytest.raises(SourceError, match="that can be read"):
        evaluate(detector, dataclasses.replace(dataset, samples=(samples[0], samples[2])))


def test_invalid_arguments_are_refused_before_detecting(detector: Any, dataset: Dataset) -> None:
    def never() -> None:
        raise AssertionError

    with pytest.raises(ConfigError, match=r"classes.*of other names: a, b"):
        evaluate(detector, dataclasses.replace(dataset, class_names=("x", "y")), progress=never)
    with pytest.raises(ConfigError, match="empty dataset"):
        evaluate(detector, dataset[[]], progress=never)
    with pytest.raises(ConfigError, match=r"score of 0–1.*score=3"):
        evaluate(detector, dataset, score=3, progress=never)
    with pytest.raises(ConfigError, match="batch_size=0"):
        evaluate(detector, dataset, batch_size=0, progress=never)
    with pytest.raises(ConfigError, match=r"Expected a Dataset.*list"):
        evaluate(detector, [picture()], progress=never)


def batch() -> tuple[Any, Any]:
    x = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)
    return x, {"boxes": np.full((2, 1, 4), [5, 5, 30, 30], np.float32), "class_ids": np.zeros((2, 1), np.int32)}


class TestInTraining:
    @pytest.fixture(scope="class")
    def trained(self, dataset: Dataset) -> Any:
        """A detector after training that stopped since the figures didn't grow, and its callback."""
        detector = small_detector()
        detector.compile(optimizer=keras.optimizers.SGD(1e-6))
        callback = CocoEvaluation(dataset, every=2)
        stop = keras.callbacks.EarlyStopping(monitor="val_ap", mode="max", patience=1, min_delta=1)
        with pytest.warns(UserWarning, match="`val_ap` which is not available"):
            history = detector.fit(*batch(), epochs=9, verbose=0, callbacks=[callback, stop])
        return detector, callback, history.history

    def test_figures_are_among_the_logs_where_other_callbacks_see_them(self, trained: Any) -> None:
        _, _, history = trained
        assert len(history["loss"]) == 4
        assert len(history["val_ap"]) == 2
        assert {"val_ap50", "val_ap75", "val_ap_small", "val_ar100"} <= set(history)
        assert "val_ap_large" not in history

    def test_figures_are_those_of_the_current_weights(self, trained: Any, dataset: Dataset) -> None:
        detector, callback, history = trained
        assert history["val_ap"][-1] == callback.latest.ap == evaluate(detector, dataset).ap

    def test_the_last_epoch_is_evaluated_whatever_its_number(self, dataset: Dataset) -> None:
        callback = CocoEvaluation(dataset, every=5, prefix="test_")
        callback.set_model(small_detector())
        callback.set_params({"epochs": 3})
        logs: list[dict[str, Any]] = [{}, {}, {}]
        for epoch, one in enumerate(logs):
            callback.on_epoch_end(epoch, one)
        assert logs[:2] == [{}, {}]
        assert 0 < logs[2]["test_ap"] <= 1

    def test_arrays_are_evaluated_by_keras(self, trained: Any) -> None:
        losses = trained[0].evaluate(*batch(), verbose=0, return_dict=True)
        assert set(losses) == {"loss", "heatmap", "size", "offset"}

    def test_a_dataset_without_objects_is_refused_at_once(self, dataset: Dataset) -> None:
        without = Dataset((Sample(picture(), [], [], 1),), ("a", "b"))
        with pytest.raises(ConfigError, match="Expected objects"):
            CocoEvaluation(without)
        with pytest.raises(ConfigError, match="every=0"):
            CocoEvaluation(dataset, every=0)


def test_missing_classes_are_logged_once(detector: Any, dataset: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "centernet"):
        evaluate(detector, dataclasses.replace(dataset, class_names=("a", "b", "c")))
    assert [record.message for record in caplog.records] == [
        "1 of the dataset's 3 classes are unknown to the detector and count as never detected: c"
    ]
