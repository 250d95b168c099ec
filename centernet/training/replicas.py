"""Several devices that share a batch by `tf.distribute`: a replica of the network on each.

(`keras.distribution` on JAX, in one process, needs none of this: there a batch is one array, wherever its parts are.)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import keras
from keras import ops

from centernet.errors import ConfigError
from centernet.training.settings import TrainingSettings

REPLICA = 1_000_003  # between the seeds of replicas


def strategy_of(model: keras.Model) -> Any:
    """The `tf.distribute` strategy of more than one replica that a model was built under, or None."""
    strategy = getattr(model, "_distribute_strategy", None)
    return strategy if strategy is not None and strategy.num_replicas_in_sync > 1 else None


def scope_of(model: keras.Model) -> AbstractContextManager[Any]:
    """Where variables are made that belong to a model."""
    strategy = strategy_of(model)
    return strategy.scope() if strategy else nullcontext()


def check_scope(model: keras.Model) -> None:
    """Check that a model was built under the strategy that is in force.

    Raises:
        ConfigError: If it was built outside: its variables are on one device.
    """
    if keras.backend.backend() != "tensorflow" or getattr(model, "_distribute_strategy", None) is not None:
        return
    import tensorflow as tf

    if tf.distribute.has_strategy():
        strategy = type(tf.distribute.get_strategy()).__name__
        raise ConfigError(
            f"Expected a detector that was loaded within the scope of the {strategy} "
            "that it is trained under. Received: one from outside. Move centernet.load into the `with` block."
        )


def check_replicas(settings: TrainingSettings, strategy: Any) -> None:
    """Check that the replicas of a strategy, if there is one, can be trained as the settings say.

    Raises:
        ConfigError: If they can't.
    """
    if strategy is None:
        return
    replicas, batch_size, accumulate = strategy.num_replicas_in_sync, settings.batch_size, settings.accumulate
    if accumulate > 1:
        raise ConfigError(
            "Expected accumulate=1 under tf.distribute, where Keras can't do otherwise. Received: "
            f"accumulate={accumulate}. Take batch_size={accumulate * batch_size} instead."
        )
    if batch_size % replicas:
        raise ConfigError(
            f"Expected a batch_size that {replicas} replicas can share evenly. Received: batch_size={batch_size}"
        )


def writes(model: keras.Model) -> bool:
    """Whether this process writes the files of a training: the only one, or the first of several."""
    strategy = strategy_of(model)
    resolver = strategy.cluster_resolver if strategy else None
    if resolver is None or resolver.task_type in (None, "", "chief"):
        return True
    return resolver.task_id == 0 and "chief" not in resolver.cluster_spec().as_dict()


def total(value: Any) -> Any:
    """Sum over all replicas of what each has of its part of a batch; the value itself where there is only one."""
    context = _replica()
    return value if context is None else context.all_reduce("SUM", value)


def own_seed(seeds: keras.random.SeedGenerator) -> Any:
    """What a replica draws from: the generator, or where there are several, a pair that no other replica has."""
    context = _replica()
    if context is None:
        return seeds
    seed, step = ops.unstack(ops.cast(seeds.next(), "int64"), 2)
    return ops.stack([seed + ops.cast(context.replica_id_in_sync_group, "int64") * REPLICA, step])


def own_part(loss: Any) -> Any:
    """The part of a replica in a loss that all have alike."""
    context = _replica()
    return loss if context is None else loss / context.num_replicas_in_sync


def is_among_processes() -> bool:
    """Whether this is computed in a replica of which others are in other processes."""
    context = _replica()
    return context is not None and context.strategy.extended._in_multi_worker_mode()


def _replica() -> Any:
    """Where TensorFlow computes one of several replicas, or None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


@contextmanager
def joint_statistics(detector: Any) -> Iterator[None]:
    """Within it, batch normalization takes the statistics of the whole batch, not of a replica's part of it."""
    layers = [layer for layer in detector._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    own = [layer.synchronized for layer in layers]
    try:
        for layer in layers:
            layer.synchronized = layer.synchronized or strategy_of(detector) is not None
        yield
    finally:
        for layer, before in zip(layers, own, strict=True):
            layer.synchronized = before
