"""Both families learn from random weights: shapes, in a minute or two each."""

from __future__ import annotations

import keras
import pytest

from centernet import PointDetector, TripletDetector
from centernet.data import synthetic
from centernet.models.settings import PointHeadSettings, TripletDecoderSettings, TripletHeadSettings
from centernet.training.settings import AugmentationSettings

CLASSES = ("circle", "square", "triangle")
SIZE = (96, 96)
BACKBONE = {"name": "hourglass", "stacks": 1, "filters": [32, 48, 64], "blocks": [1, 1, 1], "stem_filters": 16}
MIRRORED = AugmentationSettings(horizontal_flip=0.5, vertical_flip=0.5)


def points():
    return PointDetector(BACKBONE, CLASSES, image_size=SIZE, heads=PointHeadSettings(32))


def triplets():
    heads = TripletHeadSettings(32, 3, False, pooling_filters=32, pooling_inner_filters=16)
    decoder = TripletDecoderSettings(keypoints=20, max_pairs=400)
    return TripletDetector(BACKBONE, CLASSES, image_size=SIZE, heads=heads, decoder=decoder)


@pytest.mark.heavy
@pytest.mark.parametrize(("make", "epochs"), [(points, 32), (triplets, 26)])
def test_shapes_are_found_after_training_and_not_before(make, epochs):
    keras.utils.set_random_seed(0)
    options = {"classes": CLASSES, "max_objects": 3, "radius": (0.12, 0.25)}
    train, validation = (synthetic.shapes(count, SIZE, seed=seed, **options) for count, seed in ((192, 0), (48, 1)))
    detector = make()
    assert detector.evaluate(validation).ap50 <= 0.05
    detector.fit(
        train,
        epochs=epochs,
        batch_size=16,
        learning_rate=3e-3,
        evaluate_every=0,
        verbose=0,
        augmentation=MIRRORED,
    )
    assert detector.evaluate(validation).ap50 >= 0.6
