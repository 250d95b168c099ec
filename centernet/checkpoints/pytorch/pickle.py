"""Reading the pickles in PyTorch's weight files without executing anything.

A pickle is a program. Python's own machine for it, even with a `find_class` that refuses, takes gigabytes for a
memo index of the author's choice, hashes nested tuples without end and overruns the C stack on deep ones. The
one here knows the opcodes that `torch.save` writes, and nothing in it calls anything that a file names.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from centernet.checkpoints.pytorch.records import (
    MAX_INTEGER,
    STORAGE_TYPES,
    Global,
    RefusedError,
    Storage,
    shown,
    span_of,
    tensor_of,
)
from centernet.errors import CheckpointError

PROTOCOL = 2
ORDERED_DICT = "collections.OrderedDict"
REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2"
GLOBALS = frozenset({ORDERED_DICT, REBUILD_TENSOR, *STORAGE_TYPES})


class OrderedRecord(dict[Any, Any]):
    """What stands for an `OrderedDict`."""

    __slots__ = ()


def interpret(stream: BytesIO, source: str) -> tuple[Any, dict[str, Storage]]:
    """Read one pickle.

    Args:
        stream: Where it starts; left behind its end.
        source: What to call the file in errors.

    Returns:
        What it describes: dicts, lists, tuples, numbers, strings and `StoredTensor`; and its storages by key.

    Raises:
        CheckpointError: If the pickle asks for anything else, is damaged, or ends too early.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            if opcode.name != "STOP":
                machine.step(opcode.name, argument)
        (value,) = machine.stack
    except RefusedError as error:
        raise CheckpointError(
            f"The pickle in {source} {error}. Nothing was executed. If you trust the file, load it in PyTorch and "
            "torch.save the state_dict() alone."
        ) from error
    except (ValueError, IndexError, KeyError) as error:
        raise CheckpointError(
            f"The description of the tensors in {source} is damaged, too long or ends too early "
            f"({shown(str(error))}). Nothing was executed. Download or copy the file again."
        ) from error
    return value, machine.storages


@dataclass
class _Machine:
    stack: list[Any] = field(default_factory=list)
    marks: list[list[Any]] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)

    def step(self, opcode: str, argument: Any) -> None:
        if opcode not in _STEPS:
            raise RefusedError(f"uses opcode {opcode}, which torch.save doesn't write")
        _STEPS[opcode](self, argument)

    def protocol(self, number: int) -> None:
        if number != PROTOCOL:
            raise RefusedError(f"has protocol {number}, not {PROTOCOL}")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self, _: None) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def last(self, count: int) -> list[Any]:
        items = [self.stack.pop() for _ in range(count)]
        return items[::-1]

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise RefusedError(f"appends to a {type(target).__name__}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise RefusedError(f"sets items of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Only such keys hash in constant time.
            if not (type(key) is str or (type(key) is int and abs(key) < MAX_INTEGER)):
                raise RefusedError(f"has a {type(key).__name__} as the key of a dict")
            target[key] = value

    def find(self, names: str) -> None:
        name = names.replace(" ", ".", 1)  # genops gives "module name"
        if name not in GLOBALS:
            raise RefusedError(
                f"asks for {shown(name)}, but only OrderedDict, plain tensors and their storages are read"
            )
        self.stack.append(Global(name))

    def call(self, _: None) -> None:
        function, arguments = self.last(2)
        if function == Global(ORDERED_DICT) and arguments == ():
            self.stack.append(OrderedRecord())
        elif function == Global(REBUILD_TENSOR):
            self.stack.append(tensor_of(arguments))
        else:
            name = function.name if isinstance(function, Global) else f"a {type(function).__name__}"
            raise RefusedError(f"calls {name} in a way that torch.save doesn't")

    def build(self, _: None) -> None:
        """Drop the state of an `OrderedDict`: the `_metadata` of a state dict isn't needed."""
        target, _state = self.last(2)
        if not isinstance(target, OrderedRecord):
            raise RefusedError(f"sets the state of a {type(target).__name__}")
        self.stack.append(target)

    def storage(self, _: None) -> None:
        span = span_of(self.stack.pop())
        if self.storages.setdefault(span.storage.key, span.storage) != span.storage:
            raise RefusedError(f"describes storage {shown(span.storage.key)} in two ways")
        self.stack.append(span)


_STEPS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.protocol,
    **dict.fromkeys(("NONE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE"), _Machine.push),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(tuple(machine.last(1))),
    "TUPLE2": lambda machine, _: machine.push(tuple(machine.last(2))),
    "TUPLE3": lambda machine, _: machine.push(tuple(machine.last(3))),
    "MARK": _Machine.mark,
    "TUPLE": lambda machine, _: machine.push(tuple(machine.to_mark())),
    "APPEND": lambda machine, _: machine.append(machine.last(1)),
    "APPENDS": lambda machine, _: machine.append(machine.to_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.to_mark()),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), _Machine.get),
    "GLOBAL": _Machine.find,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.storage,
}
