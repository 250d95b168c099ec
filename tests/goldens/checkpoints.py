"""Writes stand-in checkpoints in both forms in which the zoo's models were published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from goldens.reference import manifests
from goldens.seeded import seeded_tensor

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def write_training(model: str, prefix: Path, extra: Mapping[str, np.ndarray] | None = None) -> Path:
    """A training checkpoint as published: `model/...`, a counter, for some an ImageNet classifier.

    Args:
        model: Published name.
        prefix: Path without `.index`.
        extra: Further tensors, which the object graph doesn't have.

    Returns:
        The prefix.
    """
    manifest = manifests()[model]
    shapes = {**manifest["training"], **manifest["published_extra"]}
    tensors = {name: make(name, shape) for name, shape in shapes.items()}
    return write(prefix, tensors | dict(extra or {}), {name: name for name in tensors})


def write_saved_model(model: str, folder: Path) -> Path:
    """The variables of an exported SavedModel: numbered keys, only the object graph says which is which.

    Args:
        model: Published name.
        folder: Where `variables/variables.index` goes.

    Returns:
        The folder.
    """
    manifest = manifests()[model]
    shapes = {**manifest["training"], **manifest["published_extra"]}
    origins = manifest["saved_model_published"] or manifest["saved_model"]
    tensors = {key: make(origin, shapes[origin]) for key, origin in origins.items()}
    write(folder / "variables" / "variables", tensors, {f"_{origin}": key for key, origin in origins.items()})
    return folder


def make(name: str, shape: list[int]) -> np.ndarray:
    return seeded_tensor(name, tuple(shape), "int64" if name == "save_counter" else "float32")


def write(prefix: Path, tensors: Mapping[str, np.ndarray], objects: Mapping[str, str]) -> Path:
    """Write a TensorFlow checkpoint.

    Args:
        prefix: Path without `.index`.
        tensors: Key, without its ending, → tensor.
        objects: Path of each variable's object → its key.

    Returns:
        The prefix.
    """
    import tensorflow as tf

    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tf.device("CPU"):
        contents = {f"{key}{SUFFIX}": tf.constant(value) for key, value in tensors.items()}
        contents[GRAPH] = tf.constant(object_graph(objects))
        keys = sorted(contents)
        tf.raw_ops.SaveV2(
            prefix=str(prefix),
            tensor_names=keys,
            shape_and_slices=[""] * len(keys),
            tensors=[contents[key] for key in keys],
        )
    return prefix


def object_graph(objects: Mapping[str, str]) -> bytes:
    """A serialized object graph in which each path of objects leads to a key."""
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    graph = TrackableObjectGraph()
    graph.nodes.add()
    numbers = {"": 0}
    for path, key in objects.items():
        above = ""
        for part in path.split("/"):
            here = f"{above}/{part}"
            if here not in numbers:
                numbers[here] = len(graph.nodes)
                graph.nodes.add()
                child = graph.nodes[numbers[above]].children.add()
                child.node_id, child.local_name = numbers[here], part.replace(".S", "/")
            above = here
        attribute = graph.nodes[numbers[above]].attributes.add()
        attribute.name, attribute.full_name = "VARIABLE_VALUE", path
        attribute.checkpoint_key = f"{key}{SUFFIX}"
    return graph.SerializeToString()
