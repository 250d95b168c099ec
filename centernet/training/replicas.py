"""Training on several devices with `tf.distribute`: each has a replica of the network and a part of the batch.

(`keras.distribution` on JAX needs none of this: there, a batch is one array, however it is distributed.)
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
from keras import ops

from centernet.errors import ConfigError
from centernet.training.settings import TrainingSettings

SEED_STEP = 1_000_003  # between the seeds of replicas


def strategy_of(model: keras.Model) -> Any:
    """The `tf.distribute` strategy that a model was built under, if it has several replicas; else None."""
    strategy = getattr(model, "_distribute_strategy", None)
    return strategy if strategy is not None and strategy.num_replicas_in_sync > 1 else None


def scope_of(model: keras.Model) -> AbstractContextManager[Any]:
    """The scope in which to create variables that belong to a model."""
    strategy = strategy_of(model)
    return strategy.scope() if strategy else nullcontext()


def check_scope(model: keras.Model) -> None:
    """Check that a model was built under the current strategy.

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
    """Check that the replicas of a strategy, if any, support the settings.

    Raises:
        ConfigError: If gradients are accumulated, or the batch can't be divided evenly.
    """
    if strategy is None:
        return
    replicas, batch_size, accumulate = strategy.num_replicas_in_sync, settings.batch_size, settings.accumulate
    if accumulate > 1:
        raise ConfigError(
            "Expected accumulate=1 under tf.distribute, where Keras does not support accumulation. Received: "
            f"accumulate={accumulate}. Take batch_size={accumulate * batch_size} instead."
        )
    if batch_size % replicas:
        raise ConfigError(
            f"Expected a batch_size that {replicas} replicas can share evenly. Received: batch_size={batch_size}"
        )


def writes_files(model: keras.Model) -> bool:
    """Whether this process writes the files of the training: the only one, or the first of several."""
    strategy = strategy_of(model)
    resolver = strategy.cluster_resolver if strategy else None
    if resolver is None or resolver.task_type in (None, "", "chief"):
        return True
    return resolver.task_id == 0 and "chief" not in resolver.cluster_spec().as_dict()


def sum_over_replicas(value: Any) -> Any:
    """The sum of a value over all replicas (a `centernet.ops.losses.DeviceSum`)."""
    context = _replica_context()
    return value if context is None else context.all_reduce("SUM", value)


def replica_seed(seeds: keras.random.SeedGenerator) -> Any:
    """The seed of this replica: the generator itself, or, with several replicas, a pair of numbers of its own."""
    context = _replica_context()
    if context is None:
        return seeds
    seed, step = ops.unstack(ops.cast(seeds.next(), "int64"), 2)
    return ops.stack([seed + ops.cast(context.replica_id_in_sync_group, "int64") * SEED_STEP, step])


def replica_share(loss: Any) -> Any:
    """The share of one replica in a loss that is the same in all of them."""
    context = _replica_context()
    return loss if context is None else loss / context.num_replicas_in_sync


def is_multi_process() -> bool:
    """Whether there are replicas in several processes; called within a replica."""
    context = _replica_context()
    return context is not None and context.strategy.extended._in_multi_worker_mode()


def _replica_context() -> Any:
    """TensorFlow's context of the current replica if there are several, else None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None
