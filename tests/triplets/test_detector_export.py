"""A whole detector of triplets in files that other programs run: they find what it finds here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from exported import FORMATS, Run
from keras import ops
from small import picture
from small_triplets import small_triplets

from centernet.folding import fold_batch_normalization

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="Keras exports all three formats on the TensorFlow backend only"
)


@pytest.fixture(scope="module")
def detector() -> Any:
    return small_triplets()


class Graph(keras.layers.Layer):
    """A detector as one graph: preprocessing, network and decoder."""

    def __init__(self, detector: Any) -> None:
        super().__init__(dtype="float32", autocast=False)
        self.detector, self.network = detector, fold_batch_normalization(detector)

    def call(self, images: Any) -> dict[str, Any]:
        preprocessing = self.detector.config.preprocessing
        sizes = ops.convert_to_tensor([ops.shape(images)[1:3]], dtype="int32")
        maps = self.network(preprocessing(images, sizes), training=False)
        return self.detector.decode(maps, sizes, canvas=preprocessing.size)


@pytest.mark.parametrize("run", FORMATS)
def test_an_exported_detector_finds_the_same_in_an_image_of_any_size(run: Run, detector: Any, tmp_path: Path) -> None:
    inputs = keras.Input((None, None, 3), batch_size=1, dtype="uint8")
    image = picture(100, 120)
    boxes, class_ids, scores = run(keras.Model(inputs, Graph(detector)(inputs)), tmp_path / "model", image[None])
    expected = detector.infer([image])
    kept = expected["scores"] > 0
    assert kept.sum() > 5
    np.testing.assert_allclose(scores, expected["scores"], atol=1e-4)
    np.testing.assert_allclose(boxes[kept], expected["boxes"][kept], atol=1e-4)
    np.testing.assert_array_equal(class_ids[kept], expected["class_ids"][kept])
