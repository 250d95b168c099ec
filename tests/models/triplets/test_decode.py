"""Decoding: the reference's pairs and centers from its own head maps, and what meets in a central region."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from backends import Tolerance
from goldens.decoding import NETWORKS, decoding, last_maps
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.errors import ConfigError
from centernet.models.settings import TripletDecoderSettings
from centernet.models.triplets.decode import Centers, Pairs, decode_pairs, join_centers
from centernet.models.triplets.geometry import central_regions
from centernet.models.triplets.heads import BRANCHES, head_channels

FEW = TripletDecoderSettings(max_detections=6, keypoints=4, max_pairs=12)


def run(maps: dict[str, np.ndarray], decoder: TripletDecoderSettings, **options: bool) -> tuple[Pairs, Centers]:
    tensors = {name: ops.convert_to_tensor(value) for name, value in maps.items()}
    pairs, centers = decode_pairs(tensors, decoder, **options)
    return Pairs(*map(ops.convert_to_numpy, pairs)), Centers(*map(ops.convert_to_numpy, centers))


def join(pairs: Pairs, centers: Centers, decoder: TripletDecoderSettings) -> list[np.ndarray]:
    tensors = Pairs(*map(ops.convert_to_tensor, pairs)), Centers(*map(ops.convert_to_tensor, centers))
    return [ops.convert_to_numpy(value) for value in join_centers(*tensors, decoder)]


def pair_rows(pairs: Pairs, image: int = 0) -> np.ndarray:
    """Valid pairs as the reference's rows: box, score, scores of the corners, class."""
    boxes, *columns = (field[image] for field in pairs)
    return np.column_stack([boxes, *columns])[columns[0] > -1]


