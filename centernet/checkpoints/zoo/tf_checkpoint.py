"""Reads TensorFlow checkpoints: keys by object path, and tensors."""

from __future__ import annotations

import glob
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from centernet.checkpoints.model_garden import object_graph as model_garden
from centernet.errors import CheckpointError

SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# Entries of training and exported checkpoints that are not part of the model.
BESIDE_THE_MODEL = (
    (re.compile(r"/\.OPTIMIZER_SLOT/"), "optimizer slot"),
    (re.compile(r"^(model/)?_?optimizer/"), "optimizer state"),
    (re.compile(r"^(save_counter|step|global_step)(/|$)"), "counter"),
    (re.compile(rf"^{OBJECT_GRAPH}$"), "object graph"),
)
TRAINING, SAVED_MODEL, MODEL_GARDEN = (
    "TensorFlow training checkpoint",
    "TensorFlow SavedModel variables",
    "Model Garden checkpoint",
)
Shape = tuple[int, ...]


class TensorFlowCheckpoint:
    """One checkpoint of the Detection Zoo or of Model Garden, opened for reading.

    Attributes:
        prefix: Path without `.index` or `.data-...`.
        shapes: Key in the file → shape.
        form: Kind of the checkpoint, in words.
    """

    def __init__(self, prefix: Path) -> None:
        """Open the checkpoint.

        Args:
            prefix: Path without `.index` or `.data-...`.

        Raises:
            CheckpointError: If a file is missing, damaged or no TensorFlow checkpoint.
        """
        self.prefix = prefix
        check_files(prefix)
        import tensorflow as tf

        self._links, opened = _without_patterns(prefix)
        with _reading(prefix):
            self._opened = str(opened)
            self._reader = tf.train.load_checkpoint(self._opened)
            self.shapes: dict[str, Shape] = {
                key: tuple(shape) for key, shape in self._reader.get_variable_to_shape_map().items()
            }
        self.form = TRAINING
        self._children: list[dict[str, int]] = []
        self._keys: list[str | None] = []
        self._translated: dict[str, str] = {}
        self._tensors: dict[str, Any] = {}
        if model_garden.looks_like_model_garden(self.shapes):
            self.form = MODEL_GARDEN
            self._translated = {zoo: key for key, zoo in model_garden.zoo_names(self.shapes).items()}
        elif OBJECT_GRAPH in self.shapes:
            self._read_object_graph()
            if self._children and "_model" in self._children[0]:
                self.form = SAVED_MODEL

    def key(self, path: tuple[str, ...]) -> str | None:
        """The key of a variable, by its path of objects.

        Keys of SavedModels don't tell (`_model/_feature_extractor/variables/17`), so the file's object graph is used if
        there is one.

        Args:
            path: For instance `("model", "_feature_extractor", ..., "kernel")`.

        Returns:
            The key in the file, or None if there is no such variable.
        """
        escaped = "/".join(part.replace(".", "..").replace("/", ".S") for part in path)
        if self._translated:
            return self._translated.get(escaped)
        found = self._walk(path) if self._children else None
        if found is None and f"{escaped}{SUFFIX}" in self.shapes:
            found = f"{escaped}{SUFFIX}"
        return found

    def read_all(self) -> Self:
        """Read all tensors of the model, for `read` to return (once each); returns the checkpoint.

        TensorFlow reads them without holding Python's lock, and variables take them without a copy.
        """
        import tensorflow as tf

        types = self._reader.get_variable_to_dtype_map()
        keys = [key for key in self.shapes if types[key] != tf.string and self.beside_the_model(key) is None]
        with _reading(self.prefix), tf.device("CPU"):
            everything = [""] * len(keys)
            tensors = tf.raw_ops.RestoreV2(
                prefix=self._opened, tensor_names=keys, shape_and_slices=everything, dtypes=[types[key] for key in keys]
            )
        self._tensors = dict(zip(keys, tensors, strict=True))
        return self

    def read(self, key: str) -> Any:
        """The tensor of a key, as an array or TensorFlow tensor; a damaged one is a `CheckpointError`."""
        import keras

        if key in self._tensors:
            tensor = self._tensors.pop(key)
            return tensor if keras.backend.backend() == "tensorflow" else tensor.numpy()
        with _reading(self.prefix):
            return self._reader.get_tensor(key)

    def keypoint_task(self) -> str | None:
        """Name of the checkpoint's keypoint task, or None."""
        pattern = re.compile(r"_prediction_head_dict/([^/]+)\.Skeypoint\.Sheatmap/")
        return next((match[1] for match in map(pattern.search, self.shapes) if match), None)

    def beside_the_model(self, key: str) -> str | None:
        """Why a key is not a variable of the model, or None if it should be one."""
        if self._translated:
            return model_garden.leftover_reason(key)
        return next((why for pattern, why in BESIDE_THE_MODEL if pattern.search(key)), None)

    def _read_object_graph(self) -> None:
        from tensorflow.core.protobuf import trackable_object_graph_pb2

        graph, content = trackable_object_graph_pb2.TrackableObjectGraph(), self.read(OBJECT_GRAPH)
        try:
            graph.ParseFromString(content)
        except Exception as error:  # the type of protobuf's error differs between its implementations
            raise CheckpointError(f"The object graph of {self.prefix} can't be read: {error}.") from error
        self._children = [{child.local_name: child.node_id for child in node.children} for node in graph.nodes]
        self._keys = [
            next((a.checkpoint_key for a in node.attributes if a.name == "VARIABLE_VALUE"), None)
            for node in graph.nodes
        ]

    def _walk(self, path: Iterable[str]) -> str | None:
        node = 0
        for part in path:
            children = self._children[node]
            following = children.get(part, children.get(f"_{part}") if node == 0 else None)
            if following is None or not 0 <= following < len(self._children):
                return None
            node = following
        key = self._keys[node]
        return key if key in self.shapes else None


