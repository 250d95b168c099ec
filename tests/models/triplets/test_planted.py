"""Objects planted into head maps come out of the detector as they came out of the reference's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
from goldens.compare import nearest_rows
from goldens.merging import group, image_size
from keras import ops
from small_triplets import small_triplets

from centernet.inference import compiled as inference
from centernet.models.settings import TripletDecoderSettings
from centernet.models.test_time import TestTime
from centernet.models.triplets.heads import BRANCHES, head_channels
from centernet.ops.preprocessing import Preprocessing

CHAIN = "synth_chain_single"
CLASSES = 80
CANVAS, GRID, BORDER = (511, 767), (128, 192), (15, 63)  # of an image of 480×640; height, width or top, left
RATIO = np.array(GRID) / CANVAS
BACKGROUND = -9.0  # below the probability of everything planted
# What the reference's maps had besides: in place of a missing center one of another class; one of the right class
# beside the central region (x y, class, probability); a center so near to a better one that it is no peak; in the
# mirrored pass less probability, and embeddings of the two corners that differ.
OTHER_CLASS = (1, 0.9)
BESIDE = (115.0, 255.0, 41, 0.93)
HIDDEN = 4
ALONE = (0, 15, 33, 41)  # classes whose objects don't overlap
MIRRORED_CHANCE, MIRRORED_EMBEDDING = -0.01, 0.3


def planted() -> np.ndarray:
    """x0 y0 x1 y1, class, probability of the top-left corner, bottom-right corner and center (-1: none), embedding."""
    return group("chains", f"{CHAIN}/")["planted"]


def keypoints(mirrored: bool) -> Iterator[tuple[str, float, float, int, float, float]]:
    """Branch, x and y in the image, class, probability and embedding of all that is in the maps of a pass."""
    width = CANVAS[1] - 1 - 2 * BORDER[1]  # the mirror is the canvas's
    apart = MIRRORED_EMBEDDING if mirrored else 0.0
    for number, (x0, y0, x1, y1, kind, top_left, bottom_right, center, embedding) in enumerate(planted()):
        if mirrored:
            x0, x1 = width - x1, width - x0
        yield "top_left", x0, y0, int(kind), top_left, embedding + apart
        yield "bottom_right", x1, y1, int(kind), bottom_right, embedding
        if number != HIDDEN:
            middle = (x0 + x1) / 2, (y0 + y1) / 2
            yield "center", *middle, *((int(kind), center) if center >= 0 else OTHER_CLASS), 0.0
    x, y, kind, chance = BESIDE
    yield "center", width - x if mirrored else x, y, kind, chance, 0.0


def maps(mirrored: bool) -> dict[str, np.ndarray]:
    """Head maps of one pass in which all is planted; the mirrored pass sees the canvas mirrored."""
    found = {}
    for branch in BRANCHES:
        for name, channels in head_channels(branch, CLASSES).items():
            found[name] = np.full((*GRID, channels), BACKGROUND if name == branch else 0, np.float32)
    for branch, x, y, kind, chance, embedding in keypoints(mirrored):
        position = (np.array([y, x]) + BORDER) * RATIO
        cell = tuple(np.floor(position).astype(int))
        chance += MIRRORED_CHANCE if mirrored else 0
        found[branch][(*cell, kind)] = np.log(chance / (1 - chance))
        found[f"{branch}_offset"][cell] = (position - cell)[::-1]
        if branch != "center":
            found[f"{branch}_embedding"][cell] = embedding
    return found


@pytest.fixture(scope="module")
def detector() -> Any:
    """A detector that sees images as the published ones do, on 80 classes."""
    preprocessing = Preprocessing((511, 511), fit="original", sampling="half_pixel")
    decoder = TripletDecoderSettings()
    return small_triplets(CLASSES, preprocessing=preprocessing, image_size=None, decoder=decoder, lively=False)


@pytest.fixture
def gifted(detector: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The detector with a network that sees what is planted, whatever the image."""
    both = [maps(False), maps(True)]

    def forward(batch: Any) -> dict[str, list[Any]]:
        assert tuple(batch.shape) == (2, *CANVAS, 3)
        return {name: [ops.convert_to_tensor(np.stack([one[name] for one in both]))] for name in both[0]}

    def compile_with_network(network: Any, step: Callable[..., Any], *options: Any, frozen: bool) -> Callable[..., Any]:
        return lambda *arguments: step(forward, *map(ops.convert_to_tensor, arguments))

    monkeypatch.setattr(inference, "compile_with_network", compile_with_network)
    detector.refresh()
    yield detector
    detector.refresh()


def blank() -> np.ndarray:
    return np.zeros((*image_size(CHAIN), 3), np.uint8)


def check_planted(boxes: np.ndarray, scores: np.ndarray, class_ids: np.ndarray) -> None:
    """Every planted object with a center is there with its box and class; and its score, if it is alone."""
    for *box, class_id, top_left, bottom_right, center, _ in planted():
        near = (np.abs(boxes - box).max(axis=1) < 0.01) & (class_ids == class_id) & (scores > 0)
        assert near.any() == (center >= 0)
        if near.any() and class_id in ALONE:
            np.testing.assert_allclose(scores[near].max(), (top_left + bottom_right + center) / 3, atol=1e-5)


def test_decode_finds_what_was_planted(detector: Any) -> None:
    stacks = {name: [ops.convert_to_tensor(value[None])] for name, value in maps(False).items()}
    found = keras.tree.map_structure(
        lambda value: ops.convert_to_numpy(value)[0], detector.decode(stacks, np.int32([image_size(CHAIN)]))
    )
    check_planted(found["boxes"], found["scores"], found["class_ids"])


def test_passes_find_what_was_planted(gifted: Any) -> None:
    found = gifted.detect(blank(), min_score=0, test_time=TestTime(flip=True))
    check_planted(found.boxes, found.scores, found.class_ids)


def test_exact_passes_find_all_that_the_reference_found(gifted: Any) -> None:
    found = gifted.detect(blank(), min_score=0, test_time=TestTime(flip=True), exact=True)
    rows = np.column_stack([found.boxes, found.scores, found.class_ids + 1])
    expected = group("chains", f"{CHAIN}/")["final"]
    np.testing.assert_allclose(nearest_rows(rows, expected), expected, atol=1e-3)
