"""Find objects and draw them: `python examples/detect.py [PHOTO_OR_FOLDER] [--model NAME] [--out found]`.

Without a photo it looks at the rendered blood smear beside this file with the detector that ships with the library, and
prints `blood_cells.png: 15 objects: 10 RBC 0.80 ...`. Pictures with boxes are in `found/` afterwards. With a network,
any name that `centernet models` lists is downloaded; a folder that a training wrote is a model as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import centernet


def main() -> None:
    """Detect, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", nargs="?", type=Path, default=Path(__file__).with_name("blood_cells.png"))
    parser.add_argument("--model", default="bccd")
    parser.add_argument("--min-score", type=float, default=0.3)
    parser.add_argument("--out", type=Path, default=Path("found"))
    asked = parser.parse_args()

    detector = centernet.load(asked.model)
    # Of one photo `detect` gives what is in it, of a folder or video an iterator over that.
    found = detector.detect(asked.photos, min_score=asked.min_score)
    asked.out.mkdir(parents=True, exist_ok=True)
    for one in [found] if isinstance(found, centernet.Detections) else found:
        if one.error:  # a photo of a folder that can't be read doesn't stop it
            print(one.error)
            continue
        photo = Path(one.source)
        print(f"{photo.name}: {one}")
        one.draw().save(asked.out / f"{photo.stem}.png")


if __name__ == "__main__":
    main()
