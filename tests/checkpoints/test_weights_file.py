"""The file of a saved detector's weights, and files of Keras's form."""

from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest
from small import TINY, same, small_detector, state

from centernet.checkpoints.saved.weights_file import find_weights, load_weights, read_weights, write_weights
from centernet.errors import CheckpointError
from centernet.loading.load_keras import load
from centernet.models.backbones import BACKBONES


@pytest.fixture(scope="module")
def detector():
    return small_detector()


def test_a_tensor_a_variable_named_by_its_path(detector, tmp_path):
    write_weights(detector, tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5") as file:
        assert sorted(file) == sorted(variable.path.replace("/", ".") for variable in detector.variables)
        assert np.array_equal(file["stem_conv.kernel"], np.array(detector.backbone.get_layer("stem_conv").kernel))


def test_what_was_read_before_is_taken_and_given_back(detector, tmp_path):
    write_weights(detector, tmp_path / "a.weights.h5")
    path = tmp_path / "a.weights.h5"
    tensors, other = read_weights(path, find_weights(path)), small_detector(seed=3)
    load_weights(other, path, tensors)
    assert same(state(other), state(detector))
    assert tensors == {}


def test_what_is_loaded_is_no_longer_the_file_s(detector, tmp_path):
    """Values are taken as they were read, without a copy: training must change nothing but the variables."""
    path = tmp_path / "a.weights.h5"
    write_weights(detector, path)
    content, one, other = path.read_bytes(), small_detector(seed=3), small_detector(seed=4)
    tensors = read_weights(path, find_weights(path))
    for loaded in (one, other):
        load_weights(loaded, path, dict(tensors))
    one.set_weights([value + 1 for value in state(one)])
    kernel = other.backbone.get_layer("stem_conv").kernel
    kernel.assign_add(kernel)
    assert same(state(one), [value + 1 for value in state(detector)])
    assert np.array_equal(tensors["stem_conv.kernel"], detector.backbone.get_layer("stem_conv").kernel)
    assert path.read_bytes() == content


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_file_that_another_tool_compressed_is_read(detector, tmp_path, dtype):
    write_weights(detector, tmp_path / "a.weights.h5", dtype)
    with h5py.File(tmp_path / "a.weights.h5") as file, h5py.File(tmp_path / "b.weights.h5", "w") as other:
        other.attrs.update(file.attrs)
        for name, values in file.items():
            other.create_dataset(name, data=values[()], compression="gzip", chunks=True)
    loaded = [small_detector(seed=3) for _ in range(2)]
    for one, name in zip(loaded, "ab", strict=True):
        one.load_weights(tmp_path / f"{name}.weights.h5")
    assert same(*map(state, loaded))


def test_a_file_that_is_cut_off_meanwhile_is_damaged(detector, tmp_path):
    path = tmp_path / "a.weights.h5"
    write_weights(detector, path)
    places = find_weights(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="ends before all tensors are read"):
        read_weights(path, places)


def test_both_forms_give_the_same(detector, tmp_path):
    write_weights(detector, tmp_path / "ours.weights.h5")
    detector.save_weights(tmp_path / "keras.weights.h5")
    assert find_weights(tmp_path / "keras.weights.h5") is None
    for name in ("ours", "keras"):
        other = small_detector(seed=3)
        other.load_weights(tmp_path / f"{name}.weights.h5")
        assert same(state(other), state(detector))


def test_two_tensors_of_one_shape_are_told_apart_by_name(detector, tmp_path):
    """Counting shapes, as Keras's form has to, would not see this."""
    write_weights(detector, tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5", "a") as file:
        file.move("stem_bn.gamma", "stem_bn.gain")
    before = state(detector)
    with pytest.raises(CheckpointError, match=r"Only in the file: stem_bn\.gain .*only in the model: stem_bn\.gamma"):
        load_weights(detector, tmp_path / "a.weights.h5")
    assert same(state(detector), before)


def test_keras_s_form_of_another_network_is_told_by_its_layers(detector, tmp_path):
    small_detector(3, lively=False).save_weights(tmp_path / "other.weights.h5")
    expected = r"Only in the file: heatmap_0 \(1, 1, \d+, 3\).*only in the model: heatmap_0 \(1, 1, \d+, 2\)"
    with pytest.raises(CheckpointError, match=expected):
        load_weights(detector, tmp_path / "other.weights.h5")


def test_keras_s_form_is_read_whatever_its_layers_are_called(detector, tmp_path):
    detector.save_weights(tmp_path / "keras.weights.h5")
    with h5py.File(tmp_path / "keras.weights.h5", "a") as file:
        groups = []
        file.visititems(lambda _, item: groups.append(item) if "name" in item.attrs else None)
        for number, group in enumerate(groups):
            group.attrs["name"] = f"layer_{number}"
    other = small_detector(seed=3)
    load_weights(other, tmp_path / "keras.weights.h5")
    assert same(state(other), state(detector))


def test_a_file_of_another_kind_is_told_plainly(detector, tmp_path):
    (tmp_path / "a.weights.h5").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"are damaged: expected an HDF5 file.*10 bytes of another kind"):
        load_weights(detector, tmp_path / "a.weights.h5")


def test_text_for_numbers_is_damage(detector, tmp_path):
    write_weights(detector, tmp_path / "a.weights.h5")
    with h5py.File(tmp_path / "a.weights.h5", "a") as file:
        del file["stem_bn.gamma"]
        file["stem_bn.gamma"] = "text"
    with pytest.raises(CheckpointError, match=r"stem_bn\.gamma holds"):
        load_weights(detector, tmp_path / "a.weights.h5")


def unnamed_backbone():
    """A network whose layers have Keras's automatic names, which go on counting each time it is built."""
    x = inputs = keras.Input((None, None, 3))
    for filters in (8, 8):
        x = keras.layers.Conv2D(filters, 3, 2, padding="same")(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    return keras.Model(inputs, x)


def test_automatic_layer_names_are_matched_by_their_order(monkeypatch, tmp_path):
    monkeypatch.setitem(BACKBONES, "unnamed", unnamed_backbone)
    first = small_detector(backbone="unnamed")
    first.save(tmp_path / "model")
    second = load(tmp_path / "model")
    names = [[v.path for v in one.backbone.variables] for one in (first, second)]
    assert names[0] != names[1]
    assert same(state(second), state(first))


def test_names_that_only_look_automatic_are_not_matched_by_another_kind(monkeypatch, tmp_path):
    monkeypatch.setitem(BACKBONES, "unnamed", unnamed_backbone)
    write_weights(small_detector(backbone="unnamed"), tmp_path / "a.weights.h5")
    other = small_detector(backbone=TINY)
    with pytest.raises(CheckpointError, match="belong to another model"):
        load_weights(other, tmp_path / "a.weights.h5")
