"""Merging passes: the reference's chains bit for bit, and objects that come back from any set of passes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from goldens.merging import CHAINS, arrays, group, image_size, scales
from hypothesis import given, settings
from hypothesis import strategies as st

from centernet.errors import ConfigError
from centernet.models.settings import TripletDecoderSettings
from centernet.models.triplets.geometry import central_regions, fit_canvas
from centernet.models.triplets.passes import Pass, join_centers, merge, to_image, unmirror
from centernet.ops.nms import SuppressionSettings, soft_nms, soft_nms_exact
from centernet.ops.preprocessing import Preprocessing

LARGE = TripletDecoderSettings().large_area
ORIGINAL = Preprocessing((511, 511), fit="original")
# x0 y0 x1 y1, score of each keypoint, class; none overlaps another, one is large
OBJECTS = np.float32(
    [
        [10, 12, 60, 70, 0.9, 0.8, 0.7, 3],
        [100, 20, 330, 180, 0.5, 0.7, 0.6, 0],
        [70.5, 90.25, 95, 130, 0.4, 0.4, 0.8, 3],
        [0, 150, 40, 200, 0.3, 0.6, 0.9, 79],
    ]
)
SIZE = (200, 380)


def passes_of(chain: str) -> list[Pass]:
    """The reference's decoded passes: for each scale the upright one and the mirrored one."""
    passes = []
    for scale in scales(chain):
        decoded = group("chains", f"{chain}/scale{scale}/decoded/")
        canvas = fit_canvas(ORIGINAL, image_size(chain), scale)
        passes += [Pass(canvas, decoded["dets"][i], decoded["center"][i], bool(i)) for i in (0, 1)]
    return passes


def suppression_of(chain: str) -> SuppressionSettings:
    return SuppressionSettings(voting_exponent=10.0 if chain.endswith("multi") else None)


def joined(chain: str) -> np.ndarray:
    found = [to_image(one, exact=True) for one in passes_of(chain)]
    centers = [centers for (_, centers), one in zip(found, passes_of(chain), strict=True) if one.canvas.scale == 1]
    return join_centers(np.concatenate([pairs for pairs, _ in found]), np.concatenate(centers), LARGE, exact=True)


def stacked(found: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    pairs, centers = zip(*found, strict=True)
    return {"dets": np.concatenate(pairs)[None], "center": np.concatenate(centers)[None]}


def cells(objects: np.ndarray, scale: float, mirrored: bool) -> Pass:
    """What a perfect decoder finds of objects in one pass."""
    canvas = fit_canvas(ORIGINAL, SIZE, scale)
    border, ratio = np.tile(canvas.border[::-1], 2), np.tile(canvas.frame.ratio, 2)
    boxes = (objects[:, :4] * scale + border).astype(np.float64)
    if mirrored:
        boxes[:, [0, 2]] = canvas.size[1] - 1 - boxes[:, [2, 0]]
    boxes *= ratio
    scores = objects[:, 4:7]
    pairs = np.column_stack([boxes, scores[:, :2].mean(axis=1), scores[:, :2], objects[:, 7]])
    centers = np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, objects[:, 7], scores[:, 2]])
    return Pass(canvas, np.float32(pairs), np.float32(centers), mirrored)


@pytest.mark.parametrize("chain", CHAINS)
def test_every_pass_comes_back_to_the_image_as_in_the_reference(chain: str) -> None:
    passes = passes_of(chain)
    for number, scale in enumerate(scales(chain)):
        both, name = passes[2 * number : 2 * number + 2], f"{chain}/scale{scale}/"
        upright = [unmirror(one, exact=True) for one in both]
        stages = {"flipped_back/dets": np.stack([one.pairs for one in upright])}
        stages["flipped_back/center"] = np.stack([one.centers for one in upright])
        unscaled = [one._replace(canvas=dataclasses.replace(one.canvas, factor=(1.0, 1.0))) for one in both]
        rescaled = stacked([to_image(one, exact=True) for one in unscaled])
        stages |= {f"rescaled_{'dets' if key == 'dets' else 'center'}/{key}": value for key, value in rescaled.items()}
        original = stacked([to_image(one, exact=True) for one in both])
        stages |= {f"original_scale/{key}": value for key, value in original.items()}
        for stage, value in stages.items():
            np.testing.assert_array_equal(value, arrays("chains")[name + stage], err_msg=name + stage)


@pytest.mark.parametrize("chain", CHAINS)
def test_pairs_find_the_centers_that_the_reference_finds(chain: str) -> None:
    """Rows of one score may be in another order: the reference's depends on the processor."""
    found, expected = joined(chain), arrays("chains")[f"{chain}/kept/detections"]
    np.testing.assert_array_equal(found[:, 4], expected[:, 4])
    by_value = (rows[np.lexsort([*rows.T[::-1], -rows[:, 4]])] for rows in (found, expected))
    np.testing.assert_array_equal(*by_value)


