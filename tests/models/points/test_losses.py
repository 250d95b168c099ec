"""Losses of Objects as Points: the reference's, and a plain NumPy restatement in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from goldens.images import SMALL_SIZE
from goldens.point_training import CANVAS, loss_objects, reference_losses, reference_maps, training
from goldens.reference import MODELS
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from centernet.errors import CenterNetError
from centernet.models.points.heads import head_channels
from centernet.models.points.losses import LossWeights, l1_loss, point_losses
from centernet.models.points.targets import point_targets
from centernet.models.presets import find_model
from centernet.models.settings import PointTargetSettings

SINGLE_STACK = [model for model in MODELS if "hg104" not in model]
ERAS = {"loss_batch1": "2021-07", "published_loss_batch1": "2020-07"}
SIZE, CLASSES, KINDS = (6, 5), 2, 2
Maps = dict[str, list[np.ndarray]]


def tensors(values: Any) -> Any:
    return keras.tree.map_structure(ops.convert_to_tensor, values)


def arrays(values: Any) -> Any:
    return keras.tree.map_structure(lambda value: np.asarray(ops.convert_to_numpy(value)), values)


def test_vectors_are_asked_of_all_cells_of_a_radius() -> None:
    sizes = {"input_size": (32, 40), "output_size": (8, 10), "num_classes": 1}
    boxes, ids = np.float32([[[10, 8, 26, 20]]]), np.int32([[0]])  # its center is 4.5 3.5 in cells
    targets = point_targets(*tensors((boxes, ids)), **sizes, settings=PointTargetSettings(object_radius=1))
    rows, columns = np.mgrid[:8, :10]
    offset = np.float32(np.stack([3.5 - rows, 4.5 - columns], axis=-1))[None]
    maps = {"size": [np.full((1, 8, 10, 2), (3, 4), np.float32)], "offset": [offset]}
    right = arrays(point_losses(tensors(maps), targets))
    assert right["loss"] == pytest.approx(0, abs=1e-5)
    maps["offset"][0][0, 3, 5] += 2  # a neighbor of the center's cell
    maps["size"][0][0, 2, 4, 0] += 3
    maps["size"][0][0, 2, 5] += 100  # outside the disc
    wrong = arrays(point_losses(tensors(maps), targets))
    assert wrong["offset"] == pytest.approx(4 / 5, rel=1e-5)
    assert wrong["size"] == pytest.approx(0.1 * 3 / 5, rel=1e-5)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """JAX compiles every operation for every shape; once for all of them is quicker."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    return function


def total(maps: Any, targets: Any) -> Any:
    return point_losses(maps, targets)["loss"]


def computed(maps: Any, targets: Any, weights: LossWeights | None = None) -> dict[str, float]:
    """`point_losses` as numbers."""
    function = compiled(lambda *values: point_losses(*values, weights)) if weights else LOSSES
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
    return keras.tree.map_structure(lambda leaf: leaf.grad.cpu().numpy(), leaves)


@cache
def _gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    return jax.jit(jax.grad(function))


LOSSES = compiled(point_losses)


