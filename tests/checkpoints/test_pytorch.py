import gzip
import json
import tracemalloc
import zlib
from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pytorch_files import CONTAINERS, FOLDER, WEIGHTS, contents, read_or_refuse, same
from pytorch_writer import State, Stored, Tensor, legacy, tensor, zipped

from centernet.checkpoints.pytorch.checkpoint import PyTorchCheckpoint
from centernet.errors import CheckpointError

pytest_plugins = ["pytorch_fixtures"]
PUBLISHED = FOLDER / "triplet_partial_legacy_cuda.pkl"
REAL = (FOLDER / "all_types_legacy_cuda.pth", FOLDER / "all_types_zip.pth")
NAMES = ["float", "double", "half", "bfloat16", "long", "int", "short", "char", "byte", "bool"]


def test_the_published_form_is_read():
    checkpoint = PyTorchCheckpoint(PUBLISHED)
    assert checkpoint.form == "PyTorch legacy stream"
    assert (checkpoint.prefix, checkpoint.stripped, checkpoint.outer) == (PUBLISHED, "module.", ())
    assert len(checkpoint.shapes) == 18
    assert checkpoint.shapes["pre.0.conv.weight"] == (128, 3, 7, 7)
    assert checkpoint.shapes["pre.0.bn.num_batches_tracked"] == ()
    assert checkpoint.read("pre.0.bn.num_batches_tracked") == np.int64(480000)


@pytest.mark.parametrize("layer", ["pre.0.bn", "tl_cnvs.1.p1_conv1.bn", "inters_.0.1"])
def test_its_numbers_are_those_that_were_written(layer):
    checkpoint = PyTorchCheckpoint(PUBLISHED)

    def drawn(name, kind):
        generator = np.random.Generator(np.random.PCG64(zlib.crc32(f"{layer}.{name}".encode())))
        return getattr(generator, kind)(checkpoint.shapes[f"{layer}.{name}"], dtype=np.float32)

    expected = {
        "weight": np.float32(0.6) + drawn("weight", "random") * np.float32(1.2 - 0.6),
        "bias": drawn("bias", "standard_normal") * np.float32(0.1),
        "running_mean": drawn("running_mean", "standard_normal") * np.float32(0.1),
        "running_var": np.float32(0.6) + drawn("running_var", "random") * np.float32(1.4 - 0.6),
    }
    for name, array in expected.items():
        np.testing.assert_allclose(checkpoint.read(f"{layer}.{name}"), array, rtol=1e-6)


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_every_storage_type_and_layout_is_read(path):
    checkpoint = PyTorchCheckpoint(path)
    six = np.arange(6).reshape(2, 3)
    types = dict.fromkeys(("float", "half", "bfloat16"), np.float32) | {"double": np.float64, "bool": np.bool_}
    types |= {"long": np.int64, "int": np.int32, "short": np.int16, "char": np.int8, "byte": np.uint8}
    shared = np.arange(24, dtype=np.float32).reshape(4, 6) / 8
    expected = {name: six.astype(types[name]) for name in NAMES}
    expected |= {"transposed": shared.T, "window": shared[1:3, 2:5]}
    expected |= {"scalar": np.array(480000), "empty": np.zeros((0, 3), np.float32)}
    assert same(contents(checkpoint), {name: np.ascontiguousarray(a).reshape(a.shape) for name, a in expected.items()})
    assert checkpoint.outer == ("epoch", "optimizer")
    assert checkpoint.stripped == "module."


def test_the_writer_of_these_tests_pickles_as_pytorch_does():
    """What it writes is then a fair stand-in for what PyTorch writes."""
    data = PUBLISHED.read_bytes()
    checkpoint = PyTorchCheckpoint(PUBLISHED)
    tensors, metadata = State(), OrderedDict([("", {"version": 1})])
    for key, record in checkpoint._tensors.items():
        place = checkpoint._places[record.storage.key]
        numbers = data[place.start : place.start + place.bytes]
        kind = record.storage.kind.removeprefix("torch.")
        storage = Stored(record.storage.key, kind, numbers, record.storage.size)
        tensors[f"module.{key}"] = Tensor(storage, record.shape, record.strides)
        path = f"module.{key}".split(".")[:-1]
        for depth in range(1, len(path) + 1):
            metadata.setdefault(".".join(path[:depth]), {"version": 1})
        if key.endswith("running_var"):
            metadata[".".join(path)] = {"version": 2}
    tensors.metadata = metadata
    assert legacy(tensors) == data