def test_central_regions_are_those_of_the_reference() -> None:
    unit = group("canvas", "region/")
    np.testing.assert_array_equal(central_regions(unit["boxes"], LARGE, np), unit["ltrb"])


@pytest.mark.parametrize("chain", CHAINS)
def test_suppressed_rows_are_those_of_the_reference(chain: str) -> None:
    stages = group("chains", f"{chain}/class")
    for number in {name.split("/")[0] for name in stages}:
        before, after = stages[f"{number}/before_nms/boxes"], stages[f"{number}/after_nms/boxes"]
        found = soft_nms_exact(before[:, :4], before[:, 4], suppression_of(chain), before[:, 5:])
        np.testing.assert_array_equal(np.column_stack([found.boxes, found.scores, before[:, 5:]]), after)
        assert found.fresh == stages[f"{number}/after_nms/n_kept"]


@pytest.mark.parametrize("chain", CHAINS)
def test_what_is_left_of_the_kept_pairs_is_the_references_result(chain: str) -> None:
    kept, final = (arrays("chains")[f"{chain}/{name}"] for name in ("kept/detections", "final"))
    options = {"corner_scores": kept[:, 5:7], "max_detections": 100, "exact": True}
    left = soft_nms(kept[:, :4], kept[:, 4], kept[:, 7], suppression_of(chain), **options)
    np.testing.assert_array_equal(np.column_stack([left.boxes, left.scores, kept[left.rows, 7] + 1]), final)


@pytest.mark.parametrize("chain", CHAINS)
def test_exact_chains_are_the_references_from_decoder_to_result(chain: str) -> None:
    if not np.array_equal(joined(chain), arrays("chains")[f"{chain}/kept/detections"]):
        pytest.skip("NumPy sorts equal scores otherwise on this processor than on the reference's")
    found = merge(passes_of(chain), None, suppression_of(chain), exact=True)
    rows = np.column_stack([found.boxes, found.scores, found.class_ids + 1])
    np.testing.assert_array_equal(rows, arrays("chains")[f"{chain}/final"])


def test_planted_objects_are_found_with_their_boxes_classes_and_scores() -> None:
    planted = arrays("chains")["synth_chain_single/planted"]
    found = merge(passes_of("synth_chain_single"))
    for *box, class_id, top_left, bottom_right, center, _ in planted:
        # Some are planted into others, so that their score decays.
        near = (np.abs(found.boxes - box).max(axis=1) < 0.01) & (found.class_ids == class_id)
        assert near.any() == (center >= 0)
        if class_id in (0, 15, 33) and near.any():
            np.testing.assert_allclose(found.scores[near].max(), (top_left + bottom_right + center) / 3, atol=1e-6)


def test_by_default_nothing_is_stale_and_mirrored_boxes_lie_on_the_upright_ones() -> None:
    passes = passes_of("synth_chain_single")
    upright, mirrored = merge(passes[:1]), merge(passes[1:])
    # After the ten single objects come pairs of corners of different objects, which the mirror changes.
    np.testing.assert_array_equal(upright.class_ids[:10], mirrored.class_ids[:10])
    np.testing.assert_allclose(upright.boxes[:10], mirrored.boxes[:10], atol=1e-3)
    both, exact = merge(passes), merge(passes, exact=True)
    assert len(both.scores) < len(exact.scores)
    rows = np.column_stack([both.boxes, both.scores, both.class_ids])
    assert len(np.unique(rows, axis=0)) == len(rows)


def test_the_exact_mirror_is_one_pixel_of_the_input_to_the_right() -> None:
    one = cells(OBJECTS, 1, mirrored=True)
    shift = to_image(one, exact=True)[0][:, :4] - to_image(one)[0][:, :4]
    np.testing.assert_allclose(shift, np.tile([1, 0], (4, 2)), atol=1e-3)


