"""Gradients on any backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np


def pull_back(
    function: Callable[[Any], Any], x: np.ndarray, upstream: np.ndarray, variables: Sequence[Any] = ()
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Result of `function(x)`, and the gradients of `sum(result * upstream)` for `x` and for variables.

    Args:
        function: From one array to one; on JAX it is compiled once a function.
        x: Its input.
        upstream: Array like its result.
        variables: Keras variables that it uses; not on JAX.

    Returns:
        Result, gradient of `x`, gradients of the variables.
    """
    backend = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[keras.backend.backend()]
    y, dx, dv = backend(function, x, upstream, variables)
    value = keras.ops.convert_to_numpy
    return value(y), value(dx), [value(gradient) for gradient in dv]


def _tensorflow(function: Callable[[Any], Any], x: Any, upstream: Any, variables: Sequence[Any]) -> Any:
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    dx, *dv = tape.gradient(y, [x, *(variable.value for variable in variables)], tf.constant(upstream))
    return y, dx, dv


def _jax(function: Callable[[Any], Any], x: Any, upstream: Any, variables: Sequence[Any]) -> Any:
    assert not variables
    return *_compiled(function)(x, upstream), []


@cache
def _compiled(function: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    import jax

    def both(x: Any, upstream: Any) -> Any:
        y, back = jax.vjp(function, x)
        return y, back(upstream)[0]

    return jax.jit(both)


def _torch(function: Callable[[Any], Any], x: Any, upstream: Any, variables: Sequence[Any]) -> Any:
    import torch

    x = torch.tensor(x, requires_grad=True)
    y = function(x)
    dx, *dv = torch.autograd.grad(y, [x, *(variable.value for variable in variables)], torch.tensor(upstream))
    return y, dx, dv
