"""Writes `chains.npz`, `nms.npz` and `canvas.npz` beside it from what the reference of Keypoint Triplets computed.

`python pack_merging.py FOLDER`: FOLDER holds `units.npz` and `outputs/`. The reference is CenterNet at its commit
3ad3a10, run on a CPU with NumPy 2.4.6 and OpenCV 5.0.0.

- `chains.npz`: test-time augmentation of one image, stage by stage. `<chain>/scale<s>/…` for each scale: the
  canvas (`crop`), the decoder's pairs and centers of the upright and of the mirrored pass, and what became of
  them; then for all scales `small` and `large` (by the size of the central region), `kept`, `class<j>`, `final`
  (classes from 1). Two networks ran on an image of 200×380. `synth_chain_single` has objects planted on one of
  480×640; `planted` is x0 y0 x1 y1, class, scores of the three keypoints (-1: none), embedding.
- `nms.npz`: rows before and after the reference's soft-NMS, with (`soft_nms_merge`) and without votes, and the
  count of rows that are not stale. `soft_nms_39` has 34 more numbers of keypoints in each row.
- `canvas.npz`: an image and, of OpenCV's resizes of it, some rows and the CRC of all; the canvas for six heights;
  central regions of ten boxes.
"""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
CHAINS = ("synth_chain_single", "hg52_chain_single", "hg104_chain_single", "hg104_chain_multi")
# Inputs and heads belong to the network; the others are concatenations of what is kept.
LEFT_OUT = ("/input/", "heads/", "merged/", "_ind", "sorted/", "coco_json", "_detections")


def main(folder: Path) -> None:
    chains = {
        f"{chain}/{name}": value
        for chain in CHAINS
        for name, value in np.load(folder / "outputs" / f"{chain}.npz").items()
        if not any(part in name for part in LEFT_OUT)
    }
    units = dict(np.load(folder / "units.npz"))
    nms = {name: value for name, value in units.items() if name.startswith(("soft_nms", "soft_nms_merge"))}
    canvas = {name: value for name, value in units.items() if name.startswith(("crop_image/", "region/"))}
    np.savez_compressed(HERE / "chains.npz", **chains)
    np.savez_compressed(HERE / "nms.npz", **nms)
    np.savez_compressed(HERE / "canvas.npz", **canvas, **resizes(folder))


def resizes(folder: Path) -> dict[str, np.ndarray]:
    images = dict(np.load(folder / "outputs" / "fixture_image.npz"))
    packed = {"image": images.pop("image")}
    for name, image in images.items():
        index = np.unique([0, 1, *range(16, len(image), 16), len(image) - 2, len(image) - 1])
        packed |= {f"{name}/size": np.array(image.shape), f"{name}/index": index, f"{name}/rows": image[index]}
        packed[f"{name}/crc"] = np.array(zlib.crc32(image.tobytes()))
    return packed


if __name__ == "__main__":
    main(Path(sys.argv[1]))
