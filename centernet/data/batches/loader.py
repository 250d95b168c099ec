"""Batches of a dataset, read ahead in threads, for Keras's `fit`."""

from __future__ import annotations

import copy
import logging
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from centernet.data.batches.canvas_reader import CanvasReader, Placed
from centernet.data.batches.fitting import SAMPLINGS
from centernet.data.batches.padding import fit_objects, pad_objects
from centernet.data.dataset_base import DatasetBase
from centernet.errors import ConfigError

logger = logging.getLogger("centernet")
AHEAD = 2  # batches that are being read while one is used
MOST_WORKERS = 8  # by default
PATIENCE = 100  # batches, besides an epoch's, after which `fit` probably wasn't told where an epoch ends
_OWN = ("_lock", "_pool", "_reading", "_orders")  # what a copy doesn't share


@dataclass(frozen=True)
class _Reading:
    """A batch that is being read."""

    images: np.ndarray
    rows: list[Future[Placed]]


class Batches(keras.utils.PyDataset):
    """Batches of a dataset's images, each fitted to a canvas and padded at the bottom and right.

    Item `i` is a dict of arrays that depends on the seed and `i` alone, whatever was asked for before:

    - `images`: uint8 RGB `(batch, *canvas, 3)`, zero beyond the image.
    - `sizes`: height and width of the image on the canvas, int32 `(batch, 2)`.
    - `boxes`: `x0 y0 x1 y1` in pixels of the canvas, float32 `(batch, n, 4)`, zero where there is none.
    - `class_ids`: int32 `(batch, n)`, -1 where there is none.
    - `ignore`: bool `(batch, n)`.
    - `keypoints`, if the dataset has them: `x y visibility`, float32 `(batch, n, k, 3)`.

    With `shuffle`, items go on without end, each epoch in another order, and Keras has to be told where one ends:

        batches = Batches(dataset, (512, 512), 16)
        model.fit(batches, steps_per_epoch=len(batches), epochs=30)

    So neither what Keras reads ahead of an epoch's end nor its own shuffling changes what is trained on. Without
    `shuffle` there are `len(batches)` items, in the order of the dataset.

    An image that can't be read is named once in the log, and another one of the same epoch takes its place.

    Attributes:
        dataset: The dataset.
        canvas: Height and width of the canvas in pixels.
        batch_size: Images of a batch.
        max_objects: Objects that an image has room for.
        start: Epoch of item 0, and its step in it.
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
        """Make batches; nothing is read yet.

        Args:
            dataset: Images with their objects.
            canvas: Height and width that images are fitted to.
            batch_size: Images of a batch, on this host.
            shuffle: Whether each epoch has an order of its own, and items go on without end.
            seed: Of the order.
            sampling: How images are resized: what the detector's `Preprocessing.sampling` says, so that it sees in
                training what it sees in `detect`.
            max_objects: Objects that an image has room for; of more, the largest are kept, and the log says so. None
                for the most that an image of the dataset has.
            workers: Threads that read images; None for one a core, at most 8.
            shard: Number of this host, from 0, and of hosts: each reads another part of every epoch.
            drop_remainder: Whether the last images of an epoch are left out where they are too few for a batch (then
                epochs are equally long on all hosts); None for what `shuffle` is.
            start: Epoch to begin with, and the step in it.

        Raises:
            ConfigError: If there are fewer images than a batch has, or an argument is out of range.
        """
        # Keras's own workers stay at one: with more, it loses a batch whenever `fit` builds a model.
        super().__init__(workers=1)
        self.dataset, self.canvas, self.batch_size, self.start = dataset, canvas, batch_size, start
        self._reader = CanvasReader(dataset, sampling)
        self._shuffle, self._seed, self._sampling, self._shard = shuffle, seed, sampling, shard
        self._drop_remainder = shuffle if drop_remainder is None else drop_remainder
        self._threads = min(os.cpu_count() or 1, MOST_WORKERS) if workers is None else workers
        self._check()
        self.max_objects = self._room(max_objects)
        self._epochs_begun = 0
        self.__setstate__({})

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what is being read."""
        return {name: value for name, value in self.__dict__.items() if name not in _OWN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a state over, with nothing being read yet."""
        self.__dict__.update(state)
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="centernet-batches")
        self._reading: dict[int, _Reading] = {}
        self._orders: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        """Batches from the start to the end of that epoch."""
        return self._steps - self.start[1]

    def on_epoch_begin(self) -> None:
        """Keras says that an epoch begins."""
        self._epochs_begun += 1

    @property
    def num_batches(self) -> int | None:
        """What Keras takes for the number of batches: None where they go on without end."""
        return None if self._shuffle else len(self)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """A batch; the next ones are read meanwhile.

        Args:
            index: Number of the batch, from the start on.

        Raises:
            IndexError: If there is no such batch.
            SourceError: If no image of the dataset can be read.
        """
        last = self.num_batches
        if index < 0 or (last is not None and index >= last):
            raise IndexError(f"Expected the number of one of {last or 'endless'} batches, from 0. Received: {index}")
        end = index + 1 + AHEAD
        wanted = range(index, end if last is None else min(end, last))
        with self._lock:
            for other in self._reading.keys() - set(wanted):
                for row in self._reading.pop(other).rows:
                    row.cancel()
            for number in wanted:
                if number not in self._reading:
                    self._reading[number] = self._read(number)
            reading = self._reading.pop(index)
        if self._epochs_begun and index == self._steps * self._epochs_begun + PATIENCE:
            logger.warning(
                "%s: fit read all images more than once in an epoch. Was that meant? Batches go on without end, "
                "and fit has to be told where an epoch ends: steps_per_epoch=len(batches).",
                self.dataset.name,
            )
        wait(reading.rows)  # for all of them at once: being woken by each costs a twentieth of the time
        rows = [row.result() for row in reading.rows]
        sizes = np.array([row.fitted for row in rows], np.int32)
        return {"images": reading.images, "sizes": sizes, **self._objects(rows)}

    @property
    def unreadable(self) -> dict[int, str]:
        """Number of a sample in the dataset → why it can't be read, of those that were tried."""
        return self._reader.unreadable

    def starting_at(self, epoch: int, step: int = 0) -> Batches:
        """The same batches from another position on.

        Args:
            epoch: Epoch of the first, from 0.
            step: Batches of that epoch that are left out.

        Raises:
            ConfigError: If an epoch has no such step.
        """
        other = copy.copy(self)
        other.start, other._epochs_begun = (epoch, step), 0
        other._check()
        return other

    def order(self, epoch: int) -> np.ndarray:
        """Numbers of the samples of an epoch on this host, in the order in which they come.

        Args:
            epoch: Epoch, from 0.
        """
        number, hosts = self._shard
        if not self._shuffle:
            return np.arange(number, len(self.dataset), hosts)
        return np.random.default_rng((self._seed, epoch)).permutation(len(self.dataset))[number::hosts]

    @property
    def _steps(self) -> int:
        """Batches of an epoch."""
        number, hosts = self._shard
        if self._drop_remainder:
            return len(self.dataset) // hosts // self.batch_size
        return -(-len(range(number, len(self.dataset), hosts)) // self.batch_size)

    def _check(self) -> None:
        """Check the numbers."""
        (number, hosts), (epoch, step), images = self._shard, self.start, len(self.dataset)
        if min(self.batch_size, self._threads, *self.canvas) < 1 or not 0 <= number < hosts or self._seed < 0:
            raise ConfigError(
                "Expected a canvas, batch_size and workers of at least 1, a seed of at least 0, and a shard as (number "
                f"from 0, count). Received: {self.canvas}, {self.batch_size}, {self._threads}, {self._seed}, "
                f"{self._shard}"
            )
        if self._sampling not in SAMPLINGS:
            raise ConfigError(f"Expected a sampling of {SAMPLINGS}. Received: sampling={self._sampling!r}")
        if not self._steps:
            what = f"{self.batch_size} images on each of {hosts} hosts" if hosts > 1 else f"{self.batch_size} images"
            raise ConfigError(
                f"Expected at least {what} in {self.dataset.name}, one batch. Received: {images}. "
                + ("Lower the batch_size." if images else "Look at it with `centernet check`.")
            )
        if epoch < 0 or not 0 <= step < self._steps:
            raise ConfigError(
                f"Expected a start as (epoch from 0, step of 0–{self._steps - 1}). Received: {self.start}"
            )

    def _room(self, max_objects: int | None) -> int:
        """Objects that an image has room for."""
        counts = [len(sample.boxes) for sample in self.dataset]
        most = max(counts)
        if max_objects is None:
            logger.info("%s: room for %d objects an image, the most that one has.", self.dataset.name, most)
            return max(most, 1)
        if max_objects < 1:
            raise ConfigError(f"Expected max_objects of at least 1. Received: {max_objects}")
        if most > max_objects:
            logger.warning(
                "%s: %d images have more than %d objects, of which the largest are kept; the most, %d, has %s.",
                self.dataset.name, sum(count > max_objects for count in counts), max_objects, most,
                self.dataset[counts.index(most)].name,
            )  # fmt: skip
        return max_objects

    def _read(self, index: int) -> _Reading:
        """Begin to read a batch."""
        epochs, step = divmod(self.start[1] + index, self._steps)
        epoch = self.start[0] + epochs
        if epoch not in self._orders:
            self._orders = {epoch: self.order(epoch)}
        order = self._orders[epoch]
        places = range(len(order))[step * self.batch_size :][: self.batch_size]
        images = np.zeros((len(places), *self.canvas, 3), np.uint8)
        rows = [self._pool.submit(self._reader.read, image, order, p) for image, p in zip(images, places, strict=True)]
        return _Reading(images, rows)

    def _objects(self, rows: list[Placed]) -> dict[str, np.ndarray]:
        """The objects of a batch."""
        fitted = [fit_objects(self.dataset[row.index], row.factor, self.max_objects) for row in rows]
        names = ["boxes", "class_ids", "ignore"]
        if (task := self.dataset.keypoints) is not None:
            names.append("keypoints")
            for objects in fitted:
                objects.setdefault("keypoints", np.zeros((len(objects["boxes"]), len(task.names), 3), np.float32))
        return pad_objects(self.max_objects, **{name: [objects[name] for objects in fitted] for name in names})
