"""Label maps of the Detection API (`label_map.pbtxt`): ids, names and keypoints of classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.formats.shared import category_ids
from centernet.data.image_files import PARSE_ERRORS
from centernet.errors import ConfigError
from centernet.files.text_proto import parse_text_proto

_CONTROLS = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


@dataclass(frozen=True)
class LabelMap:
    """Id of each class (from 1, with gaps) → its name, and → the names of its keypoints."""

    names: Mapping[int, str]
    keypoints: Mapping[int, Sequence[str]] = field(default_factory=dict)


def read_label_map(path: Path) -> LabelMap:
    """Read a label map; `display_name` is preferred to `name`, which may be a code.

    Raises:
        ConfigError: If the file is not a label map.
    """
    try:
        content = parse_text_proto(path.read_text(encoding="utf-8-sig"), str(path))
        items = sorted(map(_item, _as_list(content.get("item"))))
    except PARSE_ERRORS as error:
        raise ConfigError(f"Expected a label map, item {{ id: 1 name: 'cell' }}, in {path}. {error}") from error
    names = {number: name for number, name, _ in items}
    if not items or len(names) < len(items):
        raise ConfigError(f"Expected items with different ids in {path}. Received: {[item[0] for item in items]}")
    return LabelMap(names, {number: keypoints for number, _, keypoints in items if keypoints})


def _item(item: Mapping[str, Any]) -> tuple[int, str, list[str]]:
    keypoints = sorted((int(point["id"]), _unescaped(point["label"])) for point in _as_list(item.get("keypoints")))
    return int(item["id"]), _unescaped(item.get("display_name") or item["name"]), [name for _, name in keypoints]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def label_map_of(dataset: Dataset) -> str:
    """The text of a dataset's label map; classes without ids are counted from 1."""
    items = []
    for number, name in zip(category_ids(dataset), dataset.class_names, strict=True):
        task = dataset.keypoints
        labels = task.names if task and task.class_name == name else ()
        keypoints = "".join(
            f"  keypoints {{\n    id: {index}\n    label: {_quoted(label)}\n  }}\n"
            for index, label in enumerate(labels)
        )
        items.append(f"item {{\n  id: {number}\n  name: {_quoted(name)}\n{keypoints}}}\n")
    return "\n".join(items)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _unescaped(text: str) -> str:
    """The content of a quoted string; protoc writes bytes above 127 in octal."""

    def byte(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8) & 0xFF]) if code.isdigit() else _CONTROLS.get(code, code)

    return re.sub(rb"\\([0-7]{1,3}|.)", byte, text.encode(), flags=re.DOTALL).decode("utf-8", "replace")