def test_one_pass_gives_the_decoders_own_triplets() -> None:
    found = merge([cells(OBJECTS, 1, mirrored=False)])
    order = np.argsort(-OBJECTS[:, 4:7].mean(axis=1))
    np.testing.assert_allclose(found.boxes, OBJECTS[order, :4], atol=1e-3)
    np.testing.assert_allclose(found.scores, OBJECTS[order, 4:7].mean(axis=1), atol=1e-6)
    np.testing.assert_array_equal(found.class_ids, OBJECTS[order, 7])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.6, 1.2, 1.5, 1.8]), st.booleans()), max_size=4, unique=True),
    st.sampled_from(["gaussian", "linear", "hard"]),
    st.sampled_from([None, 10.0]),
    st.randoms(use_true_random=False),
)
def test_objects_come_back_from_any_passes_in_any_order(
    others: list[tuple[float, bool]], method: Any, exponent: float | None, random: Any
) -> None:
    passes = [cells(OBJECTS, scale, mirrored) for scale, mirrored in [(1, False), *others]]
    suppression = SuppressionSettings(method, voting_exponent=exponent)
    found = merge(passes, None, suppression)
    best = np.argsort(-OBJECTS[:, 4:7].mean(axis=1))
    # Copies from other passes keep at most exp(-2) of their score: no object is behind another's copy.
    np.testing.assert_allclose(found.boxes[:4], OBJECTS[best, :4], atol=2e-3)
    np.testing.assert_allclose(found.scores[:4], OBJECTS[best, 4:7].mean(axis=1), atol=1e-6)
    random.shuffle(passes)
    for one, other in zip(found, merge(passes, None, suppression), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_best_center_counts_by_default_and_the_first_in_exact() -> None:
    pairs = np.float32([[0, 0, 90, 90, 0.6, 0.5, 0.7, 2]])
    centers = np.float32([[45, 45, 1, 0.99], [44, 44, 2, 0.3], [46, 46, 2, 0.9], [20, 45, 2, 1.0]])
    assert join_centers(pairs, centers, LARGE)[0, 4] == pytest.approx((1.2 + 0.9) / 3)
    assert join_centers(pairs, centers, LARGE, exact=True)[0, 4] == pytest.approx((1.2 + 0.3) / 3)


@pytest.mark.parametrize(("side", "found"), [(150, 1), (151, 0)])
def test_large_boxes_have_a_smaller_central_region(side: int, found: int) -> None:
    pairs = np.float32([[0, 0, side, side, 0.6, 0.5, 0.7, 2]])
    centers = np.float32([[0.37 * side, 0.5 * side, 2, 0.3]])  # between a third and two fifths
    assert len(join_centers(pairs, centers, LARGE)) == found


def test_a_center_on_the_edge_of_the_region_does_not_count() -> None:
    pairs = np.float32([[0, 0, 90, 90, 0.6, 0.5, 0.7, 2]])
    assert not len(join_centers(pairs, np.float32([[30, 45, 2, 0.3]]), LARGE))


def test_pairs_far_outside_are_dropped_and_others_clipped() -> None:
    canvas = fit_canvas(ORIGINAL, (100, 100))  # 13 rows above, 13 columns to the left
    boxes = np.float32([[-4.9, 10, 50, 60], [-5.1, 10, 50, 60], [10, 10, 104.9, 60], [10, 10, 50, 105.1]])
    pairs = np.zeros((4, 8), np.float32)
    pairs[:, :4] = (boxes + 13) * np.float32(32 / 127)
    found, _ = to_image(Pass(canvas, pairs, np.zeros((0, 4), np.float32)))
    np.testing.assert_array_equal(found[:, 4], [0, -1, 0, -1])
    np.testing.assert_allclose(found[:, :4], boxes.clip(0, 100), atol=1e-4)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("rows", [(0, 0), (0, 3), (3, 0)])
def test_nothing_is_found_without_pairs_or_centers(exact: bool, rows: tuple[int, int]) -> None:
    pairs, centers = np.full((rows[0], 8), 0.5, np.float32), np.full((rows[1], 4), 0.5, np.float32)
    found = merge([Pass(fit_canvas(ORIGINAL, SIZE), pairs, centers)], exact=exact)
    assert [column.shape for column in found] == [(0, 4), (0,), (0,)]
    assert [column.dtype for column in found] == [np.float32, np.float32, np.int32]


@pytest.mark.parametrize("exact", [False, True])
def test_pairs_and_centers_that_are_not_finite_are_dropped(exact: bool) -> None:
    one = cells(OBJECTS, 1, mirrored=False)
    expected = merge([one._replace(pairs=one.pairs[2:], centers=one.centers[[0, 1, 3]])], exact=exact)
    one.pairs[0, 4], one.pairs[1, 2], one.centers[2, 3] = np.nan, np.inf, np.nan
    for got, wanted in zip(merge([one], exact=exact), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
    assert len(expected.scores) == 1


def test_equal_scores_all_come_through() -> None:
    objects = OBJECTS.copy()
    objects[:, 4:7] = 0.5
    found = merge([cells(objects, 1, mirrored=False)])
    np.testing.assert_allclose(found.scores, np.full(4, 0.5), atol=1e-6)


def test_the_number_of_detections_is_limited() -> None:
    found = merge([cells(OBJECTS, 1, mirrored=False)], TripletDecoderSettings(max_detections=2))
    np.testing.assert_array_equal(found.class_ids, [3, 0])


def test_without_scale_1_the_nearest_gives_the_centers_but_not_in_exact() -> None:
    passes = [cells(OBJECTS, scale, mirrored=False) for scale in (0.6, 1.2, 1.8)]
    passes[0].centers[:] = passes[2].centers[:] = 0
    assert len(merge(passes, None, SuppressionSettings("hard")).scores) == 4
    with pytest.raises(ConfigError, match="scale 1 among"):
        merge(passes, exact=True)


def test_no_pass_and_arrays_of_another_shape_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one pass"):
        merge([])
    one = cells(OBJECTS, 1, mirrored=False)
    with pytest.raises(ConfigError, match=r"pairs \(n, 8\)"):
        merge([one._replace(pairs=one.pairs[:, :7])])
