"""The small published network of Keypoint Triplets, from a file of the authors' form to its detections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from backends import Tolerance, forward
from goldens.compare import nearest_rows
from goldens.decoding import CLASS_STEP, decoding, raw_maps
from goldens.merging import group
from keras import ops
from published_triplets import check_report, image_of_chains, loaded

from centernet.models.triplets.decode import decode_pairs

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with loaded("hg52", tmp_path_factory.mktemp("pytorch")) as detector:
        yield detector


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return image_of_chains()


@pytest.fixture(scope="module")
def maps(published: Any) -> dict[str, list[np.ndarray]]:
    return forward(published, np.ascontiguousarray(np.moveaxis(decoding()["hg52/x"], 1, -1)))


def test_every_tensor_of_the_file_is_taken_but_counters(published: Any) -> None:
    check_report(published, "hg52")


def test_raw_heads_are_those_of_the_reference(
    published: Any, maps: dict[str, list[np.ndarray]], tolerance: Tolerance
) -> None:
    expected = raw_maps()
    assert expected.keys() == maps.keys()
    for name, stacks in maps.items():
        (found,) = stacks
        found = found[..., ::CLASS_STEP] if found.shape[-1] == len(published.class_names) else found
        np.testing.assert_allclose(found, expected[name], atol=tolerance.heads, rtol=0, err_msg=name)


def test_pairs_from_its_own_maps_are_those_of_the_reference(
    published: Any, maps: dict[str, list[np.ndarray]], tolerance: Tolerance
) -> None:
    last = {name: ops.convert_to_tensor(stacks[-1]) for name, stacks in maps.items()}
    boxes, *columns = (ops.convert_to_numpy(field)[0] for field in decode_pairs(last, published.config.decoder)[0])
    found = np.column_stack([boxes, *columns])[columns[0] > -1]
    expected = decoding()["hg52/dets"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(nearest_rows(found, expected), expected, atol=tolerance.heads)


def test_the_preset_s_own_passes_find_what_the_reference_found(published: Any, image: np.ndarray) -> None:
    found = published.detect(image, min_score=0, exact=True)
    expected = group("chains", "hg52_chain_single/")["final"]
    rows = np.column_stack([found.boxes, found.scores, found.class_ids + 1])
    assert rows.shape == expected.shape == (37, 6)
    np.testing.assert_allclose(nearest_rows(rows, expected), expected, atol=1e-3)


def test_without_the_reference_s_accidents_the_best_are_the_same(published: Any, image: np.ndarray) -> None:
    found, exact = (published.detect(image, min_score=0, exact=exact) for exact in (False, True))
    assert found.class_ids[0] == exact.class_ids[0]
    # The mirrored pass is one pixel to the right in the reference.
    np.testing.assert_allclose(found.boxes[0], exact.boxes[0], atol=1.5)
    assert (np.diff(found.scores) <= 0).all()


def test_the_input_is_that_of_the_reference(published: Any, image: np.ndarray) -> None:
    batch, sizes = published.preprocess(image)
    crop = group("chains", "hg52_chain_single/scale1/crop/")
    assert tuple(batch.shape[1:3]) == tuple(crop["inp_size"]) == (255, 383)
    top, _, left, _ = (int(side) for side in crop["border"])
    placed = ops.convert_to_numpy(batch)[0, top : top + len(image), left : left + image.shape[1]]
    preprocessing = published.config.preprocessing
    normalized = (image[..., ::-1] - np.float64(preprocessing.mean)) / preprocessing.std
    np.testing.assert_allclose(placed, normalized, atol=1e-5)
    np.testing.assert_array_equal(sizes, [image.shape[:2]])
