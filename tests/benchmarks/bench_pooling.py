"""Directional pools against a copy of the same bytes: `python tests/benchmarks/bench_pooling.py`.

With KERAS_BACKEND=jax against `jax.lax.cummax` as well. Backward means the gradient for a given upstream one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np
from timing import interleave

from centernet.ops.scan import running_maximum

SHAPES = ((1, 128, 128, 128), (2, 128, 128, 128), (1, 64, 64, 256))
AXES = {"rows": 1, "columns": 2}
BATCHES, RUNS = 8, 5
Sides = Mapping[str, Callable[[Any, Any], Any]]


def main() -> None:
    backend = keras.backend.backend()
    sides = {"tensorflow": tensorflow_sides, "jax": jax_sides}[backend]()
    print(f"| {backend} | what | ms | of a copy |\n|---|---|---:|---:|")
    for shape in SHAPES:
        rng = np.random.default_rng(0)
        arrays = [keras.ops.convert_to_tensor(rng.standard_normal(shape, np.float32)) for _ in range(2)]
        times = least_disturbed({name: partial(run, side, *arrays) for name, side in sides.items()})
        for name, value in times.items():
            print(f"| {'×'.join(map(str, shape))} | {name} | {value:.2f} | {value / times['copy']:.2f} |")


def least_disturbed(sides: Mapping[str, Callable[[], Any]]) -> dict[str, float]:
    """Median of a few runs in turn, and of several such medians the lowest: others use the machine too."""
    medians = [interleave(sides, RUNS) for _ in range(BATCHES)]
    return {name: min(batch[name] for batch in medians) for name in sides}


def run(side: Callable[[Any, Any], Any], x: Any, upstream: Any) -> None:
    """Until all is computed; JAX returns before."""
    for array in keras.tree.flatten(side(x, upstream)):
        if hasattr(array, "block_until_ready"):
            array.block_until_ready()


def tensorflow_sides() -> Sides:
    import tensorflow as tf

    zero = tf.Variable(0.0)  # a constant would be optimized away, and the addition with it
    sides = {"copy": tf.function(lambda x, upstream: x + zero)}

    def forward_and_backward(pool: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
        def both(x: Any, upstream: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = pool(x)
            return y, tape.gradient(y, x, upstream)

        return tf.function(both, autograph=False)

    for name, pool in pools(("inference", False), ("training", True)).items():
        sides[f"{name}, forward"] = tf.function(lambda x, upstream, pool=pool: pool(x), autograph=False)
        sides[f"{name}, forward + backward"] = forward_and_backward(pool)
    return sides


def jax_sides() -> Sides:
    import jax

    sides = {"copy": jax.jit(lambda x, upstream: x + 0)}
    ours = pools(("ours", True))
    theirs = {f"{name}, lax.cummax": lambda x, axis=axis: jax.lax.cummax(x, axis=axis) for name, axis in AXES.items()}

    def forward_and_backward(pool: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
        def both(x: Any, upstream: Any) -> Any:
            y, back = jax.vjp(pool, x)
            return y, back(upstream)

        return jax.jit(both)

    for name, pool in {**ours, **theirs}.items():
        sides[f"{name}, forward"] = jax.jit(lambda x, upstream, pool=pool: pool(x))
        sides[f"{name}, forward + backward"] = forward_and_backward(pool)
    return sides


def pools(*forms: tuple[str, bool]) -> dict[str, Callable[[Any], Any]]:
    """Every form along every axis."""
    return {
        f"{name}, {form}": lambda x, axis=axis, compiled=compiled: running_maximum(x, axis, compiled=compiled)
        for name, axis in AXES.items()
        for form, compiled in forms
    }


if __name__ == "__main__":
    main()
