"""Losses: the reference's, with their gradients, and a plain NumPy restatement in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from goldens.training import KEYPOINTS, losses, training
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.models.settings import TripletTargetSettings
from centernet.models.triplets.losses import LossWeights, focal_loss, offset_loss, pull_loss, push_loss, triplet_losses
from centernet.models.triplets.targets import triplet_targets

CASES = ("normal", "single_and_empty", "no_objects", "clamped")
MODES = ("bn_eval", "bn_train")
PARTS = {"loss": "total", "focal": "focal", "pull": "pull", "push": "push", "offset": "regr"}
SIZE, CLASSES = (4, 5), 3
Maps = dict[str, list[np.ndarray]]


def tensors(values: Any) -> Any:
    return keras.tree.map_structure(ops.convert_to_tensor, values)


def arrays(values: Any) -> Any:
    return keras.tree.map_structure(lambda value: np.asarray(ops.convert_to_numpy(value)), values)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """JAX compiles every operation for every shape; once for all of them is quicker."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def total(maps: Any, targets: Any) -> Any:
    return triplet_losses(maps, targets)["loss"]


def computed(maps: Any, targets: Any, weights: LossWeights | None = None) -> dict[str, float]:
    """`triplet_losses` as numbers."""
    function = compiled(lambda *values: triplet_losses(*values, weights)) if weights else LOSSES
    return {
        name: float(ops.convert_to_numpy(value)) for name, value in function(tensors(maps), tensors(targets)).items()
    }


def gradients(function: Callable[..., Any], values: Any, *others: Any) -> Any:
    """Gradients of a scalar with respect to every array in the first of its arguments, by the backend."""
    values, others = tensors(values), tensors(others)
    if keras.backend.backend() == "jax":
        return arrays(_gradient(function)(values, *others))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(values)
            result = function(values, *others)
        flat = tape.gradient(result, keras.tree.flatten(values), unconnected_gradients="zero")
        return keras.tree.pack_sequence_as(values, [tf.convert_to_tensor(gradient).numpy() for gradient in flat])
    leaves = keras.tree.map_structure(lambda value: value.detach().requires_grad_(), values)
    function(leaves, *others).backward()
    return keras.tree.map_structure(
        lambda leaf: np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.cpu().numpy(), leaves
    )


@cache
def _gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    return jax.jit(jax.grad(function))


LOSSES = compiled(triplet_losses)


def reference_case(case: str) -> tuple[Maps, dict[str, np.ndarray], Maps]:
    """Head maps, targets, and gradients of a case of the reference, whose objects are put in cells of their own."""
    found = {name.removeprefix(f"units/{case}/"): value for name, value in training("losses").items()}
    names = {ours: f"{theirs}_heat" for ours, theirs in KEYPOINTS.items()}
    names |= {f"{ours}_offset": f"{theirs}_regr" for ours, theirs in KEYPOINTS.items()}
    names |= {f"{ours}_embedding": f"{KEYPOINTS[ours]}_tag" for ours in ("top_left", "bottom_right")}
    maps, slopes = (
        {ours: [as_map(found[f"stack{stack}/{theirs}{end}"]) for stack in range(2)] for ours, theirs in names.items()}
        for end in ("", "/grad")
    )
    count = found["mask"].shape[1]
    targets = {"mask": found["mask"] == 1}
    for ours, theirs in KEYPOINTS.items():
        targets[ours] = np.moveaxis(found[f"gt_{theirs}"], 1, -1)
        targets[f"{ours}_offset"] = found[f"regr_{theirs}"]
        targets[f"{ours}_cell"] = np.tile(np.arange(count, dtype=np.int32), (len(targets["mask"]), 1))
    return maps, targets, slopes


def as_map(value: np.ndarray) -> np.ndarray:
    """Heatmaps with their channels last; values at objects `(batch, n, channels)` in the first n cells of a map."""
    if value.ndim == 4:
        return np.moveaxis(value, 1, -1)
    grid = np.zeros((len(value), 16 * 20, value.shape[2]), np.float32)
    grid[:, : value.shape[1]] = value
    return grid.reshape(len(value), 16, 20, -1)


