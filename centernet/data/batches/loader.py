"""Batches of a dataset for Keras's `fit`, read ahead in threads."""

from __future__ import annotations

import copy
import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import keras
import numpy as np

from centernet.data.batches.fitting import SAMPLINGS, CanvasReader, Placed, fit_objects, pad_objects
from centernet.data.dataset_base import DatasetBase
from centernet.errors import ConfigError

logger = logging.getLogger("centernet")
READ_AHEAD = 2  # batches read while one is used
MAX_WORKERS = 8  # by default
PATIENCE = 100  # batches beyond an epoch after which `steps_per_epoch` was probably forgotten
_NOT_COPIED = ("_lock", "_pool", "_pending", "_orders")
_Pending = tuple[np.ndarray, list[Future[Placed]]]  # images of a batch, and the reading of each


class Batches(keras.utils.PyDataset):
    """Batches of a dataset's images, each fitted to a canvas and padded at the bottom and right.

    Item `i` is a dict of arrays that depends on nothing but the seed and `i`:

    - `images`: uint8 RGB `(batch, *canvas, 3)`, zero beyond the image.
    - `sizes`: height and width of the image on the canvas, int32 `(batch, 2)`.
    - `boxes`: `x0 y0 x1 y1` in pixels of the canvas, float32 `(batch, n, 4)`, padded with zeros.
    - `class_ids`: int32 `(batch, n)`, padded with -1.
    - `ignore`: bool `(batch, n)`.
    - `keypoints`, if the dataset has them: `x y visibility`, float32 `(batch, n, k, 3)`.

    With `shuffle`, items never end and each epoch has its own order; Keras needs the length of an epoch:

        batches = Batches(dataset, (512, 512), 16)
        model.fit(batches, steps_per_epoch=len(batches), epochs=30)

    So neither Keras's reading ahead nor its shuffling changes what is trained on. Without `shuffle` there are
    `len(batches)` items, in the order of the dataset.

    An image that can't be read is logged once and replaced by another one of the same epoch.
    """

    def __init__(
        self,
        dataset: DatasetBase,
        canvas: tuple[int, int],
        batch_size: int,
        *,
        shuffle: bool = True,
        seed: int = 0,
        sampling: str = "legacy",
        max_objects: int | None = None,
        workers: int | None = None,
        shard: tuple[int, int] = (0, 1),
        drop_remainder: bool | None = None,
        start: tuple[int, int] = (0, 0),
    ) -> None:
        """Check the arguments; nothing is read yet.

        Args:
            dataset: Images with their objects.
            canvas: Height and width in pixels that images are fitted to.
            batch_size: Images per batch on this host.
            shuffle: Give each epoch its own order, without end.
            seed: Seed of the order.
            sampling: The detector's `Preprocessing.sampling`, so that training and `detect` see the same pixels.
            max_objects: Maximum number of objects per image; the largest are kept. None: the maximum in the dataset.
            workers: Threads that read images; None: one per core, at most 8.
            shard: Index of this host and number of hosts; each reads a different part of every epoch.
            drop_remainder: Drop the last images of an epoch if they don't fill a batch, so that epochs have the same
                length on all hosts. None: the value of `shuffle`.
            start: Epoch and step of item 0.

        Raises:
            ConfigError: If there are fewer images than a batch needs, or an argument is out of range.
        """
        # One worker of Keras: with more, it loses a batch whenever `fit` builds a model.
        super().__init__(workers=1)
        self.dataset, self.canvas, self.batch_size, self.start = dataset, canvas, batch_size, start
        self._reader = CanvasReader(dataset, sampling)
        self._shuffle, self._seed, self._sampling, self._shard = shuffle, seed, sampling, shard
        self._drop_remainder = shuffle if drop_remainder is None else drop_remainder
        self._threads = min(os.cpu_count() or 1, MAX_WORKERS) if workers is None else workers
        self._check()
        self.max_objects = self._max_objects(max_objects)
        self._epochs_begun = 0
        self.__setstate__({})

    def __repr__(self) -> str:
        fields = (f"{name}={getattr(self, name)}" for name in ("batch_size", "canvas", "max_objects", "start"))
        return f"Batches({self.dataset.name!r}, {self._steps} per epoch, {', '.join(fields)}, shuffle={self._shuffle})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in _NOT_COPIED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="centernet-batches")
        self._pending: dict[int, _Pending] = {}
        self._orders: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self._steps - self.start[1]

    def on_epoch_begin(self) -> None:
        """Count epochs; called by Keras."""
        self._epochs_begun += 1

    @property
    def num_batches(self) -> int | None:
        """Number of batches for Keras; None if they never end."""
        return None if self._shuffle else len(self)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """A batch by its index from the start; the next ones are read meanwhile.

        Raises:
            IndexError: If there is no such batch.
            SourceError: If no image of the dataset can be read.
        """
        wanted = range(index, index + 1 + READ_AHEAD)
        if self.num_batches is not None:
            wanted = range(index, min(wanted.stop, self.num_batches))
        if index < 0 or not wanted:
            raise IndexError(f"Expected the index of one of {self.num_batches or 'endless'} batches. Received: {index}")
        images, rows = self._start_reading(wanted)
        if self._epochs_begun and index == self._steps * self._epochs_begun + PATIENCE:
            logger.warning(
                "%s: fit read all images more than once in an epoch. Batches never end, so pass "
                "steps_per_epoch=len(batches) to fit, unless this is intended.",
                self.dataset.name,
            )
        wait(rows)  # all at once: waiting for one after the other costs a twentieth of the time
        placed = [row.result() for row in rows]
        sizes = np.array([one.fitted for one in placed], np.int32)
        return {"images": images, "sizes": sizes, **self._objects(placed)}

    @property
    def unreadable(self) -> dict[int, str]:
        """Index of an image in the dataset → why it can't be read, for those tried so far."""
        return self._reader.unreadable

    def starting_at(self, epoch: int, step: int = 0) -> Batches:
        """The same batches from another position on.

        Args:
            epoch: Epoch of the first batch, from 0.
            step: Number of batches of that epoch to leave out.

        Raises:
            ConfigError: If an epoch has no such step.
        """
        batches = copy.copy(self)
        batches.start, batches._epochs_begun = (epoch, step), 0
        batches._check()
        return batches

    def order(self, epoch: int) -> np.ndarray:
        """Indices of the images of an epoch (from 0) on this host, in their order."""
        host, hosts = self._shard
        if not self._shuffle:
            return np.arange(host, len(self.dataset), hosts)
        return np.random.default_rng((self._seed, epoch)).permutation(len(self.dataset))[host::hosts]

    @property
    def _steps(self) -> int:
        """Batches per epoch."""
        host, hosts = self._shard
        if self._drop_remainder:
            return len(self.dataset) // hosts // self.batch_size
        return -(-len(range(host, len(self.dataset), hosts)) // self.batch_size)

    def _check(self) -> None:
        """Check the ranges of the arguments."""
        (host, hosts), (epoch, step), images = self._shard, self.start, len(self.dataset)
        if min(self.batch_size, self._threads, *self.canvas) < 1 or not 0 <= host < hosts or self._seed < 0:
            raise ConfigError(
                "Expected a canvas, batch_size and workers of at least 1, a seed of at least 0, and a shard as (index "
                f"from 0, count). Received: {self.canvas}, {self.batch_size}, {self._threads}, {self._seed}, "
                f"{self._shard}"
            )
        if self._sampling not in SAMPLINGS:
            raise ConfigError(f"Expected a sampling of {SAMPLINGS}. Received: sampling={self._sampling!r}")
        if not self._steps:
            needed = f"{self.batch_size} images" + (f" on each of {hosts} hosts" if hosts > 1 else "")
            advice = "Lower the batch_size." if images else "Check it with `centernet check`."
            raise ConfigError(
                f"Expected at least {needed} in {self.dataset.name}, one batch. Received: {images}. {advice}"
            )
        if epoch < 0 or not 0 <= step < self._steps:
            raise ConfigError(
                f"Expected a start as (epoch from 0, step of 0–{self._steps - 1}). Received: {self.start}"
            )

    def _max_objects(self, max_objects: int | None) -> int:
        """Maximum number of objects per image, by default that of the dataset."""
        counts = [len(sample.boxes) for sample in self.dataset]
        most = max(counts)
        if max_objects is None:
            logger.info("%s: room for %d objects per image, the maximum in the dataset.", self.dataset.name, most)
            return max(most, 1)
        if max_objects < 1:
            raise ConfigError(f"Expected max_objects of at least 1. Received: {max_objects}")
        if most > max_objects:
            logger.warning(
                "%s: %d images have more than %d objects; the largest objects are kept. The maximum is %d, in %s.",
                self.dataset.name, sum(count > max_objects for count in counts), max_objects, most,
                self.dataset[counts.index(most)].name,
            )  # fmt: skip
        return max_objects

    def _start_reading(self, wanted: range) -> _Pending:
        """Start to read some batches, cancel all others, and return the first."""
        with self._lock:
            for number in self._pending.keys() - set(wanted):
                for row in self._pending.pop(number)[1]:
                    row.cancel()
            for number in wanted:
                if number not in self._pending:
                    self._pending[number] = self._read(number)
            return self._pending.pop(wanted[0])

    def _read(self, index: int) -> _Pending:
        """Start to read a batch."""
        epochs, step = divmod(self.start[1] + index, self._steps)
        epoch = self.start[0] + epochs
        if epoch not in self._orders:
            self._orders = {epoch: self.order(epoch)}
        order = self._orders[epoch]
        places = range(len(order))[step * self.batch_size :][: self.batch_size]
        images = np.zeros((len(places), *self.canvas, 3), np.uint8)
        read = self._reader.read
        return images, [self._pool.submit(read, *row, order) for row in zip(images, places, strict=True)]

    def _objects(self, placed: list[Placed]) -> dict[str, np.ndarray]:
        """The objects of a batch."""
        fitted = [fit_objects(self.dataset[one.sample_index], one.factor, self.max_objects) for one in placed]
        names = ["boxes", "class_ids", "ignore"]
        if (task := self.dataset.keypoints) is not None:
            names.append("keypoints")
            for objects in fitted:
                objects.setdefault("keypoints", np.zeros((len(objects["boxes"]), len(task.names), 3), np.float32))
        return pad_objects(self.max_objects, **{name: [objects[name] for objects in fitted] for name in names})
