"""The parts of a loss are known beforehand, tracked by name, and no part of what is saved."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops
from small_triplets import small_triplets

from centernet.training.training_model import loss_parts

PARTS = ["focal", "offset", "pull", "push"]
WITHOUT_LOSS = {"optimizer": "sgd"}


@pytest.fixture(scope="module")
def detector():
    detector = small_triplets()
    detector.compile(**WITHOUT_LOSS)
    return detector


def test_parts_are_known_before_anything_is_computed(detector):
    assert loss_parts(detector) == PARTS


def test_each_part_is_a_metric_besides_the_total(detector):
    assert [metric.name for metric in detector.metrics] == ["loss", *PARTS]


def test_a_detector_that_is_not_compiled_has_no_metrics():
    assert small_triplets(lively=False).metrics == []


def test_metrics_of_the_user_stay(detector):
    other = small_triplets(lively=False)
    other.compile(**WITHOUT_LOSS, metrics=[])
    assert {"loss", *PARTS} <= {metric.name for metric in other.metrics}


def test_parts_are_means_over_images_and_begin_anew_each_epoch(detector):
    detector.reset_metrics()
    for value, images in ((1.0, 3), (5.0, 1)):
        detector._parts().update({name: ops.convert_to_tensor(value) for name in PARTS}, images)
    assert {name: float(detector._parts().means[name].result()) for name in PARTS} == dict.fromkeys(PARTS, 2.0)
    detector.reset_metrics()
    assert float(detector._parts().means["focal"].result()) == 0


def test_parts_are_not_saved_with_the_weights(detector, tmp_path):
    assert not any("focal" in variable.path for variable in detector.variables)
    detector.save_weights(tmp_path / "model.weights.h5")
    plain = small_triplets(seed=1)
    plain.load_weights(tmp_path / "model.weights.h5")
    assert all(np.array_equal(*pair) for pair in zip(plain.get_weights(), detector.get_weights(), strict=True))


def test_a_second_compile_keeps_one_metric_a_part(detector):
    detector.compile(**WITHOUT_LOSS)
    assert [metric.name for metric in detector.metrics] == ["loss", *PARTS]


def test_additional_losses_of_layers_count(detector):
    images = np.zeros((1, 64, 64, 3), np.float32)
    y = {"boxes": np.zeros((1, 1, 4), np.float32), "class_ids": np.full((1, 1), -1, np.int32)}
    maps = detector(images)
    plain = detector.compute_loss(*map(ops.convert_to_tensor, (images,)), tensors(y), maps)
    detector.get_layer("center_0").kernel.regularizer = keras.regularizers.L2(0.1)
    penalty = 0.1 * np.square(ops.convert_to_numpy(detector.get_layer("center_0").kernel)).sum()
    more = detector.compute_loss(*map(ops.convert_to_tensor, (images,)), tensors(y), maps)
    detector.get_layer("center_0").kernel.regularizer = None
    np.testing.assert_allclose(ops.convert_to_numpy(more - plain), penalty, rtol=1e-3)


def tensors(arrays):
    return {name: ops.convert_to_tensor(value) for name, value in arrays.items()}