def some_case(seed: int, objects: tuple[int, ...] = (3, 0, 1), spread: float = 2.0) -> tuple[Maps, dict[str, Any]]:
    """Random head maps of two stacks and targets; slots of no object hold what must not matter."""
    random = np.random.default_rng(seed)
    batch, slots = len(objects), 4
    maps = {}
    for keypoint in KEYPOINTS:
        channels = {keypoint: CLASSES, f"{keypoint}_offset": 2, f"{keypoint}_embedding": 1}
        for name, count in channels.items():
            maps[name] = [random.normal(0, spread, (batch, *SIZE, count)).astype(np.float32) for _ in range(2)]
    del maps["center_embedding"]
    targets: dict[str, Any] = {"mask": np.arange(slots) < np.array(objects)[:, None]}
    for keypoint in KEYPOINTS:
        cells = random.integers(1, SIZE[0] * SIZE[1], (batch, slots)).astype(np.int32)
        heatmap = random.uniform(0, 0.95, (batch, *SIZE, CLASSES)).astype(np.float32)
        for image, number in np.argwhere(targets["mask"]):
            heatmap[image, *divmod(cells[image, number], SIZE[1]), random.integers(CLASSES)] = 1
        offsets = random.uniform(0, 1, (batch, slots, 2)).astype(np.float32)
        targets |= {keypoint: heatmap, f"{keypoint}_cell": cells, f"{keypoint}_offset": offsets}
    return maps, targets


def plain_total(maps: Mapping[str, Any], targets: Mapping[str, Any]) -> float:
    """The total loss in float64, image by image and object by object."""
    total, stacks = 0.0, len(maps["center"])
    for stack in range(stacks):
        for keypoint in KEYPOINTS:
            heatmap, logits = np.float64(targets[keypoint]), np.float64(maps[keypoint][stack])
            chance = np.clip(1 / (1 + np.exp(-logits)), 1e-4, 1 - 1e-4)
            hit = np.log(chance) * (1 - chance) ** 2 * (heatmap == 1)
            miss = np.log(1 - chance) * chance**2 * (1 - heatmap) ** 4 * (heatmap < 1)
            total -= (hit.sum() + miss.sum()) / max((heatmap == 1).sum(), 1)
        objects = targets["mask"].sum()
        for image, mask in enumerate(targets["mask"]):
            numbers, pairs = np.flatnonzero(mask), []
            at = {
                name: np.float64(maps[name][stack][image]).reshape(SIZE[0] * SIZE[1], -1)[
                    targets[f"{name.rsplit('_', 1)[0]}_cell"][image]
                ]
                for name in maps
                if name.endswith(("_offset", "_embedding"))
            }
            for number in numbers:
                first, second = (float(at[f"{corner}_embedding"][number, 0]) for corner in ("top_left", "bottom_right"))
                mean = (first + second) / 2
                pairs.append(mean)
                total += 0.1 * ((first - mean) ** 2 + (second - mean) ** 2) / (len(numbers) + 1e-4)
                for keypoint in KEYPOINTS:
                    error = np.abs(at[f"{keypoint}_offset"][number] - targets[f"{keypoint}_offset"][image, number])
                    total += np.where(error < 1, error**2 / 2, error - 0.5).sum() / (objects + 1e-4)
            for first in pairs:
                for second in pairs:
                    near = max(1 - abs(first - second), 0) - 1 / (len(pairs) + 1e-4)
                    total += 0.1 * near / (len(pairs) * (len(pairs) - 1) + 1e-4)
    return total / stacks


@pytest.mark.parametrize("case", CASES)
def test_the_losses_are_the_reference_s(case: str) -> None:
    maps, targets, _ = reference_case(case)
    found = computed(maps, targets)
    assert set(found) == set(PARTS)
    for ours, theirs in PARTS.items():
        np.testing.assert_allclose(found[ours], losses()[f"units/{case}"][theirs], rtol=1e-5, atol=1e-7, err_msg=ours)


