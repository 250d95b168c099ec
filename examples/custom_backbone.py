"""Train a detector on a network of your own: `python examples/custom_backbone.py [DATA] [--epochs 30]`.

Any function that gives a functional Keras model can be a backbone, of both kinds of detectors: here MobileNet (2017) of
keras.applications under the feature pyramid of this library. Without DATA, scenes of colored shapes are rendered:
expect AP50 of about .7 from random weights, in two minutes on two cores, and the detector in `runs/custom/best`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras

import centernet
from centernet.data import synthetic
from centernet.models.backbones import BACKBONES
from centernet.models.backbones.layers import feature_pyramid

TAPS = ("conv_pw_3_relu", "conv_pw_5_relu", "conv_pw_11_relu", "conv_pw_13_relu")  # of strides 4, 8, 16 and 32


def MobileNetFPN(alpha: float = 0.25) -> keras.Model:  # noqa: N802 - named like a class, as those of Keras are
    """A trunk, and a neck that brings its maps to one of stride 4."""
    trunk = keras.applications.MobileNet(include_top=False, weights=None, alpha=alpha, input_shape=(None, None, 3))
    features = feature_pyramid([trunk.get_layer(tap).output for tap in TAPS], widths=(64, 48, 32, 32))
    return keras.Model(trunk.input, features, name="mobilenet_fpn")


BACKBONES["mobilenet_fpn"] = MobileNetFPN  # where a model is loaded, this has to have run as well


def main() -> None:
    """Load, fit, evaluate the best."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("runs/custom"))
    asked = parser.parse_args()
    keras.utils.set_random_seed(0)  # for new weights that are the same each time

    train, validation = centernet.data.load(asked.data) if asked.data else (scenes(96, seed=0), scenes(24, seed=1))
    backbone = {"name": "mobilenet_fpn", "alpha": 0.25}
    detector = centernet.PointDetector(backbone, train.class_names, image_size=(128, 128), name="custom")
    detector.fit(
        train,
        validation_data=validation,
        epochs=asked.epochs,
        learning_rate=4e-3,  # there is nothing yet that could be forgotten
        augmentation={"horizontal_flip": 0.5, "vertical_flip": 0.5},
        evaluate_every=10,
        out=asked.out,
    )
    print(centernet.load(asked.out / "best").evaluate(validation))


def scenes(count: int, seed: int) -> centernet.data.Dataset:
    """Rendered scenes of colored shapes."""
    return synthetic.shapes(count, (96, 128), seed=seed, max_objects=3, radius=(0.15, 0.3))


if __name__ == "__main__":
    main()