def _without_patterns(prefix: Path) -> tuple[tempfile.TemporaryDirectory[str] | None, Path]:
    """A prefix without `[`, `*` and `?`, which TensorFlow takes for a pattern: links in a temporary folder."""
    if glob.escape(str(prefix)) == str(prefix):
        return None, prefix
    folder = tempfile.TemporaryDirectory()
    linked = Path(folder.name) / "checkpoint"
    for path in prefix.absolute().parent.iterdir():
        if path.name.startswith(f"{prefix.name}."):
            Path(f"{linked}{path.name.removeprefix(prefix.name)}").symlink_to(path)
    return folder, linked


def check_files(prefix: Path) -> None:
    """Check that a checkpoint's files exist and are not empty.

    Raises:
        CheckpointError: If not; the message names the expected files.
    """
    index = Path(f"{prefix}.index")
    shard = re.compile(re.escape(prefix.name) + r"\.data-\d+-of-(\d+)")
    data = sorted(path for path in prefix.parent.glob("*.data-*") if shard.fullmatch(path.name))
    missing = [name for name, there in ((index.name, index.is_file()), (f"{prefix.name}.data-*", data)) if not there]
    if missing:
        raise CheckpointError(
            f"Expected a TensorFlow checkpoint {prefix} (files {index.name} and {prefix.name}.data-…-of-…). "
            f"Missing in {prefix.parent}: {', '.join(missing)}."
        )
    empty = [file.name for file in (index, *data) if file.stat().st_size == 0]
    total = max(int(file.name.rpartition("-")[2]) for file in data)
    if empty or len(data) != total:
        problem = f"{', '.join(empty)} is empty" if empty else f"{len(data)} of {total} data files are there"
        raise CheckpointError(f"Expected a complete checkpoint {prefix}, but {problem}. Download or copy it again.")


@contextmanager
def _reading(prefix: Path) -> Iterator[None]:
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
        detail: Any = getattr(error, "message", None) or error
        raise CheckpointError(
            f"The checkpoint {prefix} is damaged or truncated, or is no TensorFlow checkpoint: {detail}. "
            "Download or copy it again."
        ) from error
