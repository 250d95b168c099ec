"""Writes both containers of PyTorch's weight files, byte for byte as torch.save pickles them, and wrong ones."""

from __future__ import annotations

import io
import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
SYSTEM = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
KINDS = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}
BATCH = 1000  # items that the pickler writes at once


@dataclass(eq=False)
class Stored:
    key: str
    kind: str
    data: bytes
    size: int


@dataclass
class Tensor:
    storage: Stored
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0


@dataclass
class Raw:
    """Opcodes that stand for a value."""

    code: bytes


class State(OrderedDict[str, Any]):
    """A state dict with its `_metadata`."""

    metadata: Any = None


def tensor(array: np.ndarray, key: str = "0") -> Tensor:
    """A tensor with a storage of its own, laid out in memory as the array is."""
    array = np.asarray(array)
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    flat = np.ascontiguousarray(array.transpose(order)) if array.ndim else array.reshape(1)
    storage = Stored(key, KINDS[array.dtype.name], flat.tobytes(), array.size)
    return Tensor(storage, array.shape, tuple(stride // array.itemsize for stride in array.strides))


@dataclass
class Pickler:
    """The part of Python's pickler, at protocol 2, that state dicts need."""

    location: str
    legacy: bool
    out: bytearray = field(default_factory=lambda: bytearray(b"\x80\x02"))
    memo: dict[Any, int] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)
    storages: dict[str, Stored] = field(default_factory=dict)

    def dump(self, value: Any) -> bytes:
        self.save(value)
        return bytes(self.out + b".")

    def save(self, value: Any) -> None:
        self.kept.append(value)  # so that no two values have one id
        if value is None or value is True or value is False:
            self.out += {None: b"N", True: b"\x88", False: b"\x89"}[value]
        elif isinstance(value, Raw):
            self.out += value.code
        elif isinstance(value, int):
            self.out += integer(value)
        elif isinstance(value, float):
            self.out += b"G" + struct.pack(">d", value)
        elif isinstance(value, Tensor):
            self.save_tensor(value)
        elif value == () and isinstance(value, tuple):
            self.out += b")"
        elif id(value) in self.memo:
            self.get(id(value))
        else:
            self.save_new(value)

    def save_new(self, value: Any) -> None:
        if isinstance(value, str):
            text = value.encode()
            self.out += b"X" + struct.pack("<I", len(text)) + text
            self.put(id(value))
        elif isinstance(value, tuple):
            self.save_tuple(value)
            self.put(id(value))
        elif isinstance(value, list):
            self.out += b"]"
            self.put(id(value))
            self.save_items(value, b"a", b"e")
        elif isinstance(value, OrderedDict):
            self.save_ordered(value)
        else:
            self.out += b"}"
            self.put(id(value))
            self.save_items(list(value.items()), b"s", b"u")

    def save_tuple(self, value: tuple[Any, ...]) -> None:
        self.out += b"(" if len(value) > 3 else b""
        for item in value:
            self.save(item)
        self.out += b"t" if len(value) > 3 else bytes([0x84 + len(value)])

    def save_items(self, items: list[Any], one: bytes, many: bytes) -> None:
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            self.out += b"(" if len(batch) > 1 else b""
            for item in batch:
                for part in item if many == b"u" else (item,):
                    self.save(part)
            self.out += many if len(batch) > 1 else one

    def save_ordered(self, value: OrderedDict[str, Any]) -> None:
        self.save_global("collections", "OrderedDict")
        self.out += b")R"
        self.put(id(value))
        self.save_items(list(value.items()), b"s", b"u")
        if getattr(value, "metadata", None) is not None:
            self.save({"_metadata": value.metadata})
            self.out += b"b"

    def save_tensor(self, value: Tensor) -> None:
        self.save_global("torch._utils", "_rebuild_tensor_v2")
        self.out += b"("
        self.save_storage(value.storage)
        for part in (value.offset, value.shape, value.strides, False, OrderedDict()):
            self.save(part)
        self.out += b"t"
        self.put(object())
        self.out += b"R"
        self.put(object())

    def save_storage(self, storage: Stored) -> None:
        self.storages[storage.key] = storage
        self.out += b"("
        self.save("storage")
        self.save_global("torch", storage.kind)
        # The legacy form makes the key anew each time.
        self.save("".join(list(storage.key)) if self.legacy and len(storage.key) > 1 else storage.key)
        self.save(self.location)
        self.save(storage.size)
        self.out += b"Nt" if self.legacy else b"t"
        self.put(object())
        self.out += b"Q"

    def save_global(self, module: str, name: str) -> None:
        if (module, name) in self.memo:
            self.get((module, name))
        else:
            self.out += f"c{module}\n{name}\n".encode()
            self.put((module, name))

    def put(self, key: Any) -> None:
        self.kept.append(key)
        index = self.memo[key] = len(self.memo)
        self.out += b"q" + bytes([index]) if index < 256 else b"r" + struct.pack("<I", index)

    def get(self, key: Any) -> None:
        index = self.memo[key]
        self.out += b"h" + bytes([index]) if index < 256 else b"j" + struct.pack("<I", index)


def integer(value: int) -> bytes:
    if 0 <= value < 1 << 16:
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def plain(value: Any) -> bytes:
    """A pickle without tensors."""
    return Pickler("", legacy=True).dump(value)


def legacy(root: Any, *, location: str = "cuda:0", **changed: Any) -> bytes:
    """A legacy stream; `changed` may be `version`, `system`, `keys` or `sizes` (key → size in the stream)."""
    pickler = Pickler(location, legacy=True)
    description = pickler.dump(root)
    keys = changed.get("keys", sorted(pickler.storages))
    heads = (MAGIC, changed.get("version", 1001), changed.get("system", SYSTEM))
    parts = [*map(plain, heads), description, plain(list(keys))]
    for key in keys:
        storage = pickler.storages.get(key, Stored(key, "", b"", 0))
        parts += [struct.pack("<q", changed.get("sizes", {}).get(key, storage.size)), storage.data]
    return b"".join(parts)


def zipped(root: Any, *, folder: str = "archive", compression: int = zipfile.ZIP_STORED, **changed: bytes) -> bytes:
    """A zip archive; `changed` may be `pickle` or `byteorder`."""
    pickler = Pickler("cpu", legacy=False)
    entries = {"data.pkl": pickler.dump(root), "byteorder": b"little"}
    entries |= {f"data/{key}": storage.data for key, storage in pickler.storages.items()}
    entries |= {"version": b"3\n"}
    entries |= {{"pickle": "data.pkl"}.get(name, name): content for name, content in changed.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(f"{folder}/{name}", content)
    return file.getvalue()
