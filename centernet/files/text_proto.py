"""The text form of protocol buffers, read without their definitions: names, braces and values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from centernet.errors import ConfigError

Message = dict[str, Any]

MAX_DEPTH = 100  # of messages in messages, as protocol buffers themselves allow
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<brace>[{}<>\[\],;])|(?P<colon>:)|
    (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[^\s{}<>\[\],;:\#"']+)""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_NO_NAMES = frozenset("{}<>[]:")


def parse_text_proto(text: str, where: str) -> Message:
    """Parse the text form of a protocol buffer.

    Args:
        text: The text.
        where: What to call it in errors.

    Returns:
        Field → string value, dict of a message, or list of these where a field is repeated.

    Raises:
        ConfigError: If braces or values don't match.
    """
    return _Parser(text, where).message(closing=None, depth=0)


class _Parser:
    """Takes tokens one by one, and can look at the next."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._tokens = _tokens(text, where)
        self._next = next(self._tokens, None)

    def message(self, closing: str | None, depth: int) -> Message:
        if depth > MAX_DEPTH:
            raise self._error(f"at most {MAX_DEPTH} messages in each other", "more")
        fields: Message = {}
        while (name := self._take()) != closing:
            if name is None:
                raise self._error(repr(closing), "the end: it is cut short")
            if name in (",", ";"):
                continue
            if name == "[":  # [type.googleapis.com/...] or the name of an extension
                name = "".join(self._until("]"))
            if name in _NO_NAMES:
                raise self._error("the name of a field", repr(name))
            _add(fields, name, self._value(name, depth))
        return fields

    def _value(self, name: str, depth: int) -> Any:
        token = self._take()
        if token == ":":
            token = self._take()
        if token == "[":
            return self._list(name, depth)
        return self._single(token, name, depth)

    def _single(self, token: str | None, name: str, depth: int) -> Any:
        if token in _CLOSING:
            return self.message(_CLOSING[token], depth + 1)
        if token is None or token in _NO_NAMES or token in (",", ";"):
            raise self._error(f"a value of {name!r}", "the end: it is cut short" if token is None else repr(token))
        if not _is_string(token):
            return token
        value = token[1:-1]
        while self._next is not None and _is_string(self._next):  # strings side by side are one
            value += str(self._take())[1:-1]
        return value

    def _list(self, name: str, depth: int) -> list[Any]:
        values: list[Any] = []
        while (token := self._take()) != "]":
            if token != ",":
                values.append(self._single(token, name, depth))
        return values

    def _until(self, end: str) -> Iterator[str]:
        while (token := self._take()) != end:
            if token is None:
                raise self._error(repr(end), "the end: it is cut short")
            yield token

    def _take(self) -> str | None:
        token, self._next = self._next, next(self._tokens, None)
        return token

    def _error(self, expected: str, received: str) -> ConfigError:
        return ConfigError(f"Expected {expected} in {self._where}. Received: {received}")


def _add(fields: Message, name: str, value: Any) -> None:
    if name in fields:
        earlier = fields[name] if isinstance(fields[name], list) else [fields[name]]
        value = [*earlier, *(value if isinstance(value, list) else [value])]
    fields[name] = value


def _is_string(token: str) -> bool:
    return token[0] in "\"'"


def _tokens(text: str, where: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            line = text.count("\n", 0, position) + 1
            raise ConfigError(f"Can't read {where}, line {line}: {text[position : position + 30]!r}")
        position = match.end()
        if match.lastgroup:
            yield match.group()
