"""Fine-tune on keypoints: `python examples/finetune_keypoints.py [DATA] [--model NAME] [--epochs 30] [--out FOLDER]`.

DATA is a COCO JSON with keypoints, or its folder. Without it, scenes with stick figures are rendered, whose head, hands
and feet are keypoints: expect AP of about .85 for boxes and .95 for keypoints, in two minutes on two cores, from a
model that knows such figures, the detector in `runs/pose/best`, and a scene with what it finds in
`runs/pose/found.png`. With a network, start from people: `--model centernet_mobilenetv2fpn_512x512_coco17_kpts --size
512`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import keras

import centernet
from centernet.data import synthetic


def main() -> None:
    """Load, fit, evaluate the best, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--model", default="shapes")
    parser.add_argument("--size", type=int, default=160, help="height and width of the network's input")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("runs/pose"))
    asked = parser.parse_args()
    keras.utils.set_random_seed(0)  # for new weights that are the same each time

    with tempfile.TemporaryDirectory() as temporary:
        train, validation = centernet.data.load(asked.data or render(Path(temporary) / "figures"))
        print(train.keypoints)  # names, which are left and right, the skeleton, how exactly each can be placed
        size = (asked.size, asked.size)
        detector = centernet.load(asked.model, classes=train.class_names, keypoints=train.keypoints, image_size=size)
        detector.fit(
            train,
            validation_data=validation,
            epochs=asked.epochs,
            learning_rate=2e-3,
            augmentation={"horizontal_flip": 0.5},  # exchanges left and right keypoints as well
            evaluate_every=10,
            out=asked.out,
        )
        best = centernet.load(asked.out / "best")
        print(best.evaluate(validation))
        best.detect(validation[0].image).draw().save(asked.out / "found.png")


def render(folder: Path) -> Path:
    """Write scenes with their keypoints, as somebody else's dataset would be."""
    train, validation = (
        synthetic.shapes(count, (120, 160), seed=seed, classes=(), keypoints=True, radius=(0.2, 0.4))
        for seed, count in enumerate((96, 24))
    )
    return centernet.data.write((train, validation), folder, format="coco")


if __name__ == "__main__":
    main()
