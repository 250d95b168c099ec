import io
import struct
import tracemalloc

import pytest
import pytorch_writer as writer
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_files import code, read_or_refuse
from pytorch_writer import integer, legacy, plain, zipped

from centernet.checkpoints.pytorch.pickle import interpret

pytest_plugins = ["pytorch_fixtures"]


HOSTILE = {
    "call": (code(b"cos\nsystem\nX\x04\x00\x00\x00true\x85R"), r"asks for os\.system"),
    "eval": (code(b"c__builtin__\neval\n(X\x01\x00\x00\x001tR"), r"asks for __builtin__\.eval"),
    "parameter": (code(b"ctorch._utils\n_rebuild_parameter\n"), r"asks for torch\._utils\._rebuild_parameter"),
    "control characters": (code(b"cos\nsys\x1b[2Jtem\n"), "asks for "),
    "inst": (code(b"(ios\nsystem\n"), "opcode INST"),
    "obj": (code(b"(cos\nsystem\no"), "asks for"),
    "new object": (code(b"ccollections\nOrderedDict\n)\x81"), "opcode NEWOBJ"),
    "stack global": (code("os", "system", b"\x93"), "opcode STACK_GLOBAL"),
    "extension": (code(b"\x82\x01"), "opcode EXT1"),
    "text persistent id": (code(b"Pstorage\n"), "opcode PERSID"),
    "bytes": (code(b"\x8e" + struct.pack("<Q", 1 << 60)), "opcode BINBYTES8|damaged"),
    "byte array": (code(b"\x96" + struct.pack("<Q", 1 << 60)), "opcode BYTEARRAY8|damaged"),
    "long text": (b"\x80\x02X\xff\xff\xff\xff.", "damaged"),
    "long integer": (code(b"\x8b\xff\xff\xff\x7f"), "damaged|opcode LONG4"),
    "many digits": (code(b"I" + b"9" * 5000 + b"\n"), "damaged|opcode INT"),
    "protocol": (b"\x80\x04}.", "protocol 4"),
    "call a dict": (code({}, (), b"R"), "calls a dict"),
    "call a storage type": (code(b"ctorch\nFloatStorage\n)R"), r"calls torch\.FloatStorage"),
    "ordered with items": (code(b"ccollections\nOrderedDict\n", ([],), b"R"), r"calls collections\.OrderedDict"),
    "state of a dict": (code({}, {"__setstate__": 1}, b"b"), "sets the state of a dict"),
    "state of a type": (code(b"ctorch\nFloatStorage\n", {"a": 1}, b"b"), "sets the state"),
    "append to a dict": (code({}, 1, b"a"), "appends to a dict"),
    "items of a list": (code([], "a", 1, b"s"), "sets items of a list"),
    "tuple as key": (code({}, (1,), 1, b"s"), "tuple as the key"),
    "dict as key": (code({}, {}, 1, b"s"), "dict as the key"),
    "float as key": (code({}, float("nan"), 1, b"s"), "float as the key"),
    "huge key": (code({}, 1 << 61, 1, b"s", 1 << 63, 1, b"s"), "int as the key"),
    "odd items": (code({}, b"(", "a", b"u"), "damaged"),
    "nothing": (b"\x80\x02.", "damaged"),
    "two values": (code(1, 2), "damaged"),
    "missing values": (code(1, b"\x86"), "damaged"),
    "no mark": (code(1, b"t"), "damaged"),
    "unknown memo": (code(b"h\x07"), "damaged"),
    "put of nothing": (b"\x80\x02q\x00.", "damaged"),
    "unknown opcode": (b"\x80\x02\xff.", "damaged"),
    "no stop": (b"\x80\x02}", "damaged"),
    "empty": (b"", "damaged"),
}


@pytest.mark.parametrize(("pickle", "reason"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("form", ["zip", "legacy", "legacy keys"])
def test_a_pickle_that_asks_for_anything_else_is_refused(refused, pickle, reason, form):
    start = legacy({})[: -len(plain({})) - len(plain([]))]
    files = {
        "zip": zipped({}, pickle=pickle),
        "legacy": start + pickle,
        "legacy keys": start + plain({}) + pickle,
    }
    message = refused(files[form], reason)
    assert "Nothing was executed" in message
    assert message.isprintable()


@pytest.mark.parametrize("position", [0, 1, 2], ids=["magic", "version", "system"])
def test_every_pickle_of_a_legacy_stream_is_read_in_the_same_way(refused, position):
    heads = [plain(value) for value in (writer.MAGIC, 1001, writer.SYSTEM)]
    heads[position] = code(b"cos\nsystem\nX\x04\x00\x00\x00true\x85R")
    refused(b"".join([*heads, plain({}), plain([])]), "asks for os|neither")


def test_a_name_in_an_error_is_cut(refused):
    assert len(refused(zipped({}, pickle=code(b"c" + b"m" * 100000 + b"\nname\n")), "asks for m")) < 1000


BOMBS = {
    "memo": code({}, b"r" + struct.pack("<I", 0xFFFFFFFF)),
    "hash": code(b"}N\x85" + b"q\x00h\x00\x86" * 10000 + b"Ns"),
    "depth": code(b"}" + b"(" * 100000 + b"t" * 100000 + b"Ns"),
    "deep value": code({}, "a", b"]" * 100000 + b"a" * 99999 + b"s"),
}


@pytest.mark.parametrize("pickle", BOMBS.values(), ids=BOMBS)
def test_a_bomb_takes_no_memory_and_ends(tmp_path, pickle):
    tracemalloc.start()
    try:
        assert not read_or_refuse(tmp_path, zipped({}, pickle=pickle))
        assert tracemalloc.get_traced_memory()[1] < 128 << 20
    finally:
        tracemalloc.stop()


@given(value=st.integers(-(1 << 70), 1 << 70))
def test_integers_are_read_as_they_were_written(value):
    assert interpret(io.BytesIO(b"\x80\x02" + integer(value) + b"."), "it")[0] == value


@settings(max_examples=200, deadline=None)
@given(pickle=st.binary(max_size=60))
def test_any_bytes_as_description_are_a_checkpoint_error_or_a_state_dict(tmp_path_factory, pickle):
    read_or_refuse(tmp_path_factory.getbasetemp(), zipped({}, pickle=b"\x80\x02" + pickle + b"."))