def test_the_forms_of_the_other_reference_are_read(shared):
    folder = shared / "goldens" / "triplets" / "checkpoints"
    first, second = (PyTorchCheckpoint(folder / f"oap_partial_{form}.pth") for form in ("legacy_cuda", "zip_cpu"))
    assert (first.form, second.form) == ("PyTorch legacy stream", "PyTorch zip archive")
    assert same(contents(first), contents(second))
    assert first.outer == second.outer == ("epoch",)
    assert (first.stripped, len(first.shapes)) == ("", 10)


@pytest.mark.parametrize(("kind", "data", "value"), [("BFloat16Storage", b"\xc0\x3f", 1.5), ("BoolStorage", b"\2", 1)])
def test_a_number_alone_stays_an_array(opened, kind, data, value):
    array = opened(zipped({"a": Tensor(Stored("0", kind, data, 1), (), ())})).read("a")
    assert isinstance(array, np.ndarray)
    assert (array.shape, array) == ((), value)


@pytest.mark.parametrize(
    ("keys", "stripped", "expected"),
    [
        (("module.a", "module.b.c"), "module.", ("a", "b.c")),
        (("module.a", "b"), "", ("module.a", "b")),
        (("module_list.0", "module_list.1"), "", ("module_list.0", "module_list.1")),
        ((), "", ()),
    ],
)
def test_a_prefix_is_stripped_if_every_key_has_it(opened, keys, stripped, expected):
    checkpoint = opened(zipped({key: tensor(WEIGHTS) for key in keys}))
    assert (tuple(checkpoint.shapes), checkpoint.stripped) == (expected, stripped)


def test_what_is_no_weight_has_a_reason(opened):
    state = {key: tensor(WEIGHTS) for key in ("pre.0.bn.num_batches_tracked", "base.fc.weight", "pre.0.bn.bias")}
    checkpoint = opened(zipped({"epoch": 3, "state_dict": state, "optimizer": {"state": {0: {}}}, "best": 0.5}))
    reasons = {key: checkpoint.beside_the_model(key) for key in (*checkpoint.shapes, *checkpoint.outer)}
    assert reasons == {
        "pre.0.bn.num_batches_tracked": "counter of batch normalization",
        "base.fc.weight": "ImageNet classifier of the trunk",
        "pre.0.bn.bias": None,
        "epoch": "counter",
        "optimizer": "optimizer state",
        "best": "entry beside the state dict",
    }


def test_a_key_that_is_not_there_is_an_error(opened):
    with pytest.raises(CheckpointError, match="no tensor 'b'"):
        opened(zipped({"a": tensor(WEIGHTS)})).read("b")


@pytest.mark.parametrize("root", [3, [tensor(WEIGHTS)], {"a": 3}, {3: tensor(WEIGHTS)}, {"state_dict": 3}, None])
def test_something_else_than_a_state_dict_is_refused(refused, root):
    refused(legacy(root), "Expected a state dict")


def test_only_the_tensor_that_is_read_takes_memory(tmp_path):
    path, count = tmp_path / "large.pth", 1 << 29
    small = Stored("0", "FloatStorage", WEIGHTS.tobytes(), WEIGHTS.size)
    large = Stored("1", "FloatStorage", b"", count)
    root = {"a": Tensor(small, (24,), (1,)), "b": Tensor(large, (1 << 20, 512), (512, 1))}
    path.write_bytes(legacy(root))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 4 * count)  # a hole, so that it takes no room on the disk
    tracemalloc.start()
    try:
        checkpoint = PyTorchCheckpoint(path)
        np.testing.assert_array_equal(checkpoint.read("a"), WEIGHTS.ravel())
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


@CONTAINERS
def test_reading_takes_no_more_than_the_tensor(opened, container):
    checkpoint = opened(container({"a": tensor(np.zeros((512, 1024), np.float32))}))
    tracemalloc.start()
    try:
        array = checkpoint.read("a")
        assert tracemalloc.get_traced_memory()[1] < array.nbytes * 1.05
    finally:
        tracemalloc.stop()


