"""Batches: what is in them, in which order, and what `fit` makes of them."""

from __future__ import annotations

import dataclasses
import itertools
import logging
import pickle
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from centernet.data.batches.loader import Batches
from centernet.data.dataset import Dataset
from centernet.data.sample import Sample
from centernet.data.synthetic import shapes
from centernet.errors import CenterNetError, SourceError


def numbered(count: int, unreadable: tuple[int, ...] = (), folder: Path = Path("/nowhere")) -> Dataset:
    """Images whose pixels are their number; some are missing files."""
    samples = [
        Sample(
            folder / f"{number}.png" if number in unreadable else np.full((4, 6, 3), number, np.uint8),
            [[0, 0, 3, 2]],
            [0],
            number,
        )
        for number in range(count)
    ]
    return Dataset(tuple(samples), ("thing",), name="numbers")


def ids(batch: dict[str, np.ndarray]) -> list[int]:
    return batch["images"][:, 0, 0, 0].tolist()


def epochs(batches: Batches, count: int) -> list[list[int]]:
    """Images of each epoch, in their order."""
    steps = len(batches)
    return [[i for step in range(steps) for i in ids(batches[epoch * steps + step])] for epoch in range(count)]


def test_an_item_depends_on_the_seed_and_its_number_alone() -> None:
    dataset = numbered(23)
    alone = [ids(batch) for batch in itertools.islice(Batches(dataset, (4, 6), 5, workers=1, seed=3), 12)]
    many = Batches(dataset, (4, 6), 5, workers=4, seed=3)
    assert [ids(many[number]) for number in range(12)] == alone
    for number in (7, 3, 3, 11, 0):
        assert ids(many[number]) == alone[number]
    other = Batches(dataset, (4, 6), 5, seed=4)
    assert [ids(other[number]) for number in range(12)] != alone


def test_every_epoch_has_all_images_in_another_order() -> None:
    found = epochs(Batches(numbered(20), (4, 6), 5), 3)
    assert [sorted(order) for order in found] == [list(range(20))] * 3
    assert found[0] != found[1] != found[2] != found[0] != list(range(20))


def test_batches_resume_at_a_step() -> None:
    batches = Batches(numbered(23), (4, 6), 5)
    later = batches.starting_at(1, 2)
    assert (len(batches), len(later)) == (4, 2)
    assert [ids(later[number]) for number in range(7)] == [ids(batches[number]) for number in range(6, 13)]
    made = Batches(numbered(23), (4, 6), 5, start=(1, 2))
    assert ids(made[0]) == ids(later[0])
    assert ids(pickle.loads(pickle.dumps(later))[4]) == ids(later[4])
    with pytest.raises(CenterNetError, match=r"step of 0–3\). Received: \(0, 4\)"):
        batches.starting_at(0, 4)


@pytest.mark.parametrize("shuffle", [True, False])
def test_hosts_share_every_epoch(shuffle: bool) -> None:
    parts = [
        Batches(numbered(22), (4, 6), 2, shuffle=shuffle, shard=(host, 3), drop_remainder=True) for host in range(3)
    ]
    assert [len(part) for part in parts] == [3, 3, 3]
    for epoch in range(2):
        orders = np.concatenate([part.order(epoch) for part in parts])
        assert sorted(orders.tolist()) == list(range(22))
    seen = [i for part in parts for step in range(3) for i in ids(part[step])]
    assert len(set(seen)) == len(seen) == 18


def test_without_shuffling_there_is_one_pass_in_order_with_a_smaller_last_batch() -> None:
    batches = Batches(numbered(7), (4, 6), 3, shuffle=False)
    assert (batches.num_batches, [ids(batch) for batch in batches]) == (3, [[0, 1, 2], [3, 4, 5], [6]])
    with pytest.raises(IndexError):
        batches[3]
    assert len(Batches(numbered(7), (4, 6), 3, shuffle=False, drop_remainder=True)) == 2