@pytest.mark.parametrize("case", CASES)
def test_each_part_of_each_stack_is_the_reference_s(case: str) -> None:
    maps, targets, _ = reference_case(case)
    expected, mask = losses()[f"units/{case}"]["parts"], tensors(targets["mask"])
    count = targets["mask"].shape[1]
    for stack in range(2):
        at = {name: tensors(value[stack].reshape(len(mask), 320, -1)[:, :count]) for name, value in maps.items()}
        tags = at["top_left_embedding"][..., 0], at["bottom_right_embedding"][..., 0]
        found = {"pull_unweighted": pull_loss(*tags, mask), "push_unweighted": push_loss(*tags, mask)}
        for ours, theirs in KEYPOINTS.items():
            found[f"focal_{theirs}"] = focal_loss(tensors(maps[ours][stack]), tensors(targets[ours]))
            offset, target = at[f"{ours}_offset"], tensors(targets[f"{ours}_offset"])
            found[f"regr_{theirs}"] = offset_loss(offset, target, mask)
        for name, value in arrays(found).items():
            np.testing.assert_allclose(value, expected[f"stack{stack}/{name}"], rtol=1e-5, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_the_gradients_are_the_reference_s(case: str) -> None:
    maps, targets, expected = reference_case(case)
    found = gradients(total, maps, targets)
    for name, slopes in expected.items():
        for got, wanted in zip(found[name], slopes, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-7 * max(np.abs(wanted).max(), 1), err_msg=name)


@pytest.mark.parametrize("mode", MODES)
def test_pull_push_and_offsets_of_a_network_s_outputs_are_the_reference_s(mode: str) -> None:
    found, expected = training("losses"), losses()[f"hg104/{mode}"]
    boxes = training("targets")
    mask = tensors(boxes["hg104/tag_masks"] == 1)
    sums = dict.fromkeys(("pull", "push", "regr"), 0.0)
    for stack in range(2):
        at = {name: tensors(found[f"hg104/{mode}/stack{stack}/{name}"]) for name in ("tl_tag", "br_tag")}
        tags = at["tl_tag"][..., 0], at["br_tag"][..., 0]
        sums["pull"] += 0.1 * float(pull_loss(*tags, mask)) / 2
        sums["push"] += 0.1 * float(push_loss(*tags, mask)) / 2
        for keypoint in KEYPOINTS.values():
            offset = tensors(found[f"hg104/{mode}/stack{stack}/{keypoint}_regr"])
            sums["regr"] += float(offset_loss(offset, tensors(boxes[f"hg104/{keypoint}_regrs"]), mask)) / 2
    for name, value in sums.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("objects", [(3, 0, 1), (1, 1, 1), (4, 4, 4), (2,), (0,), (1,)])
def test_losses_of_any_batch_equal_a_plain_restatement(objects: tuple[int, ...]) -> None:
    for seed in range(3):
        maps, targets = some_case(seed, objects)
        np.testing.assert_allclose(computed(maps, targets)["loss"], plain_total(maps, targets), rtol=1e-5)


@pytest.mark.parametrize("objects", [(3, 0, 1), (2,)])
def test_the_gradient_of_the_total_equals_float64_differences(objects: tuple[int, ...]) -> None:
    maps, targets = some_case(5, objects)
    found = gradients(total, maps, targets)
    maps = keras.tree.map_structure(np.float64, maps)
    random, step = np.random.default_rng(0), 1e-6
    for name, stacks in maps.items():
        for stack, value in enumerate(stacks):
            for index in random.integers(0, value.size, 12):
                original = value.flat[index]
                either = []
                for moved in (original + step, original - step):
                    value.flat[index] = moved
                    either.append(plain_total(maps, targets))
                value.flat[index] = original
                slope = (either[0] - either[1]) / (2 * step)
                np.testing.assert_allclose(found[name][stack].flat[index], slope, rtol=1e-4, atol=1e-6, err_msg=name)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 5.0, 60.0]))
