"""What Keypoint Triplets learn to predict, drawn: `python examples/draw_triplets.py photo.png out.png`.

The boxes that the shipped detector `bccd` finds become the three target heatmaps: top-left corners, bottom-right
corners and centers, each laid over the photo.
"""

from __future__ import annotations

import sys

import numpy as np
from keras import ops
from PIL import Image

import centernet
from centernet.models.triplets.targets import triplet_targets


def draw(photo: str) -> Image.Image:
    """The three heatmaps side by side, each half the photo's size."""
    found = centernet.load("bccd").detect(photo)
    height, width = found.image_size
    targets = triplet_targets(
        found.boxes[None],
        found.class_ids[None],
        input_size=(height, width),
        output_size=(height // 4, width // 4),
        num_classes=len(found.class_names),
    )
    picture = Image.new("RGB", (3 * width // 2, height // 2))
    for place, name in enumerate(("top_left", "bottom_right", "center")):
        heatmap = np.max(ops.convert_to_numpy(targets[name])[0], axis=-1)
        panel = centernet.draw_heatmap(found.image, heatmap).resize((width // 2, height // 2))
        picture.paste(panel, (place * width // 2, 0))
    return picture


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    draw(sys.argv[1]).save(sys.argv[2])
