"""Label maps of the Detection API (`label_map.pbtxt`): ids, names and keypoints of classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.keypoints import KeypointTask
from centernet.data.skipped_images import PARSE_ERRORS
from centernet.errors import ConfigError
from centernet.files.text_proto import parse_text_proto

_CONTROLS = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


@dataclass(frozen=True)
class LabelMap:
    """Id of each class (from 1, gaps are allowed) → its name; and names of the keypoints of one of them."""

    names: Mapping[int, str]
    keypoints: Mapping[int, Sequence[str]] = field(default_factory=dict)


def read_label_map(path: Path) -> LabelMap:
    """Read a label map; `display_name` goes before `name`, which may be a code.

    Raises:
        ConfigError: If it is none.
    """
    try:
        content = parse_text_proto(path.read_text(encoding="utf-8-sig"), str(path))
        items = [_item(item) for item in _as_list(content.get("item"))]
    except PARSE_ERRORS as error:
        raise ConfigError(f"Expected a label map, item {{ id: 1 name: 'cell' }}, in {path}. {error}") from error
    if not items or len({number for number, _, _ in items}) < len(items):
        raise ConfigError(f"Expected items with different ids in {path}. Received: {[item[0] for item in items]}")
    items.sort()
    return LabelMap(
        {number: name for number, name, _ in items},
        {number: keypoints for number, _, keypoints in items if keypoints},
    )


def _item(item: Mapping[str, Any]) -> tuple[int, str, list[str]]:
    keypoints = sorted((int(point["id"]), _unescaped(point["label"])) for point in _as_list(item.get("keypoints")))
    return int(item["id"]), _unescaped(item.get("display_name") or item["name"]), [name for _, name in keypoints]


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def label_map_of(dataset: Dataset) -> str:
    """The text of a dataset's label map; classes without ids are counted from 1."""
    ids = dataset.dataset_ids or range(1, len(dataset.class_names) + 1)
    return "\n".join(
        f'item {{\n  id: {number}\n  name: "{_escaped(name)}"\n{_keypoints_of(dataset.keypoints, name)}}}\n'
        for number, name in zip(ids, dataset.class_names, strict=True)
    )


def _keypoints_of(task: KeypointTask | None, name: str) -> str:
    if not task or task.class_name != name:
        return ""
    return "".join(
        f'  keypoints {{\n    id: {number}\n    label: "{_escaped(label)}"\n  }}\n'
        for number, label in enumerate(task.names)
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unescaped(text: str) -> str:
    """The text of a quoted string; protoc writes bytes above 127 in octal."""

    def byte(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8) & 0xFF]) if code.isdigit() else _CONTROLS.get(code, code)

    return re.sub(rb"\\([0-7]{1,3}|.)", byte, text.encode(), flags=re.DOTALL).decode("utf-8", "replace")
