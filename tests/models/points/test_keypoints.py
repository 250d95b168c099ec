"""Keypoints: candidates, regressed positions and the choice between them, as the reference makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from goldens.reference import unit
from keras import ops

from centernet.models.points.decode import decode_keypoints
from centernet.models.settings import PointDecoderSettings
from centernet.ops.peaks import Peaks

CANDIDATES = 15
TYPES = 4


def logits(probabilities: np.ndarray) -> np.ndarray:
    """What a sigmoid makes these probabilities of."""
    clipped = np.clip(probabilities.astype(np.float64), 1e-12, None)
    return np.log(clipped / (1 - clipped)).astype(np.float32)


def peaks_at(rows: np.ndarray, columns: np.ndarray) -> Peaks:
    fields = (np.ones(rows.shape, np.float32), rows, columns, np.zeros_like(rows))
    return Peaks(*map(ops.convert_to_tensor, fields))


def decode(
    boxes: np.ndarray | None = None,
    maps: dict[str, np.ndarray] | None = None,
    centers: Peaks | None = None,
    *,
    exact: bool = False,
    **settings: Any,
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints as the reference orders them: `y x` in cells, and scores."""
    inputs = {
        "keypoint_heatmap": logits(unit("keypoints/input/heatmap")),
        "keypoint_regression": unit("keypoints/input/regression"),
        "keypoint_offset": unit("keypoints/input/offset_per_keypoint"),
    }
    tensors = {name: ops.convert_to_tensor(value) for name, value in (inputs | (maps or {})).items()}
    boxes = unit("keypoints/input/boxes")[..., [1, 0, 3, 2]] if boxes is None else boxes
    found = decode_keypoints(
        tensors,
        centers or peaks_at(unit("keypoints/input/y"), unit("keypoints/input/x")),
        ops.convert_to_tensor(boxes),
        PointDecoderSettings(**{"candidates": CANDIDATES, **settings}),
        exact=exact,
    )
    positions, scores = map(ops.convert_to_numpy, found)
    return positions[..., ::-1], scores


@pytest.mark.parametrize(
    ("rules", "exact", "era"),
    [
        ("2021-07", False, ""),
        ("2021-07", True, ""),
        ("2021-02", True, "published_2021_02"),
        ("2020-07", False, "published_2020_07"),
        ("2020-07", True, "published_2020_07_on_tf215"),
    ],
)
def test_keypoints_are_those_of_the_reference(rules: str, exact: bool, era: str) -> None:
    positions, scores = decode(rules=rules, exact=exact)
    group = "keypoints/refine_min_distance"
    np.testing.assert_allclose(positions, unit(f"{group}/keypoints", era), atol=1e-5)
    np.testing.assert_allclose(scores, unit(f"{group}/scores", era), atol=1e-6)


def test_the_accident_of_newer_runtimes_shows_in_the_reference() -> None:
    group = "keypoints/refine_min_distance/keypoints"
    assert np.abs(unit(group, "published_2020_07_on_tf215") - unit(group)).max() > 1


def test_without_candidates_keypoints_stay_where_their_center_puts_them() -> None:
    positions, scores = decode(candidate_min_score=1.0, unmatched_score=0.25)
    np.testing.assert_allclose(positions, unit("keypoints/regressed/keypoints"), atol=1e-5)
    np.testing.assert_array_equal(scores, np.full(scores.shape, np.float32(0.25)))


@pytest.mark.parametrize(("offsets", "group"), [("per_keypoint", "perkp"), ("shared", "shared")])
def test_candidates_are_those_of_the_reference(offsets: str, group: str) -> None:
    """Every candidate is found by a center that regresses exactly to it, in a box that holds everything."""
    expected = unit(f"keypoints/candidates_{group}/candidates")  # (1, m, n, 2)
    expected_scores = unit(f"keypoints/candidates_{group}/scores")
    rows, columns = np.arange(CANDIDATES, dtype=np.int32)[None], np.ones((1, CANDIDATES), np.int32)
    regression = np.zeros_like(unit("keypoints/input/regression"))
    index = np.stack([rows, columns], -1)[:, :, None]
    regression[0, rows[0], columns[0]] = (expected - index).reshape(CANDIDATES, 2 * TYPES)
    positions, scores = decode(
        np.full((1, CANDIDATES, 4), [-999, -999, 999, 999], np.float32),
        {"keypoint_regression": regression, "keypoint_offset": unit(f"keypoints/input/offset_{offsets}")},
        peaks_at(rows, columns),
        candidate_min_score=0.0,
    )
    np.testing.assert_allclose(positions, expected, atol=1e-5)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-6)
    valid = (scores >= PointDecoderSettings().candidate_min_score).sum(axis=1)
    np.testing.assert_array_equal(valid, unit(f"keypoints/candidates_{group}/num_valid"))


def one_candidate(at: tuple[int, int], score: float, side: int = 20) -> dict[str, np.ndarray]:
    """Maps with a single peak, and a center at (10, 10) that regresses to itself."""
    heatmap = np.full((1, side, side, 1), -20, np.float32)
    heatmap[0, *at, 0] = np.log(score / (1 - score))
    zeros = np.zeros((1, side, side, 2), np.float32)
    return {"keypoint_heatmap": heatmap, "keypoint_regression": zeros, "keypoint_offset": zeros}


@pytest.mark.parametrize(
    ("at", "score", "box", "matched"),
    [
        ((11, 11), 0.5, (5, 5, 15, 15), True),
        ((11, 11), 0.05, (5, 5, 15, 15), False),  # scores too little
        ((11, 14), 0.5, (5, 5, 15, 15), False),  # farther than 0.3 of the side of the enlarged box (3.6)
        ((11, 13), 0.5, (5, 5, 15, 15), True),
        ((12, 10), 0.5, (0, 8, 20, 11), False),  # below the enlarged box, whose end is 11.3
        ((12, 10), 0.5, (0, 8, 20, 12), True),
    ],
)
def test_a_candidate_must_score_be_near_and_lie_in_the_enlarged_box(
    at: tuple[int, int], score: float, box: tuple[float, ...], matched: bool
) -> None:
    center = peaks_at(np.int32([[10]]), np.int32([[10]]))
    positions, scores = decode(np.float32([[box]]), one_candidate(at, score), center, candidates=3)
    np.testing.assert_allclose(positions[0, 0, 0], at if matched else (10, 10), atol=1e-5)
    assert scores[0, 0, 0] == pytest.approx(score if matched else 0.1, abs=1e-6)


def test_images_of_a_batch_have_their_own_candidates() -> None:
    first, second = one_candidate((11, 11), 0.5), one_candidate((9, 10), 0.75)
    both = {name: np.concatenate([first[name], second[name]]) for name in first}
    centers = peaks_at(np.int32([[10], [10]]), np.int32([[10], [10]]))
    positions, scores = decode(np.full((2, 1, 4), [5, 5, 15, 15], np.float32), both, centers, candidates=3)
    np.testing.assert_allclose(positions[:, 0, 0], [(11, 11), (9, 10)], atol=1e-5)
    np.testing.assert_allclose(scores[:, 0, 0], [0.5, 0.75], atol=1e-6)
