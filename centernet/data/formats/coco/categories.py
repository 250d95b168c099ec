"""Categories of a COCO JSON: ids, names, keypoints."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centernet.data.classes import class_names
from centernet.data.keypoints import SIGMA_SCALE, KeypointTask, keypoint_task
from centernet.data.skipped_images import PARSE_ERRORS
from centernet.errors import ConfigError

Row = Mapping[str, Any]
logger = logging.getLogger("centernet")


@dataclass(frozen=True)
class Categories:
    """What a file says of its classes."""

    ids: tuple[int, ...]
    names: tuple[str, ...]
    keypoints: KeypointTask | None

    @property
    def keypoint_id(self) -> int | None:
        """Id of the category that has the keypoints."""
        return self.ids[self.names.index(self.keypoints.class_name)] if self.keypoints else None


def category_id(value: Any) -> Any:
    """An id as it is compared: some files have numbers here and texts there, or whole numbers with a point.

    >>> category_id("1"), category_id(1.0), category_id("cat")
    (1, 1, 'cat')
    """
    try:
        return int(value) if isinstance(value, str) or (isinstance(value, float) and value.is_integer()) else value
    except ValueError:
        return value


def read_categories(rows: Sequence[Row], annotations: Iterable[Any], path: Path) -> Categories:
    """The categories in their order.

    Of several that have one name, those that no annotation has are left out, with a warning.

    Args:
        rows: `categories` of the file.
        annotations: `annotations` of the file.
        path: The file.

    Raises:
        ConfigError: If an id or a name is missing, an id is there twice, or annotations have several categories of one
            name.
    """
    try:
        ids = [int(row["id"]) for row in rows]
        if len(set(ids)) != len(ids):
            raise ConfigError(f"Expected different ids. Received: {tuple(ids)}")
        named = {number: str(row["name"]).strip() for number, row in zip(ids, rows, strict=True)}
        class_names([*dict.fromkeys(named.values())])
        found = {number: _task(row) for number, row in zip(ids, rows, strict=True) if row.get("keypoints")}
    except PARSE_ERRORS as error:
        raise ConfigError(f"Expected categories with id and name in {path}. {error!r}") from error
    superfluous = _superfluous(named, annotations, path)
    kept = {number: name for number, name in named.items() if number not in superfluous}
    tasks = [task for number, task in found.items() if number in kept]
    if len(tasks) > 1:
        others = ", ".join(task.class_name for task in tasks[1:])
        logger.warning("%s: only the keypoints of %s are read, not those of %s.", path, tasks[0].class_name, others)
    return Categories(tuple(kept), tuple(kept.values()), tasks[0] if tasks else None)


def _superfluous(named: Mapping[int, str], annotations: Iterable[Any], path: Path) -> set[int]:
    """Ids of categories that have the name of another and no annotation."""
    same: dict[str, list[int]] = defaultdict(list)
    for number, name in named.items():
        same[name].append(number)
    same = {name: ids for name, ids in same.items() if len(ids) > 1}
    if not same:
        return set()
    used = {str(category_id(row.get("category_id"))) for row in annotations if isinstance(row, Mapping)}
    return {number for name, ids in same.items() for number in _unused(name, ids, used, path)}


def _unused(name: str, ids: Sequence[int], used: set[str], path: Path) -> list[int]:
    kept = [number for number in ids if str(number) in used] or list(ids[:1])
    if len(kept) > 1:
        raise ConfigError(
            f"Expected one category of each name in {path}. Received: ids {kept} are all called {name!r}, and "
            "annotations have each of them. Give each id a name of its own, or all of these annotations one id."
        )
    left_out = [number for number in ids if number not in kept]
    logger.warning(
        "%s: of the categories %s, which are all called %s, %s has the objects; the others are left out.",
        *(path, list(ids), name, kept[0]),
    )
    return left_out


def _task(row: Row) -> KeypointTask:
    """The schema of a category; `flip_idx` and `sigmas` are no part of COCO's format, but some files have them."""
    sigmas = row.get("sigmas")
    skeleton = row.get("skeleton")
    return keypoint_task(
        str(row["name"]).strip(),
        row["keypoints"],
        skeleton=None if skeleton is None else [(a - 1, b - 1) for a, b in skeleton],
        flip=row.get("flip_idx"),
        deviations=None if sigmas is None else [round(sigma * SIGMA_SCALE, 9) for sigma in sigmas],
    )
