"""Running maxima along one axis, as in corner pooling (Law and Deng 2018, section 3.4).

A sweep processes one line of an array after the other; each result depends on the one before. Three forms, for
different executors, give the same values:

* compiled by XLA (JAX; the gradient on TensorFlow, and optionally the forward pass): a loop that
  writes into one array.
* one operation after the other (PyTorch, the forward pass on TensorFlow): a loop over lines written out while the
  graph is made. Slices, maxima and a concatenation are what every export format knows.
* the same, with a length that is not known while the graph is made: maxima over 1, 2, 4, … lines.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

MERGED = 8  # so many leading items are cut along one axis together with the lines: then lines are views, not copies
Step = Callable[[Sequence[Any], Sequence[Any]], Any]


def running_maximum(x: Any, axis: int, *, reverse: bool = False, compiled: bool = False) -> Any:
    """Maximum of everything from the beginning of an axis, or from its end, up to each position.

    The gradient of each output goes to exactly one input, the one that reached the maximum first in the direction
    of travel: of equal values that with the lower index, with `reverse` that with the higher one. The sums of
    these gradients are taken against the direction of travel.

    Args:
        x: Array of any rank and number type; `(batch, height, width, channels)` in corner pooling.
        axis: The axis to travel along. For images 1 travels down, 2 to the right.
        reverse: Start at the end of the axis: `y[i] = max(x[i:])` instead of `y[i] = max(x[:i + 1])`.
        compiled: On TensorFlow, have the forward pass compiled by XLA too. It is faster, for lengths that vary
            as well, but can't be converted to ONNX or LiteRT: meant for training.

    Returns:
        Array like `x`.
    """
    axis %= len(x.shape)
    forward = functools.partial(_maximum, axis=axis, reverse=reverse, compiled=compiled)
    route = functools.partial(_run, _route_to_first, axis=axis, reverse=reverse)
    return _with_gradient(x, forward, lambda _, maxima, upstream: route(maxima, upstream))


def line_maximum(x: Any, axis: int) -> Any:
    """Maximum over a whole axis; the gradient goes to one input, of equal ones to that with the highest index.

    A running maximum from the end followed by one from the beginning comes to the same, repeated along the axis.

    Args:
        x: Array of any rank and number type.
        axis: The axis to take the maximum over.

    Returns:
        Array like `x`, with size 1 along the axis.
    """
    axis %= len(x.shape)
    return _with_gradient(
        x, functools.partial(ops.max, axis=axis, keepdims=True), functools.partial(_run, _route_to_last, axis=axis)
    )


def _with_gradient(x: Any, forward: Callable[[Any], Any], route: Callable[[Any, Any, Any], Any]) -> Any:
    """`forward(x)`, with the gradient `route(x, result, upstream)`."""

    @ops.custom_gradient
    def pooled(x: Any) -> Any:
        maxima = forward(ops.stop_gradient(x))  # or else TensorFlow looks for the gradients of what is inside
        kept = ops.stop_gradient(maxima)  # on PyTorch, the result itself would keep itself alive

        def gradient(*args: Any, upstream: Any = None) -> Any:
            return route(x, kept, args[0] if upstream is None else upstream)

        return maxima, gradient

    return pooled(x)


def _run(function: Callable[..., Any], *arrays: Any, **options: Any) -> Any:
    """Call a function of this module; on TensorFlow compiled by XLA, for the sizes that arrive."""
    if keras.backend.backend() != "tensorflow":
        return function(*arrays, **options)
    return _compiled(function, **options)(*arrays)


@functools.cache
def _compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    # Uncompiled, TensorFlow copies the array at each turn of a loop.
    return compile_with_xla(functools.partial(function, **options))


def _maximum(x: Any, axis: int, reverse: bool, compiled: bool) -> Any:
    backend = keras.backend.backend()
    if backend == "jax" or (backend == "tensorflow" and compiled):
        return _run(_sweep_in_loop, x, step=_higher, axis=axis, reverse=reverse)
    if x.shape[axis] is None:
        return _maximum_by_doubling(x, axis, reverse)
    return _sweep_unrolled(x, step=_higher, axis=axis, reverse=reverse)


def _route_to_first(maxima: Any, upstream: Any, axis: int, reverse: bool) -> Any:
    """Sum the gradients of each run of equal maxima; the input where the run begins receives it."""
    sweep = _sweep_unrolled if keras.backend.backend() == "torch" else _sweep_in_loop
    sums = sweep(maxima, upstream, step=_collected, axis=axis, reverse=not reverse)
    index = _index(maxima, axis)
    start = ops.shape(maxima)[axis] - 1 if reverse else 0
    begins = ops.logical_or(index == start, maxima != ops.roll(maxima, -1 if reverse else 1, axis))
    return ops.where(begins, sums, ops.zeros_like(sums))


def _route_to_last(x: Any, maxima: Any, upstream: Any, axis: int) -> Any:
    index = _index(x, axis)
    last = ops.max(ops.where(x == maxima, index, -1), axis=axis, keepdims=True)
    return ops.where(index == last, upstream, ops.zeros_like(x))


def _higher(before: Sequence[Any], here: Sequence[Any]) -> Any:
    return ops.maximum(before[0], here[0])


def _collected(before: Sequence[Any], here: Sequence[Any]) -> Any:
    """Gradient here, and what was collected so far if it is for the same maximum: (maximum, gradient) of lines."""
    return here[1] + ops.where(here[0] == before[0], before[1], ops.zeros_like(before[1]))


def _sweep_unrolled(*arrays: Any, step: Step, axis: int, reverse: bool) -> Any:
    """Replace each line of the last array by `step(lines before it, lines at it)`; an operation a line."""
    length, leading, shape = arrays[0].shape[axis], arrays[0].shape[:axis], ops.shape(arrays[0])
    merged = None not in leading and math.prod(leading) <= MERGED
    if merged:
        axis, arrays = 0, tuple(ops.reshape(a, (math.prod(leading) * length, -1)) for a in arrays)
    lines = list(zip(*(ops.split(a, a.shape[axis], axis=axis) for a in arrays), strict=True))
    swept = []
    for start in range(0, len(lines), length):
        group = lines[start : start + length]
        results = itertools.accumulate(
            group[::-1] if reverse else group, lambda before, here: (*here[:-1], step(before, here))
        )
        swept += [result[-1] for result in results][:: -1 if reverse else 1]
    joined = ops.concatenate(swept, axis=axis)
    return ops.reshape(joined, shape) if merged else joined


def _sweep_in_loop(*arrays: Any, step: Step, axis: int, reverse: bool) -> Any:
    """The same as a loop that writes into the last array."""
    *fixed, swept = arrays
    shape = ops.shape(swept)
    length = shape[axis]

    def corner(position: Any) -> list[Any]:
        return [position if dimension == axis else 0 for dimension in range(len(shape))]

    def lines(swept: Any, position: Any) -> list[Any]:
        size = [1 if dimension == axis else extent for dimension, extent in enumerate(shape)]
        return [ops.slice(array, corner(position), size) for array in (*fixed, swept)]

    def turn(i: Any, swept: Any) -> Any:
        here, before = (length - 1 - i, length - i) if reverse else (i, i - 1)
        return ops.slice_update(swept, corner(here), step(lines(swept, before), lines(swept, here)))

    return ops.fori_loop(1, length, turn, swept)


def _maximum_by_doubling(x: Any, axis: int, reverse: bool) -> Any:
    """Maxima over 1, 2, 4, … lines; beyond the end its last line is taken again, which changes no maximum."""
    length = ops.shape(x)[axis]
    positions = ops.arange(length, dtype="int32")

    def double(reach: Any, maxima: Any) -> Any:
        source = ops.minimum(positions + reach, length - 1) if reverse else ops.maximum(positions - reach, 0)
        return reach * 2, ops.maximum(maxima, ops.take(maxima, source, axis=axis))

    return ops.while_loop(lambda reach, _: reach < length, double, (1, x))[1]


def _index(x: Any, axis: int) -> Any:
    """Position along an axis, int32, to be broadcast with `x`."""
    index = ops.arange(ops.shape(x)[axis], dtype="int32")
    return ops.reshape(index, [-1 if dimension == axis else 1 for dimension in range(len(x.shape))])


def compile_with_xla(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a TensorFlow graph, compiled by XLA for each input size where the device has XLA."""
    import tensorflow as tf

    return tf.function(function, jit_compile=_has_compiler(), autograph=False)


@functools.cache
def _has_compiler() -> bool:
    """Whether TensorFlow can compile for its default device; not on Metal, for one."""
    import tensorflow as tf

    with tf.init_scope():
        try:
            tf.function(lambda: tf.zeros(()), jit_compile=True)()
        except tf.errors.OpError:
            return False
    return True
