"""Memory and time of training steps of Hourglass-52: `python tests/benchmarks/bench_memory.py [FAMILY [BATCH]]`.

FAMILY is `triplets` (at 511×511, as published) or `points` (at 512×512). Memory is the largest resident size of the
process.
"""

from __future__ import annotations

import resource
import sys
import time

from centernet import PointDetector, TripletDetector
from centernet.data import synthetic
from centernet.data.batches.loader import Batches
from centernet.training.settings import TrainingSettings
from centernet.training.training_model import make_training_model

FAMILIES = {"triplets": (TripletDetector, (511, 511)), "points": (PointDetector, (512, 512))}
STEPS = 3


def main(family: str = "triplets", batch_size: str = "1") -> None:
    """Take some steps, and print what they needed."""
    make, size = FAMILIES[family]
    scenes = synthetic.shapes(8, size)
    before = resident()
    detector = make("hourglass52", scenes.class_names, image_size=size)
    settings = TrainingSettings(batch_size=int(batch_size))
    batches = Batches(scenes, size, settings.batch_size)
    training_model = make_training_model(detector, settings, len(batches))
    seconds = []
    for step in range(STEPS):
        start = time.perf_counter()
        training_model.train_on_batch(batches[step])
        seconds.append(time.perf_counter() - start)
        print(f"step {step + 1}: {seconds[-1]:.1f} s, {resident():.2f} GB", flush=True)
    print(f"{family} {size[0]}×{size[1]}, batch {batch_size}: {resident():.2f} GB, {before:.2f} of them before")


def resident() -> float:
    """Largest resident size so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main(*sys.argv[1:])