def reference_case(model: str, rule: str) -> tuple[Maps, dict[str, np.ndarray]]:
    """The reference's head maps of the small canvas, and our targets of the boxes on it."""
    config = find_model(model)
    objects = {name: ops.convert_to_tensor(value[:1]) for name, value in loss_objects(model).items()}
    targets = point_targets(
        **objects,
        input_size=CANVAS,
        output_size=(CANVAS[0] // 4, CANVAS[1] // 4),
        num_classes=len(config.classes),
        image_sizes=ops.convert_to_tensor(np.int32([SMALL_SIZE])),
        keypoint_class=config.keypoint_class,
        deviations=config.keypoints.deviations if config.keypoints else (),
        settings=PointTargetSettings(keypoint_mask=rule),
    )
    return reference_maps(model), arrays(targets)


def some_case(
    seed: int, objects: tuple[int, ...] = (3, 0, 1), spread: float = 2.0, kinds: int | None = KINDS
) -> tuple[Maps, dict[str, Any]]:
    """Random head maps of two stacks and targets; slots of no object hold what must not matter."""
    random = np.random.default_rng(seed)
    batch, slots, cells = len(objects), 4, SIZE[0] * SIZE[1]
    channels = head_channels(CLASSES, kinds)
    maps = {
        name: [random.normal(0, spread, (batch, *SIZE, count)).astype(np.float32) for _ in range(2)]
        for name, count in channels.items()
    }
    mask = np.arange(slots) < np.array(objects)[:, None]
    targets: dict[str, Any] = {"mask": mask, "cell": random.integers(1, cells, (batch, slots)).astype(np.int32)}
    targets |= {name: random.normal(0, 3, (batch, slots, 2)).astype(np.float32) for name in ("size", "offset")}
    for name in ("heatmap", "keypoint_heatmap")[: 2 if kinds else 1]:
        heatmap = random.uniform(0, 1, (batch, *SIZE, channels[name])).astype(np.float32)
        targets[name] = np.where((heatmap > 0.9) & mask.any(axis=1)[:, None, None, None], np.float32(1), heatmap)
    targets["heatmap_mask"] = random.random((batch, *SIZE, 1)) < 0.8
    if kinds:
        labeled = mask[..., None] & (random.random((batch, slots, kinds)) < 0.7)
        targets |= {
            "keypoint_mask": labeled,
            "keypoint_heatmap_mask": random.random((batch, *SIZE, kinds)) < 0.8,
        }
        for name in ("keypoint_offset", "keypoint_regression"):
            shape = (batch, slots, kinds, 5)
            targets[name] = random.normal(0, 3, (*shape, 2)).astype(np.float32)
            targets[f"{name}_cell"] = random.integers(1, cells, shape).astype(np.int32)
            targets[f"{name}_mask"] = labeled[..., None] & (random.random(shape) < 0.8)
    return maps, targets


def plain_losses(maps: Mapping[str, Any], targets: Mapping[str, Any]) -> dict[str, float]:
    """In float64, value by value."""
    weights = {"size": 0.1, "keypoint_regression": 0.1}
    losses = {}
    for name, stacks in maps.items():
        found = 0.0
        for stack in map(np.float64, stacks):
            if name.endswith("heatmap"):
                heatmap, count = np.float64(targets[name]), targets[name.replace("heatmap", "mask")].sum()
                chance = np.clip(1 / (1 + np.exp(-stack)), 1e-4, 1 - 1e-4)
                hit = np.log(chance) * (1 - chance) ** 2 * (heatmap == 1)
                miss = np.log(1 - chance) * chance**2 * (1 - heatmap) ** 4 * (heatmap < 1)
                counted = targets["heatmap_mask"] & targets.get(f"{name}_mask", True)
                found -= ((hit + miss) * counted).sum() / max(count, 1)
                continue
            mask = targets.get(f"{name}_mask", targets["mask"])
            cell = targets.get(f"{name}_cell", targets["cell"])
            for place in np.argwhere(mask):
                image, kind = place[0], place[2] if len(place) == 4 else 0
                row, column = divmod(cell[tuple(place)], SIZE[1])
                error = stack[image, row, column, 2 * kind : 2 * kind + 2] - targets[name][tuple(place)]
                found += np.abs(error).sum() / mask.sum()
        losses[name] = found / len(stacks) * weights.get(name, 1)
    return {"loss": sum(losses.values())} | losses


@pytest.mark.parametrize("case", ERAS)
@pytest.mark.parametrize("model", SINGLE_STACK)
def test_the_losses_of_the_reference_s_head_maps_are_the_reference_s(model: str, case: str) -> None:
    found, expected = computed(*reference_case(model, ERAS[case])), reference_losses(model, case)
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=5e-6, err_msg=name)


def test_the_rules_of_both_eras_differ_in_the_keypoint_heatmap_only() -> None:
    for model in SINGLE_STACK:
        new, old = (reference_losses(model, case) for case in ERAS)
        differ = {name for name in new if abs(new[name] / old[name] - 1) > 1e-4}
        assert differ == ({"loss", "keypoint_heatmap"} if "kpts" in model else set())


def test_gradients_of_the_reference_s_case_are_finite() -> None:
    slopes = gradients(total, *reference_case("centernet_mobilenetv2fpn_512x512_coco17_kpts", "2021-07"))
    for name, (slope,) in slopes.items():
        assert np.isfinite(slope).all()
        assert slope.any(), name
    # Row 25 and what is below lie in the padding of the canvas.
    assert not slopes["heatmap"][0][:, 25:].any()
    assert not slopes["keypoint_heatmap"][0][:, 25:].any()


def test_l1_is_the_reference_s() -> None:
    found = {name.removeprefix("losses/l1/"): value for name, value in training().items()}
    kept = found["weights"][:, 0] == 1
    values = tensors((found["prediction"], found["target"], kept))
    np.testing.assert_allclose(arrays(l1_loss(*values)) * kept.sum(), found["loss"][kept].sum(), rtol=1e-6)


@pytest.mark.parametrize("objects", [(3, 0, 1), (4, 4, 4), (0, 0, 0)])
@pytest.mark.parametrize("kinds", [None, KINDS])
def test_losses_of_any_batch_equal_a_plain_restatement(objects: tuple[int, ...], kinds: int | None) -> None:
    for seed in range(3):
        case = some_case(seed, objects, kinds=kinds)
        assert computed(*case) == pytest.approx(plain_losses(*case), rel=1e-5)


