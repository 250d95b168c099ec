"""Render shapes to learn from, or one scene to find some in: `python examples/render_shapes.py FOLDER|PICTURE.png`.

FOLDER becomes a dataset in COCO's format, of 1,000 scenes to learn from and 100 to evaluate on: circles, squares,
triangles, stars, and stick figures with five keypoints. The model `shapes` was trained on it by
`configs/recipes/shapes.yaml`. PICTURE.png becomes a scene of neither.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

import centernet
from centernet.data import synthetic

COUNTS = (1000, 100)


def main(out: Path) -> None:
    """Write what the ending of the path says."""
    if out.suffix == ".png":
        Image.fromarray(scenes(1, seed=22, size=(360, 480), min_objects=8, max_objects=8)[0].image).save(out)
    else:
        centernet.data.write(tuple(scenes(count, seed) for seed, count in enumerate(COUNTS)), out, format="coco")


def scenes(count: int, seed: int, size: tuple[int, int] = (240, 320), **options: int) -> centernet.data.Dataset:
    """Scenes with all shapes and figures."""
    return synthetic.shapes(count, size, seed=seed, keypoints=True, **options)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