def matched(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """For each expected row the nearest one found; each must be taken once (scores nearly tie, so ranks may swap)."""
    nearest = np.abs(found[:, None] - expected).max(axis=-1).argmin(axis=0)
    assert sorted(nearest) == list(range(len(found)))
    return found[nearest]


@pytest.mark.parametrize("network", NETWORKS)
def test_pairs_are_those_of_the_reference(network: str, tolerance: Tolerance) -> None:
    pairs, _ = run(last_maps(network), TripletDecoderSettings())
    found, expected = pair_rows(pairs), decoding()[f"{network}/dets"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(matched(found, expected), expected, atol=tolerance.score)
    np.testing.assert_allclose(found[:, 4], expected[:, 4], atol=tolerance.score)
    assert pairs.boxes.shape == (1, 1000, 4)


@pytest.mark.parametrize("network", NETWORKS)
def test_centers_are_those_of_the_reference(network: str, tolerance: Tolerance) -> None:
    _, centers = run(last_maps(network), TripletDecoderSettings())
    found = np.column_stack([centers.points[0], centers.class_ids[0], centers.scores[0]])
    expected = decoding()[f"{network}/center"]
    np.testing.assert_allclose(matched(found, expected), expected, atol=tolerance.score)
    assert (np.diff(centers.scores[0]) <= 0).all()


def test_a_batch_is_decoded_image_by_image() -> None:
    first, second = (last_maps(network) for network in NETWORKS)
    together, _ = run({name: np.concatenate([first[name], second[name]]) for name in first}, TripletDecoderSettings())
    for image, maps in enumerate((first, second)):
        alone, _ = run(maps, TripletDecoderSettings())
        np.testing.assert_allclose(pair_rows(together, image), pair_rows(alone), atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
def test_fewer_pairs_are_the_best_of_more(network: str) -> None:
    many, _ = run(last_maps(network), TripletDecoderSettings())
    few, _ = run(last_maps(network), dataclasses.replace(TripletDecoderSettings(), max_pairs=100))
    for one, all_of_them in zip(few, many, strict=True):
        np.testing.assert_array_equal(one, all_of_them[:, :100])


def blank(value: float = -20.0, size: tuple[int, int] = (6, 8), classes: int = 2) -> dict[str, np.ndarray]:
    names = {name: count for branch in BRANCHES for name, count in head_channels(branch, classes).items()}
    return {name: np.full((1, *size, n), value if name in BRANCHES else 0, np.float32) for name, n in names.items()}


def with_corners(**changed: Any) -> dict[str, np.ndarray]:
    """Two corners of class 1 that belong together, and their center, unless something is changed."""
    maps = blank()
    place = {"start": (1, 1), "end": (4, 5), "class_id": 1, "offset": (0.25, 0.5), "tags": (0.1, 0.4)} | changed
    (y0, x0), (y1, x1), tags = place["start"], place["end"], place["tags"]
    for branch, (y, x), tag in (("top_left", (y0, x0), tags[0]), ("bottom_right", (y1, x1), tags[1])):
        maps[branch][0, y, x, place["class_id"] if branch == "top_left" else 1] = 2
        maps[f"{branch}_embedding"][0, y, x] = tag
    maps["top_left_offset"][0, y0, x0] = place["offset"]
    return maps


def test_two_corners_that_belong_together_are_a_pair() -> None:
    rows = pair_rows(run(with_corners(), FEW)[0])
    score = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(rows[0], [1.25, 1.5, 5, 4, score, score, score, 1], atol=1e-6)
    assert (rows[1:, 4] < 0.5 + 1e-6).all()


@pytest.mark.parametrize(
    "changed",
    [
        {"class_id": 0},
        {"tags": (0.1, 0.7)},
        {"start": (5, 1)},
        {"start": (1, 6)},
        {"start": (4, 5), "offset": (0.01, 0.0)},
        {"start": (4, 5), "offset": (0.0, 0.01)},
    ],
    ids=str,
)
def test_corners_that_don_t_belong_together_are_none(changed: dict[str, Any]) -> None:
    pairs, _ = run(with_corners(**changed), FEW)
    assert pairs.scores.max() < 0.6  # at most one of the two corners is in any pair


def test_embeddings_that_differ_by_the_threshold_are_alike() -> None:
    exactly = dataclasses.replace(FEW, embedding_threshold=0.25)
    assert run(with_corners(tags=(0.25, 0.5)), exactly)[0].scores.max() > 0.8
    assert run(with_corners(tags=(0.25, 0.5)), dataclasses.replace(FEW, embedding_threshold=0.24))[0].scores.max() < 0.6


def test_corners_at_one_place_are_a_pair() -> None:
    rows = pair_rows(run(with_corners(start=(4, 5), offset=(0, 0)), FEW)[0])
    np.testing.assert_allclose(rows[0, :4], [5, 4, 5, 4])


def test_maps_without_pairs_give_no_detections() -> None:
    maps = blank()
    maps["top_left_embedding"][:] = 5
    pairs, centers = run(maps, FEW)
    assert (pairs.scores == -1).all()
    _, scores, _ = join(pairs, centers, FEW)
    assert scores.shape == (1, FEW.max_detections)
    assert (scores == 0).all()


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_position_of_probability_0_is_a_keypoint_in_exact_only(branch: str) -> None:
    maps = with_corners()
    maps["center"][0, 3, 3, 1] = 2
    maps[branch][:] = -200
    for exact in (False, True):
        pairs, centers = run(maps, FEW, exact=exact)
        empty = pairs.scores if branch != "center" else centers.class_ids
        assert (empty >= 0).any() == exact
    assert join(*run(maps, FEW), FEW)[1].max() == 0


@pytest.mark.parametrize("name", [*BRANCHES, "top_left_embedding", "top_left_offset", "center_offset"])
def test_maps_that_are_no_numbers_give_no_detections_that_look_right(name: str) -> None:
    maps = with_corners()
    maps[name][:] = np.nan
    boxes, scores, _ = join(*run(maps, FEW), FEW)
    found = scores > 0
    assert not np.isfinite(boxes[found]).any() or not found.any()


def test_more_keypoints_than_cells_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"keypoints=49 and maps of 6×8 cells"):
        run(blank(), TripletDecoderSettings(keypoints=49))
    run(blank(), TripletDecoderSettings(keypoints=48))


coordinate = st.integers(0, 40).map(lambda value: value / 2)
pair = st.tuples(
    coordinate, coordinate, coordinate, coordinate, st.sampled_from([-1.0, 0.2, 0.4, 0.5]), st.integers(0, 1)
)
center = st.tuples(coordinate, coordinate, st.sampled_from([0.0, 0.3, 0.6]), st.integers(0, 1))


def plain_join(pairs: list[Any], centers: list[Any], large_area: float) -> list[float]:
    """Scores of the triplets, in the order of the pairs; 0 where there is none."""
    scores = []
    for x0, y0, x1, y1, score, class_id in pairs:
        n = 5 if (x1 - x0) * (y1 - y0) > large_area else 3
        best = None
        for x, y, center_score, center_class in centers:
            # Equation 1 of the paper.
            left, right = ((n + 1) * x0 + (n - 1) * x1) / (2 * n), ((n - 1) * x0 + (n + 1) * x1) / (2 * n)
            top, bottom = ((n + 1) * y0 + (n - 1) * y1) / (2 * n), ((n - 1) * y0 + (n + 1) * y1) / (2 * n)
            # Halves are far enough from thirds and fifths for float32 to agree, unless they are equal.
            inside = left + 1e-4 < x < right - 1e-4 and top + 1e-4 < y < bottom - 1e-4
            if inside and center_class == class_id:
                best = max(center_score, best if best is not None else -1)
        scores.append((2 * score + best) / 3 if best is not None and score >= 0 else 0.0)
    return scores


@settings(max_examples=60, deadline=None)
@given(st.lists(pair, min_size=5, max_size=5), st.lists(center, min_size=3, max_size=3))
def test_a_pair_takes_the_best_center_of_its_class_in_its_central_region(pairs: list[Any], centers: list[Any]) -> None:
    rows = np.float32([sorted_box(row) for row in pairs])[None]
    points = np.float32(centers)[None]
    tuples = Pairs(rows[..., :4], rows[..., 4], rows[..., 4], rows[..., 4], rows[..., 5].astype(np.int32))
    middles = Centers(points[..., :2], points[..., 2], points[..., 3].astype(np.int32))
    decoder = TripletDecoderSettings(max_detections=5, keypoints=3, max_pairs=5, large_area=90.0)
    expected = plain_join(rows[0].tolist(), centers, 90.0)
    boxes, scores, class_ids = join(tuples, middles, decoder)
    np.testing.assert_allclose(scores[0], sorted(expected, reverse=True), atol=1e-6)
    of_score = {round(float(value), 4): [] for value in expected}
    for row, value in zip(rows[0], expected, strict=True):
        of_score[round(float(value), 4)].append([*row[:4], row[5]])
    for box, score, class_id in zip(boxes[0], scores[0], class_ids[0], strict=True):
        assert [*box, class_id] in of_score[round(float(score), 4)]


def sorted_box(row: tuple[float, ...]) -> list[float]:
    (x0, x1), (y0, y1) = sorted(row[0:4:2]), sorted(row[1:4:2])
    return [x0, y0, x1, y1, *row[4:]]


def test_central_regions_of_tensors_are_those_of_arrays() -> None:
    boxes = np.float32([[0, 0, 150, 150], [0, 0, 150, 150.01], [3, 5, 10, 9], [7, 7, 7, 7], [10, 20, 500, 300]])
    found = ops.convert_to_numpy(central_regions(ops.convert_to_tensor(boxes), 22500.0, ops))
    np.testing.assert_allclose(found, central_regions(boxes, 22500.0, np), rtol=1e-6)


@pytest.mark.parametrize(
    "options",
    [{"keypoints": 5, "max_pairs": 26}, {"max_detections": 13, "max_pairs": 12}, {"keypoints": 0}, {"max_pairs": 1.5}],
)
def test_counts_that_can_t_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"Received"):
        TripletDecoderSettings(**options)