def test_losses_and_gradients_are_finite(seed: int, spread: float) -> None:
    maps, targets = some_case(seed, tuple(np.random.default_rng(seed).integers(0, 5, 2)), spread)
    assert np.isfinite(list(computed(maps, targets).values())).all()
    assert all(np.isfinite(slope).all() for slope in keras.tree.flatten(gradients(total, maps, targets)))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_pull_and_push_of_a_batch_are_the_sums_of_its_images(seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = (random.normal(0, 1, (3, 4)).astype(np.float32) for _ in range(2))
    mask = random.random((3, 4)) < 0.6
    for loss in (pull_loss, push_loss):
        whole = arrays(loss(*tensors((first, second, mask))))
        alone = [arrays(loss(*tensors((first[i : i + 1], second[i : i + 1], mask[i : i + 1])))) for i in range(3)]
        np.testing.assert_allclose(whole, sum(alone), rtol=1e-5, atol=1e-6)


def test_nothing_in_padding_matters_not_even_nan() -> None:
    maps, targets = some_case(2)
    targets = {name: np.array(value) for name, value in targets.items()}
    expected = computed(maps, targets)
    for keypoint in KEYPOINTS:
        # No object of `some_case` lies in cell 0.
        targets[f"{keypoint}_cell"][~targets["mask"]] = 0
        targets[f"{keypoint}_offset"][~targets["mask"]] = np.nan
        for name in (f"{keypoint}_offset", f"{keypoint}_embedding"):
            for value in maps.get(name, ()):
                value[:, 0, 0] = np.nan
    assert computed(maps, targets) == pytest.approx(expected)
    assert all(np.isfinite(slope).all() for slope in keras.tree.flatten(gradients(total, maps, targets)))


def test_an_image_with_one_object_has_a_constant_push() -> None:
    mask = np.array([[True, False, False]])
    tags = np.float32([[0.3, 7, 8]]), np.float32([[-0.4, 9, 7]])
    push = arrays(push_loss(*tensors((*tags, mask))))
    np.testing.assert_allclose(push, (1 - 1 / 1.0001) / 1e-4, rtol=1e-3)
    slopes = gradients(lambda values, mask: push_loss(*values, mask), tags, mask)
    assert not np.any(slopes)


def test_without_objects_only_the_background_is_left() -> None:
    maps, targets = some_case(0, (0, 0))
    found = computed(maps, targets)
    assert found["pull"] == found["push"] == found["offset"] == 0
    assert found["loss"] == found["focal"] > 0


def test_no_slots_at_all_are_no_objects() -> None:
    maps, targets = some_case(0, (0, 0))
    short = {name: value if name in KEYPOINTS else value[:, :0] for name, value in targets.items()}
    assert computed(maps, short) == pytest.approx(computed(maps, targets))


def test_weights_scale_the_parts() -> None:
    maps, targets = some_case(1)
    plain = computed(maps, targets)
    scaled = computed(maps, targets, LossWeights(pull=0.2, push=0.3, offset=0.5))
    expected = {"focal": plain["focal"], "pull": 2 * plain["pull"], "push": 3 * plain["push"]}
    expected["offset"] = plain["offset"] / 2
    assert {name: scaled[name] for name in expected} == pytest.approx(expected)
    assert scaled["loss"] == pytest.approx(sum(expected.values()))


def test_half_precision_maps_are_summed_in_single_precision() -> None:
    maps, targets = some_case(1)
    half = keras.tree.map_structure(np.float16, maps)
    rounded = keras.tree.map_structure(np.float32, half)
    assert computed(half, targets) == pytest.approx(computed(rounded, targets))
    assert arrays(triplet_losses(tensors(half), tensors(targets))["loss"]).dtype == np.float32


def test_offsets_are_asked_of_all_cells_of_a_radius() -> None:
    sizes = {"input_size": (32, 40), "output_size": (8, 10), "num_classes": 1}
    box = tensors((np.float32([[[6, 6, 26, 22]]]), np.int32([[0]])))
    targets = triplet_targets(*box, **sizes, settings=TripletTargetSettings(offset_radius=1))
    rows, columns = np.mgrid[:8, :10]
    places = {"top_left": (1.5, 1.5), "bottom_right": (6.5, 5.5), "center": (4.0, 3.5)}  # x y in cells
    zeros = np.zeros((1, 8, 10, 1), np.float32)
    maps = {name: [zeros] for name in (*places, "top_left_embedding", "bottom_right_embedding")}
    for name, (x, y) in places.items():
        maps[f"{name}_offset"] = [np.float32(np.stack([x - columns, y - rows], axis=-1))[None]]
    assert arrays(triplet_losses(tensors(maps), targets))["offset"] == pytest.approx(0, abs=1e-5)
    maps["center_offset"][0][0, 3, 5] += 2  # a neighbor of the center's cell; smooth L1 of 2 is 1.5, in both directions
    maps["center_offset"][0][0, 2, 5] += 100  # outside the disc
    assert arrays(triplet_losses(tensors(maps), targets))["offset"] == pytest.approx(3 / 5, rel=1e-3)
