"""Compiling a function with XLA on the TensorFlow backend, for which keras.ops has no name."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import tensorflow as tf


def compile_with_xla(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as a graph, compiled for the sizes that arrive where TensorFlow can compile for the device."""
    return tf.function(function, jit_compile=_has_compiler(), autograph=False)


@functools.cache
def _has_compiler() -> bool:
    """Whether TensorFlow can compile for the device it uses by default; not on Metal, for one."""
    with tf.init_scope():
        try:
            tf.function(lambda: tf.zeros(()), jit_compile=True)()
        except tf.errors.OpError:
            return False
    return True
