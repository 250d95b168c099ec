"""Text format of protocol buffers, parsed without their definitions."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from centernet.errors import ConfigError

Message = dict[str, Any]

MAX_DEPTH = 100  # nested messages; the limit of protocol buffers themselves
_TOKEN = re.compile(
    r"""\s+|\#[^\n]*|(?P<brace>[{}<>\[\],;])|(?P<colon>:)|
    (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[^\s{}<>\[\],;:\#"']+)""",
    re.VERBOSE,
)
_CLOSING = {"{": "}", "<": ">"}
_BRACES = frozenset("{}<>[]:")
_SEPARATORS = (",", ";")


def parse_text_proto(text: str, where: str) -> Message:
    """Parse the text format of a protocol buffer.

    Args:
        text: The text.
        where: Name of the text in errors.

    Returns:
        Field → string, dict of a message, or a list of these where the field is repeated.

    Raises:
        ConfigError: Braces or values don't match.
    """
    return _Parser(text, where).message(closing=None, depth=0)


class _Parser:
    """Consumes the tokens of a text from the left."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        self._tokens = deque(_tokens(text, where))

    def message(self, closing: str | None, depth: int) -> Message:
        if depth > MAX_DEPTH:
            raise self._error(f"at most {MAX_DEPTH} nested messages", "more")
        fields: Message = {}
        while closing or self._tokens:
            name = self._take()
            if name == closing:
                break
            if name in _SEPARATORS:
                continue
            if name == "[":  # [type.googleapis.com/...] or the name of an extension
                name = "".join(iter(self._take, "]"))
            if name in _BRACES:
                raise self._error("the name of a field", repr(name))
            _add(fields, name, self._value(name, depth))
        return fields

    def _value(self, name: str, depth: int) -> Any:
        token = self._take()
        if token == ":":
            token = self._take()
        if token == "[":
            return [self._single(item, name, depth) for item in iter(self._take, "]") if item != ","]
        return self._single(token, name, depth)

    def _single(self, token: str, name: str, depth: int) -> Any:
        if token in _CLOSING:
            return self.message(_CLOSING[token], depth + 1)
        if token in _BRACES or token in _SEPARATORS:
            raise self._error(f"a value of {name!r}", repr(token))
        if not _is_string(token):
            return token
        value = token[1:-1]
        while self._tokens and _is_string(self._tokens[0]):  # adjacent strings are one
            value += self._take()[1:-1]
        return value

    def _take(self) -> str:
        if not self._tokens:
            raise self._error("a closing brace or a value", "the end: the text is cut short")
        return self._tokens.popleft()

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