def test_a_file_that_became_shorter_is_an_error(opened):
    checkpoint = opened(legacy({"a": tensor(WEIGHTS)}))
    checkpoint.prefix.write_bytes(checkpoint.prefix.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="shorter"):
        checkpoint.read("a")


KINDS = [np.float32, np.float64, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_]
ANY_ARRAY = st.sampled_from(KINDS).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
)


@CONTAINERS
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_arrays_of_any_type_and_layout_come_back(tmp_path_factory, container, data):
    given_arrays = data.draw(st.lists(ANY_ARRAY, max_size=4))
    laid_out = [array.transpose(data.draw(st.permutations(range(array.ndim)))) for array in given_arrays]
    path = tmp_path_factory.mktemp("arrays") / "a.pth"
    path.write_bytes(container({f"k{i}": tensor(array, str(i)) for i, array in enumerate(laid_out)}))
    expected = {
        f"k{i}": array.astype(np.float32 if array.dtype == np.float16 else array.dtype, order="C")
        for i, array in enumerate(laid_out)
    }
    assert same(contents(PyTorchCheckpoint(path)), expected)


@pytest.fixture(scope="module")
def good():
    state = State((f"module.{name}", tensor(array, f"{i}{i}")) for i, (name, array) in enumerate(SMALL.items()))
    state.metadata = OrderedDict([("", {"version": 1})])
    root = {"epoch": 140, "state_dict": state}
    return {container: container(root) for container in (legacy, zipped)}


SMALL = {
    "a.weight": np.arange(12, dtype=np.float32).reshape(3, 4).T,
    "a.bias": np.arange(3, dtype=np.float16),
    "a.num_batches_tracked": np.array(7),
}
EXPECTED = {name: a.astype(np.float32 if a.dtype == np.float16 else a.dtype, order="C") for name, a in SMALL.items()}


@CONTAINERS
def test_a_truncated_file_is_always_an_error(tmp_path, good, container):
    data = good[container]
    assert same(read_or_refuse(tmp_path, data), EXPECTED)
    for length in range(len(data)):
        assert read_or_refuse(tmp_path, data[:length]) is None


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_changed_byte_of_an_archive_is_an_error_or_makes_no_difference(tmp_path_factory, good, data):
    changed = bytearray(good[zipped])
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    found = read_or_refuse(tmp_path_factory.getbasetemp(), bytes(changed))
    assert found is None or same(found, EXPECTED)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_changed_byte_of_a_legacy_stream_is_an_error_or_gives_arrays_of_its_size(tmp_path_factory, good, data):
    """It has no checksums, so changed numbers or names can't be told; strict loading finds changed names."""
    changed = bytearray(good[legacy])
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    found = read_or_refuse(tmp_path_factory.getbasetemp(), bytes(changed))
    assert found is None or sum(array.size for array in found.values()) <= len(changed)


def test_a_changed_number_of_a_legacy_stream_changes_only_itself(tmp_path, good):
    data = bytearray(good[legacy])
    at = data.index(np.arange(12, dtype=np.float32).tobytes()) + 4 * 5
    data[at : at + 4] = np.float32(99).tobytes()
    found = read_or_refuse(tmp_path, bytes(data))
    expected = EXPECTED | {"a.weight": np.where(EXPECTED["a.weight"] == 5, np.float32(99), EXPECTED["a.weight"])}
    assert same(found, expected)


def test_manifests_of_both_references_can_be_written_and_read(tmp_path):
    """More than a thousand entries: the pickler writes them in several batches."""
    manifest = json.loads(gzip.decompress((FOLDER / "manifests.json.gz").read_bytes()))["centernet_triplet_hg104"]
    state = State((key, Tensor(Stored(str(i), "FloatStorage", b"", 0), (0,), (1,))) for i, key in enumerate(manifest))
    path = tmp_path / "names.pth"
    path.write_bytes(legacy(state))
    assert [f"module.{key}" for key in PyTorchCheckpoint(path).shapes] == list(manifest)
