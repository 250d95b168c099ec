"""Tensors and storages that a PyTorch file describes, as checked, inert records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_DIMENSIONS = 32
MAX_ELEMENTS = 1 << 40
MAX_INTEGER = 1 << 62
# Storage type → how NumPy reads its bytes; bfloat16, which NumPy lacks, is the upper half of a float32.
STORAGE_TYPES: Mapping[str, str] = {
    "torch.FloatStorage": "<f4",
    "torch.DoubleStorage": "<f8",
    "torch.HalfStorage": "<f2",
    "torch.BFloat16Storage": "<u2",
    "torch.LongStorage": "<i8",
    "torch.IntStorage": "<i4",
    "torch.ShortStorage": "<i2",
    "torch.CharStorage": "<i1",
    "torch.ByteStorage": "<u1",
    "torch.BoolStorage": "<u1",
}


class RefusedError(ValueError):
    """Content that state dicts don't have; the message completes "The pickle in the file ..."."""


@dataclass(frozen=True, slots=True)
class Global:
    """A global name in a pickle; never looked up."""

    name: str


@dataclass(frozen=True, slots=True)
class Storage:
    """A contiguous array in the file that tensors are views of.

    Attributes:
        key: Its name in the file.
        kind: A key of `STORAGE_TYPES`.
        size: Number of elements.
    """

    key: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a storage that a tensor may use: all of it, but for views in files before PyTorch 0.4."""

    storage: Storage
    first: int
    size: int


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor as the file describes it; it lies inside its storage.

    Attributes:
        storage: The storage that it is a view of.
        offset: Its first element.
        shape: Its size along each axis.
        strides: Steps along each axis, in elements.
        reach: Elements from its first to its last, both included; 0 if it is empty.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    reach: int


def span_of(identity: Any) -> Span:
    """The storage that a persistent id describes.

    Args:
        identity: `("storage", type, key, location, size[, view])`, view being None or `(key, first, size)`.

    Returns:
        The storage, or the part of it that the view is.

    Raises:
        RefusedError: If it is anything else, or the view leaves the storage.
    """
    if not _is_storage(identity):
        raise RefusedError("has a persistent id that is no storage of a known type")
    _, kind, key, _location, size, *view = identity
    storage = Storage(key, kind.name, size)
    if not view or view[0] is None:
        return Span(storage, 0, size)
    _, first, length = view[0]
    if first + length > size:
        raise RefusedError(f"has a view that leaves storage {shown(key)}")
    return Span(storage, first, length)


def tensor_of(arguments: Any) -> StoredTensor:
    """The tensor that a call of `_rebuild_tensor_v2` describes.

    Args:
        arguments: `(span, offset, shape, strides, requires_grad, hooks[, metadata])`.

    Returns:
        The tensor.

    Raises:
        RefusedError: If they are anything else, or the tensor leaves its storage or has more elements than it.
    """
    if not (type(arguments) is tuple and len(arguments) in (6, 7) and isinstance(arguments[0], Span)):
        raise RefusedError("rebuilds a tensor from other arguments than torch.save writes")
    span, offset, shape, strides = arguments[:4]
    if not (_are_counts((offset,)) and _is_layout(shape, strides)):
        raise RefusedError("has a tensor whose offset, size or strides are no counts")
    reach = 0 if 0 in shape else 1 + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if offset + reach > span.size:
        raise RefusedError(f"has a tensor that leaves its storage {shown(span.storage.key)}")
    if math.prod(shape) > reach or math.prod(n or 1 for n in shape) > MAX_ELEMENTS:
        raise RefusedError("has an expanded tensor, of more elements than are stored")
    return StoredTensor(span.storage, span.first + offset, shape, strides, reach)


def shown(text: str, length: int = 80) -> str:
    """A text from a file, escaped and cut for an error message."""
    return ascii(text if len(text) <= length else f"{text[:length]}...")[1:-1]


def _is_storage(identity: Any) -> bool:
    if type(identity) is not tuple or len(identity) not in (5, 6):
        return False
    mark, kind, key, location, size, *view = identity
    if not (type(mark) is type(key) is type(location) is str and mark == "storage" and _are_counts((size,))):
        return False
    if not (isinstance(kind, Global) and kind.name in STORAGE_TYPES):
        return False
    return not view or view[0] is None or _is_view(view[0])


def _is_view(view: Any) -> bool:
    return type(view) is tuple and len(view) == 3 and _are_counts(view[1:])


def _is_layout(shape: Any, strides: Any) -> bool:
    if type(shape) is not tuple or type(strides) is not tuple or len(shape) != len(strides):
        return False
    return len(shape) <= MAX_DIMENSIONS and _are_counts(shape) and _are_counts(strides)


def _are_counts(values: tuple[Any, ...]) -> bool:
    return all(type(value) is int and 0 <= value < MAX_INTEGER for value in values)
