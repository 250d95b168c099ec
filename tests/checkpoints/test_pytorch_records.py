from collections import OrderedDict

import numpy as np
import pytest
import pytorch_writer as writer
from pytorch_files import CONTAINERS, WEIGHTS, code, stored
from pytorch_writer import Stored, Tensor, legacy, plain, tensor, zipped

pytest_plugins = ["pytorch_fixtures"]


LAYOUTS = {
    "too long": (Tensor(stored(), (25,), (1,)), "leaves its storage"),
    "offset": (Tensor(stored(), (24,), (1,), 1), "leaves its storage"),
    "stride": (Tensor(stored(), (3, 8), (9, 1)), "leaves its storage"),
    "huge stride": (Tensor(stored(), (2,), (1 << 61,)), "leaves its storage"),
    "huge": (Tensor(stored(), (1 << 40, 1 << 40), (1 << 40, 1)), "leaves its storage"),
    "negative offset": (Tensor(stored(), (2,), (1,), -1), "no counts"),
    "negative size": (Tensor(stored(), (-2,), (1,)), "no counts"),
    "negative stride": (Tensor(stored(), (2,), (-1,), 5), "no counts"),
    "huge integer": (Tensor(stored(), (1 << 2000,), (1,)), "no counts"),
    "bool": (Tensor(stored(), (True,), (1,)), "no counts"),
    "list": (Tensor(stored(), [2], (1,)), "no counts"),
    "text": (Tensor(stored(), ("2",), (1,)), "no counts"),
    "other length": (Tensor(stored(), (2, 3), (3,)), "no counts"),
    "many axes": (Tensor(stored(), (1,) * 33, (1,) * 33), "no counts"),
    "expanded": (Tensor(stored(1), (1 << 30,), (0,)), "expanded"),
    "empty but huge": (Tensor(stored(), (0, 1 << 50), (1, 1)), "expanded"),
    "empty beyond": (Tensor(stored(), (0,), (1,), 25), "leaves its storage"),
    "negative storage": (Tensor(Stored("0", "FloatStorage", b"", -1), (0,), (1,)), "no storage"),
    "other storage type": (Tensor(Stored("0", "ComplexFloatStorage", b"", 0), (0,), (1,)), "asks for torch"),
}


@CONTAINERS
@pytest.mark.parametrize(("layout", "reason"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_tensor_that_cannot_be_is_refused(refused, container, layout, reason):
    refused(container({"a": layout}), reason)


def test_steps_along_an_axis_of_length_one_may_be_anything(opened):
    checkpoint = opened(zipped({"a": Tensor(stored(), (1, 4), (1 << 61, 1))}))
    np.testing.assert_array_equal(checkpoint.read("a"), [[0, 1, 2, 3]])


def test_a_storage_has_one_size(refused):
    refused(zipped({"a": Tensor(stored(), (2,), (1,)), "b": Tensor(stored(23), (2,), (1,))}), "in two ways")


FLOAT = b"ctorch\nFloatStorage\n"
IDS = {
    "no tuple": ("storage",),
    "other mark": ((b"(", "module", FLOAT, "0", "cpu", 24, b"t"),),
    "short": ((b"(", "storage", FLOAT, "0", "cpu", b"t"),),
    "long": ((b"(", "storage", FLOAT, "0", "cpu", 24, None, None, b"t"),),
    "type as text": ((b"(", "storage", "FloatStorage", "0", "cpu", 24, b"t"),),
    "type of another kind": ((b"(", "storage", b"ccollections\nOrderedDict\n", "0", "cpu", 24, b"t"),),
    "key as number": ((b"(", "storage", FLOAT, 0, "cpu", 24, b"t"),),
    "size as text": ((b"(", "storage", FLOAT, "0", "cpu", "24", b"t"),),
    "view as text": ((b"(", "storage", FLOAT, "0", "cpu", 24, "view", b"t"),),
    "negative view": ((b"(", "storage", FLOAT, "0", "cpu", 24, ("v", -1, 2), b"t"),),
}


@pytest.mark.parametrize("identity", IDS.values(), ids=IDS)
def test_a_persistent_id_that_is_no_storage_is_refused(refused, identity):
    parts = identity[0] if isinstance(identity[0], tuple) else identity
    refused(zipped({}, pickle=code(*parts, b"Q")), "persistent id")


def rebuilt(*identity):
    """`{"a": tensor}` where the storage is given by opcodes; the tensor is the second and third element."""
    rest = (1, (2,), (1,), False, OrderedDict(), b"tRs")
    return code({}, "a", b"ctorch._utils\n_rebuild_tensor_v2\n(", *identity, b"Q", *rest)


def test_a_view_of_the_oldest_files_is_a_window_of_its_storage(opened, refused):
    view = (b"(", "storage", FLOAT, "0", "cpu", 24, ("v", 4, 3), b"t")
    data = legacy({"a": tensor(WEIGHTS)})
    start = data.index(plain(writer.SYSTEM)) + len(plain(writer.SYSTEM))
    tail = data[data.index(plain(["0"])) :]
    checkpoint = opened(data[:start] + rebuilt(*view) + tail)
    np.testing.assert_array_equal(checkpoint.read("a"), [5, 6])
    small, outside = (
        tuple(("v", *place) if part == ("v", 4, 3) else part for part in view) for place in ((4, 2), (22, 3))
    )
    refused(data[:start] + rebuilt(*small) + tail, "leaves its storage")
    refused(data[:start] + rebuilt(*outside) + tail, "view that leaves")


@pytest.mark.parametrize("arguments", [(1, 2), (1, 0, (2,), (1,), False, {}), (1,) * 8])
def test_a_tensor_made_of_something_else_is_refused(refused, arguments):
    refused(zipped({}, pickle=code(b"ctorch._utils\n_rebuild_tensor_v2\n", arguments, b"R")), "other arguments")