def test_boxes_and_keypoints_lie_where_the_pixels_do() -> None:
    image = np.zeros((90, 150, 3), np.uint8)
    image[20:50, 60:120] = 255
    sample = Sample(image, [[60, 20, 120, 50]], [0], 0, [[[60, 20, 2], [120, 50, 1]]])
    keypoints = shapes(1, keypoints=True).keypoints
    task = dataclasses.replace(keypoints, names=("a", "b"), flip=(), skeleton=(), deviations=())
    dataset = Dataset((sample,), ("thing",), keypoints=task)
    for canvas in ((64, 64), (300, 200), (45, 75)):
        batch = Batches(dataset, canvas, 1, shuffle=False, sampling="half_pixel")[0]
        bright = batch["images"][0, ..., 0] > 127
        rows, columns = (np.flatnonzero(bright.any(axis=axis)) for axis in (1, 0))
        edges = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        np.testing.assert_allclose(batch["boxes"][0, 0], edges, atol=0.6)
        np.testing.assert_allclose(batch["keypoints"][0, 0, :, :2].ravel(), batch["boxes"][0, 0])
        assert batch["keypoints"][0, 0, :, 2].tolist() == [2, 1]
        height, width = batch["sizes"][0]
        assert height == canvas[0] or width == canvas[1]
        assert height / width == pytest.approx(90 / 150, rel=0.02)
        assert not batch["images"][0, height:].any()
        assert not batch["images"][0, :, width:].any()


def test_a_batch_has_arrays_of_the_agreed_types() -> None:
    dataset = shapes(12, (40, 50), keypoints=True, max_objects=7)
    batches = Batches(dataset, (32, 48), 4)
    most = max(len(sample.boxes) for sample in dataset)
    expected = {
        "images": ((4, 32, 48, 3), np.uint8),
        "sizes": ((4, 2), np.int32),
        "boxes": ((4, most, 4), np.float32),
        "class_ids": ((4, most), np.int32),
        "ignore": ((4, most), bool),
        "keypoints": ((4, most, 5, 3), np.float32),
    }
    for number in range(4):
        assert {name: (array.shape, array.dtype) for name, array in batches[number].items()} == expected
    assert "keypoints" not in Batches(shapes(4, (40, 50)), (32, 48), 4)[0]


def test_samples_without_keypoints_in_a_dataset_with_them_have_none_labeled() -> None:
    dataset = shapes(1, (40, 50), keypoints=True)
    bare = Sample(np.zeros((40, 50, 3), np.uint8), [[0, 0, 9, 9]], [0], 1)
    mixed = dataclasses.replace(dataset, samples=(*dataset.samples, bare))
    assert not Batches(mixed, (32, 32), 2, shuffle=False)[0]["keypoints"][1].any()


def test_more_objects_than_there_is_room_for_are_said(caplog: pytest.LogCaptureFixture) -> None:
    crowded = Sample(np.zeros((40, 40, 3), np.uint8), [[0, 0, i, i] for i in range(1, 6)], range(5), "crowded")
    dataset = Dataset((*numbered(2), crowded), ("thing",) * 5)
    with caplog.at_level(logging.INFO, "centernet"):
        assert Batches(dataset, (4, 4), 1).max_objects == 5
    assert "room for 5 objects" in caplog.text
    batches = Batches(dataset, (4, 4), 3, max_objects=2, shuffle=False)
    assert "1 images have more than 2 objects" in caplog.text
    assert "The maximum is 5, in crowded" in caplog.text
    assert batches[0]["class_ids"].tolist() == [[0, -1], [0, -1], [3, 4]]


def test_unreadable_images_are_replaced_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    missing = (2, 3, 11)
    found = []
    for workers in (1, 4):
        caplog.clear()
        batches = Batches(numbered(12, missing), (4, 6), 4, workers=workers)
        found.append(epochs(batches, 3))
        said = [record.message for record in caplog.records]
        assert len(said) == 3
        assert all(any(f"/nowhere/{number}.png" in message for message in said) for number in missing)
        assert sorted(batches.unreadable) == sorted(missing)
    assert found[0] == found[1]
    clean = epochs(Batches(numbered(12), (4, 6), 4), 3)
    for order, whole in zip(found[0], clean, strict=True):
        assert [i for i, j in zip(order, whole, strict=True) if j not in missing] == [
            j for j in whole if j not in missing
        ]
        assert not set(order) & set(missing)


