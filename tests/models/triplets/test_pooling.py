"""Pooling layers: the modules of the reference, and what every Keras layer has to do."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from goldens.pooling import LEAVES, array, cases, facts, weight
from gradients import pull_back
from keras import ops

from centernet.errors import ConfigError
from centernet.inference.folding import fold_batch_normalization
from centernet.models.layers import (
    BottomPool,
    CascadeCornerPooling,
    CenterPooling,
    CornerPooling,
    LeftPool,
    RightPool,
    TopPool,
)
from centernet.models.triplets.pooling import REFERENCE_NAMES

value = ops.convert_to_numpy
STRIDE = 4  # of the channels that are kept of the reference's arrays
POOLS = {"top": TopPool, "bottom": BottomPool, "left": LeftPool, "right": RightPool}
SMALL = {"filters": 6, "inner_filters": 4}
LAYERS = {
    **POOLS,
    "corner": lambda **options: CornerPooling("bottom_right", **SMALL, **options),
    "cascade": lambda **options: CascadeCornerPooling("top_left", **SMALL, **options),
    "center": lambda **options: CenterPooling(**SMALL, **options),
}
EACH_LAYER = pytest.mark.parametrize("name", LAYERS)


@cache
def reference_module(branch: str) -> Any:
    """A module with the weights that the reference's had."""
    corners = {"tl": "top_left", "br": "bottom_right"}
    module = CenterPooling() if branch == "ct" else CascadeCornerPooling(corners[branch])
    module.build((None, None, None, 256))
    for variable in module.variables:
        variable.assign(weight(reference_key(branch, variable)))
    return module


def reference_key(branch: str, variable: Any) -> str:
    part, leaf = variable.path.split("/")[-2:]
    return f"{branch}_cnvs.0.{REFERENCE_NAMES[part]}.{LEAVES[leaf]}"


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def built(name: str, **options: Any) -> Any:
    """A layer for 5 channels whose normalizations do something."""
    layer = LAYERS[name](**options)
    layer.build((None, None, None, 5))
    enliven(layer)
    return layer


def enliven(layer: Any) -> None:
    rng = np.random.default_rng(1)
    for variable in layer.variables:
        if variable.name in LEAVES and variable.name != "kernel":
            variable.assign(rng.uniform(0.6, 1.4, variable.shape))


@pytest.mark.parametrize("branch", ["tl", "br", "ct"])
@pytest.mark.parametrize("case", cases("module"))
def test_a_module_computes_what_the_reference_computes(case: str, branch: str, tolerance: Any) -> None:
    module = reference_module(branch)
    x, upstream = array(f"module/{case}/x"), array(f"module/{case}/g")
    y, gradient, _ = pull_back(lambda x: module(x, training=False), x, upstream)
    for found, name in ((y, "y"), (gradient, "gx")):
        np.testing.assert_allclose(
            found[..., ::STRIDE], array(f"module/{case}/{branch}/{name}"), rtol=0, atol=tolerance.heads
        )


@pytest.mark.parametrize("branch", ["tl", "br", "ct"])
def test_the_gradients_of_a_modules_weights_have_the_norms_of_the_reference(branch: str) -> None:
    if keras.backend.backend() == "jax":
        pytest.skip("variables are no arguments there; the gradients of the input say the same")
    module, norms = reference_module(branch), facts()["norms"][f"0/{branch}"]
    _, _, gradients = pull_back(
        lambda x: module(x, training=False), array("module/0/x"), array("module/0/g"), module.trainable_variables
    )
    assert len(gradients) == len(norms)
    for variable, gradient in zip(module.trainable_variables, gradients, strict=True):
        expected = norms[reference_key(branch, variable)]
        assert np.linalg.norm(gradient) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("branch", ["tl", "br", "ct"])
def test_every_weight_of_the_reference_has_one_place(branch: str) -> None:
    keys = [reference_key(branch, variable) for variable in reference_module(branch).variables]
    counters = {key for key in facts()["shapes"] if key.endswith("num_batches_tracked")}
    own = {key for key in facts()["shapes"] if key.startswith(branch)}
    assert len(keys) == len(set(keys))
    assert set(keys) == own - counters


