"""The forms in which TensorFlow can run one network, timed in turn.

`python tests/benchmarks/bench_network.py NAME RUNS` prints medians in milliseconds, and ratios to the form that
`detect` uses.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from timing import interleave, print_table

import centernet
from centernet.cli.commands.benchmark import compile_network
from centernet.inference.folding import fold_batch_normalization

USED = "as `detect` runs it"


def main(name: str, runs: int) -> None:
    detector = centernet.load(name, weights=None)
    size = detector.config.preprocessing.size
    batch = tf.constant(np.random.default_rng(0).normal(size=(1, *size, 3)).astype(np.float32))
    folded = fold_batch_normalization(detector)
    forms: dict[str, Callable[[Any], Any]] = {
        USED: compile_network(detector),
        "tf.function": _function(detector, size),
        "tf.function, folded": _function(folded, size),
        "tf.function, folded, weights constant": _frozen(folded, size),
        "eager call": partial(detector, training=False),
        "Keras predict": partial(detector.predict, verbose=0),
    }
    if "mobilenet" in name:
        forms["tf.function, XLA"] = _function(detector, size, jit_compile=True)
    sides = {form: partial(run, batch) for form, run in forms.items()}
    print_table(f"{name}, network alone, one image of {size[0]}×{size[1]}", interleave(sides, runs), USED)


def _function(network: Any, size: tuple[int, int], **options: Any) -> Callable[[Any], Any]:
    def forward(batch: Any) -> Any:
        return {name: stacks[-1] for name, stacks in network(batch, training=False).items()}

    signature = [tf.TensorSpec((1, *size, 3), tf.float32)]
    return tf.function(forward, input_signature=signature, autograph=False, **options).get_concrete_function()


def _frozen(network: Any, size: tuple[int, int]) -> Callable[[Any], Any]:
    values = [(variable, variable.numpy()) for variable in network.variables]

    def forward(batch: Any) -> Any:
        with keras.StatelessScope(state_mapping=[(v, tf.constant(a)) for v, a in values]):
            return network(batch, training=False)

    return _function(lambda batch, training: forward(batch), size)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