def test_images_that_can_all_not_be_read_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"no image")
    dataset = numbered(3, (0, 1, 2), tmp_path)
    with pytest.raises(SourceError, match=r"None of the 3 images of numbers can be read.*0\.png: no such file"):
        Batches(dataset, (4, 6), 2)[0]


@pytest.mark.parametrize(
    ("count", "arguments", "said"),
    [
        (3, {"batch_size": 4}, "at least 4 images in numbers, one batch. Received: 3. Lower the batch_size"),
        (7, {"batch_size": 4, "shard": (1, 2)}, "at least 4 images on each of 2 hosts"),
        (0, {"shuffle": False}, "Received: 0. Check it with `centernet check`"),
        (3, {"batch_size": 0}, "batch_size and workers of at least 1"),
        (3, {"workers": 0}, "batch_size and workers of at least 1"),
        (3, {"shard": (2, 2)}, "a shard as"),
        (3, {"sampling": "area"}, "sampling of"),
        (3, {"max_objects": 0}, "max_objects of at least 1"),
        (3, {"start": (-1, 0)}, "a start as"),
    ],
)
def test_arguments_out_of_range_are_refused(count: int, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(CenterNetError, match=said):
        Batches(numbered(count), (4, 6), **{"batch_size": 1} | arguments)


class Witness(keras.Model):
    """Remembers which images it was trained on, in a weight."""

    def __init__(self, steps: int, batch: int) -> None:
        super().__init__()
        self.scale = self.add_weight(shape=(), initializer="ones")
        self.seen = self.add_weight(shape=(steps, batch), initializer="zeros", trainable=False)
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, batch: dict[str, Any]) -> Any:
        found = ops.cast(batch["images"][:, 0, 0, 0], "float32")
        row = ops.cast(ops.arange(self.seen.shape[0]) == ops.cast(self.count, "int32"), "float32")
        self.seen.assign(self.seen + row[:, None] * found)
        self.count.assign(self.count + 1)
        return self.scale * ops.mean(batch["boxes"]) + ops.mean(found)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
        return y_pred


def test_fit_sees_every_epoch_in_its_own_order_and_resumes_in_the_middle() -> None:
    batches = Batches(numbered(14), (4, 6), 3)
    expected = [ids(batches[number]) for number in range(12)]
    model = Witness(12, 3)
    model.compile("sgd")
    model.fit(batches, epochs=3, steps_per_epoch=len(batches), verbose=0)
    assert ops.convert_to_numpy(model.seen).astype(int).tolist() == expected

    model = Witness(7, 3)
    model.compile("sgd")
    rest = batches.starting_at(1, 1)
    model.fit(rest, epochs=1, steps_per_epoch=len(rest), verbose=0)
    model.fit(batches.starting_at(2), epochs=1, steps_per_epoch=len(batches), verbose=0)
    assert ops.convert_to_numpy(model.seen).astype(int).tolist() == expected[5:]


def test_fit_validates_on_one_pass() -> None:
    model = Witness(20, 2)
    model.compile("sgd")
    train = Batches(numbered(4), (4, 6), 2)
    history = model.fit(
        train,
        validation_data=Batches(numbered(5), (4, 6), 2, shuffle=False, drop_remainder=True),
        epochs=2,
        steps_per_epoch=len(train),
        verbose=0,
    )
    assert len(history.history["val_loss"]) == 2
    assert ops.convert_to_numpy(model.seen)[2:4].astype(int).tolist() == [[0, 1], [2, 3]]


def test_fit_that_is_not_told_where_an_epoch_ends_is_said(caplog: pytest.LogCaptureFixture) -> None:
    batches = Batches(numbered(4), (4, 6), 2)
    for _ in range(60):
        batches.on_epoch_begin()
        for number in range(2):
            batches[2 * (batches._epochs_begun - 1) + number]
    assert "steps_per_epoch" not in caplog.text
    batches = Batches(numbered(4), (4, 6), 2)
    batches.on_epoch_begin()
    for number in range(150):
        batches[number]
    assert caplog.text.count("steps_per_epoch=len(batches)") == 1