def test_the_gradient_of_the_total_equals_float64_differences() -> None:
    maps, targets = some_case(5)
    found = gradients(total, maps, targets)
    maps = keras.tree.map_structure(np.float64, maps)
    random, step = np.random.default_rng(0), 1e-6
    for name, stacks in maps.items():
        for stack, value in enumerate(stacks):
            for index in random.integers(0, value.size, 8):
                original = value.flat[index]
                either = []
                for moved in (original + step, original - step):
                    value.flat[index] = moved
                    either.append(plain_losses(maps, targets)["loss"])
                value.flat[index] = original
                slope = (either[0] - either[1]) / (2 * step)
                np.testing.assert_allclose(found[name][stack].flat[index], slope, rtol=1e-4, atol=1e-6, err_msg=name)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 5.0, 60.0]))
def test_losses_and_gradients_are_finite(seed: int, spread: float) -> None:
    maps, targets = some_case(seed, tuple(np.random.default_rng(seed).integers(0, 5, 3)), spread)
    assert np.isfinite(list(computed(maps, targets).values())).all()
    assert all(np.isfinite(slope).all() for slope in keras.tree.flatten(gradients(total, maps, targets)))


def test_without_objects_only_the_background_is_left() -> None:
    maps, targets = some_case(0, (0, 0, 0))
    found = computed(maps, targets)
    assert found["loss"] == pytest.approx(found["heatmap"] + found["keypoint_heatmap"])
    assert min(found["heatmap"], found["keypoint_heatmap"]) > 0
    slopes = gradients(total, maps, targets)
    for name in ("size", "offset", "keypoint_offset", "keypoint_regression"):
        assert found[name] == 0
        assert not any(slope.any() for slope in slopes[name])


def test_no_slots_at_all_are_no_objects() -> None:
    maps, targets = some_case(0, (0, 0, 0))
    short = {name: value if "heatmap" in name else value[:, :0] for name, value in targets.items()}
    assert computed(maps, short) == pytest.approx(computed(maps, targets))


def test_nothing_where_nothing_is_asked_matters_not_even_nan() -> None:
    maps, targets = some_case(2)
    expected = computed(maps, targets)
    targets = {name: np.array(value) for name, value in targets.items()}
    for name, stacks in maps.items():
        if not name.endswith("heatmap"):
            place = "" if name in ("size", "offset") else f"{name}_"
            unasked = ~targets[f"{place}mask"]
            # No object of `some_case` lies in cell 0.
            targets[f"{place}cell"][unasked], targets[name][unasked] = 0, np.nan
            for value in stacks:
                value[:, 0, 0] = np.nan
    assert computed(maps, targets) == pytest.approx(expected)
    assert all(np.isfinite(slope).all() for slope in keras.tree.flatten(gradients(total, maps, targets)))


def test_stacks_are_averaged() -> None:
    maps, targets = some_case(3)
    alone = [computed({name: [value[stack]] for name, value in maps.items()}, targets) for stack in range(2)]
    mean = {name: (alone[0][name] + alone[1][name]) / 2 for name in alone[0]}
    assert computed(maps, targets) == pytest.approx(mean)


def test_weights_scale_the_parts() -> None:
    maps, targets = some_case(1)
    plain = computed(maps, targets)
    weights = LossWeights(2.0, 0.3, 0.5, 0.25, 0.2, 3.0)
    scales = {"heatmap": 2, "size": 3, "offset": 0.5}
    scales |= {"keypoint_heatmap": 0.25, "keypoint_regression": 2, "keypoint_offset": 3}
    scaled = computed(maps, targets, weights)
    expected = {name: plain[name] * scale for name, scale in scales.items()}
    assert scaled == pytest.approx(expected | {"loss": sum(expected.values())})


def test_half_precision_maps_are_summed_in_single_precision() -> None:
    maps, targets = some_case(1)
    half = keras.tree.map_structure(np.float16, maps)
    rounded = keras.tree.map_structure(np.float32, half)
    assert computed(half, targets) == pytest.approx(computed(rounded, targets))
    losses = point_losses(tensors(half), tensors(targets))
    assert {keras.backend.standardize_dtype(value.dtype) for value in losses.values()} == {"float32"}


def test_a_head_without_target_is_refused() -> None:
    maps, _ = some_case(1)
    _, targets = some_case(1, kinds=None)
    with pytest.raises(CenterNetError, match=r"targets of every head.*keypoint_offset.*Add the keypoints"):
        computed(maps, targets)