@pytest.mark.parametrize("direction", POOLS)
def test_a_pool_looks_in_its_direction_in_training_and_out_of_it(direction: str) -> None:
    x, expected = array("pool/0_ties/x"), array(f"pool/0_ties/{direction}/y")
    for training in (None, False, True):
        np.testing.assert_array_equal(value(POOLS[direction]()(x, training=training)), expected)


def test_corner_pooling_joins_two_pooled_branches() -> None:
    layer, x = built("corner"), noise(1, 4, 6, 5)

    def unit(x: Any, prefix: str) -> Any:
        return ops.relu(getattr(layer, f"{prefix}_bn")(getattr(layer, f"{prefix}_conv")(x)))

    pooled = BottomPool()(unit(x, "vertical")) + RightPool()(unit(x, "horizontal"))
    merged = layer.merge_bn(layer.merge_conv(pooled)) + layer.skip_bn(layer.skip_conv(x))
    np.testing.assert_allclose(value(layer(x)), value(unit(ops.relu(merged), "output")), atol=1e-6)


@pytest.mark.parametrize("layer", [CornerPooling, CascadeCornerPooling])
def test_a_corner_that_does_not_exist_is_refused(layer: Any) -> None:
    with pytest.raises(ConfigError, match=r"top_left.*bottom_right.*Received: corner='top-left'"):
        layer("top-left")


@EACH_LAYER
def test_a_layer_is_made_again_from_its_config(name: str) -> None:
    layer = LAYERS[name](name="pooling", trainable=False)
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.name, again.trainable) == ("pooling", False)


@EACH_LAYER
def test_a_saved_model_needs_no_custom_objects(name: str, tmp_path: Any) -> None:
    inputs = keras.Input((None, None, 5))
    model = keras.Model(inputs, LAYERS[name]()(inputs))
    enliven(model)
    model.save(tmp_path / "model.keras")
    again, x = keras.models.load_model(tmp_path / "model.keras"), noise(2, 4, 6, 5)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@EACH_LAYER
def test_the_declared_shape_is_the_real_one(name: str) -> None:
    layer = built(name)
    assert layer.compute_output_shape((None, None, None, 5))[:3] == (None, None, None)
    for shape in ((1, 4, 6, 5), (2, 7, 1, 5)):
        assert tuple(layer(noise(*shape)).shape) == layer.compute_output_shape(shape)


@EACH_LAYER
@pytest.mark.parametrize("training", [False, True])
def test_mixed_precision_computes_in_half_and_keeps_weights_in_full(name: str, training: bool) -> None:
    layer, x = built(name, dtype="mixed_float16"), noise(2, 4, 6, 5)
    y = layer(x, training=training)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert {variable.dtype for variable in layer.variables} <= {"float32"}
    if not training:
        np.testing.assert_allclose(value(y), value(built_like(name, layer)(x)), rtol=0.02, atol=0.02)


def built_like(name: str, layer: Any) -> Any:
    """The same layer in full precision."""
    full = built(name)
    full.set_weights(layer.get_weights())
    return full


@pytest.mark.parametrize("name", ["corner", "cascade", "center"])
def test_training_reaches_every_weight_and_statistic(name: str) -> None:
    inputs = keras.Input((6, 8, 5))
    model = keras.Model(inputs, LAYERS[name]()(inputs))
    model.compile("sgd", "mse", jit_compile=False)
    before = [np.array(value) for value in model.get_weights()]
    model.fit(noise(4, 6, 8, 5), 3 + noise(4, 6, 8, 6, seed=1), batch_size=4, verbose=0)
    for variable, old, new in zip(model.weights, before, model.get_weights(), strict=True):
        assert not np.array_equal(old, new), variable.path


@pytest.mark.parametrize("name", ["corner", "cascade", "center"])
def test_folding_leaves_the_layer_what_it_computes(name: str) -> None:
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(5, 3, padding="same")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = LAYERS[name](name="pooling")(x)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 1)(x))
    enliven(model)
    folded = fold_batch_normalization(model)
    batch = noise(2, 4, 6, 3)
    np.testing.assert_allclose(folded.predict(batch, verbose=0), model.predict(batch, verbose=0), atol=1e-5)
    for variable in model.get_layer("pooling").variables:
        variable.assign(np.zeros(variable.shape))
    assert np.abs(folded.predict(batch, verbose=0)).max() > 0.01  # a copy
