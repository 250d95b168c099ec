"""A short training on one device or on two, whose losses are printed: `several_devices.py HOW [ARGUMENT...]`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CLASSES = ("circle", "square")


def one() -> Any:
    """A single device."""
    return contextlib.nullcontext()


def mirrored() -> Any:
    """Two devices of this machine, by `tf.distribute`."""
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()


def draws() -> Any:
    """Print what two replicas draw, and what a single device does, and end."""
    scope = mirrored()
    import keras
    import tensorflow as tf

    from centernet.training.augmentation.windows import RandomNumbers
    from centernet.training.replicas import replica_seed

    with scope:
        seeds = keras.random.SeedGenerator(3)
        drawn = tf.distribute.get_strategy().run(lambda: RandomNumbers(2, replica_seed(seeds))(2))
    single = RandomNumbers(2, replica_seed(keras.random.SeedGenerator(3)))(2)
    print(json.dumps([np.asarray(one).tolist() for one in (*drawn.values, single)]))
    sys.exit()


def worker(index: str, *ports: str) -> Any:
    """One of several processes that find each other on these ports of loopback."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": int(index)}})
    import tensorflow as tf

    return tf.distribute.MultiWorkerMirroredStrategy().scope()


def data_parallel() -> Any:
    """Two devices of this machine, by `keras.distribution` on JAX."""
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    import keras

    devices = keras.distribution.list_devices("cpu")
    assert len(devices) == 2
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    return contextlib.nullcontext()


HOW: dict[str, Callable[..., Any]] = {
    "one": one,
    "mirrored": mirrored,
    "draws": draws,
    "worker": worker,
    "data_parallel": data_parallel,
}


def main(family: str, out: str, how: str, *arguments: str) -> None:
    """Train, and print the losses of the epochs, and which files there are."""
    with HOW[how](*arguments):
        from small import SIZE, TINY, small_detector
        from small_triplets import small_triplets

        from centernet.data import synthetic

        make = small_detector if family == "points" else small_triplets
        detector = make(CLASSES, lively=False, backbone=TINY)
        if family == "triplets":  # embeddings of both corners that differ: the pull of equal ones is their rounding
            detector.get_layer("top_left_embedding_0").bias.assign([0.5])
    # A scene with one object has a push of 1 divided by what rounding leaves of 0, see `triplets/losses.py`.
    scenes = synthetic.shapes(16, SIZE, classes=CLASSES, min_objects=2, max_objects=3, radius=(0.08, 0.15))
    settings: dict[str, Any] = {"batch_size": 8, "epochs": 2, "evaluate_every": 0, "verbose": 0}
    if family == "points":
        settings |= {"learning_rate": 2e-3, "ema": 0.9}
    else:  # whose roundings Adam's first steps would lead apart: they go by signs, of gradients that are nearly 0 too
        settings |= {"learning_rate": 1e-3, "optimizer": "sgd", "epochs": 1}
    history = detector.fit(scenes, out=out or None, **settings).history
    print(json.dumps({name: [float(value) for value in values] for name, values in history.items()}))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(*sys.argv[1:])
