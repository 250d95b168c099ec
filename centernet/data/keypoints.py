"""Keypoint schemas: names, skeleton, flip and deviations, with defaults for what a dataset doesn't specify."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from centernet.errors import ConfigError
from centernet.files.environment import configs_dir
from centernet.files.validation import check_types, to_plain
from centernet.files.yaml_files import read_yaml

DEFAULT_DEVIATION = 0.67
"""Deviation of keypoints without one: the mean over COCO's 17."""
SIGMA_SCALE = 10
"""Deviations are COCO's sigmas (0.026 for the nose) times this, as in `configs/keypoints/coco17.yaml`."""
logger = logging.getLogger("centernet")
_OPPOSITE = {"left": "right", "right": "left", "l": "r", "r": "l"}


@dataclass(frozen=True)
class KeypointTask:
    """The keypoints of one class.

    Attributes:
        class_name: Class whose objects have the keypoints.
        names: Name of each keypoint.
        skeleton: Pairs of indices that a drawing connects.
        flip: Index of the keypoint that each one becomes in a mirrored image.
        deviations: Tolerance of each keypoint's position: ten times COCO's `sigmas`, as the published models were
            trained with.
    """

    class_name: str
    names: tuple[str, ...]
    skeleton: tuple[tuple[int, int], ...] = ()
    flip: tuple[int, ...] = ()
    deviations: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check lengths and indices, and convert the sequences to tuples."""
        check_types(self)
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "skeleton", tuple((int(a), int(b)) for a, b in self.skeleton))
        for field in ("flip", "deviations"):
            values = tuple(to_plain(list(getattr(self, field))))
            object.__setattr__(self, field, values)
            if values and len(values) != len(self.names):
                raise ConfigError(
                    f"Expected one entry per keypoint ({len(self.names)}) in keypoints {field}. Received: {len(values)}"
                )
        indices = {index for pair in self.skeleton for index in pair} | set(self.flip)
        if indices - set(range(len(self.names))):
            raise ConfigError(
                f"Expected keypoint indices of 0–{len(self.names) - 1} in skeleton and flip. "
                f"Received: {sorted(indices)}"
            )


@cache
def coco_person() -> KeypointTask:
    """The 17 keypoints of a person in COCO."""
    return KeypointTask(**read_yaml(configs_dir() / "keypoints" / "coco17.yaml"))


def keypoint_task(
    class_name: str,
    names: Sequence[str],
    *,
    skeleton: Sequence[Sequence[int]] | None = None,
    flip: Sequence[int] | None = None,
    deviations: Sequence[float] | None = None,
) -> KeypointTask:
    """A schema from keypoint names and whatever else the dataset specifies; arguments are those of `KeypointTask`.

    Missing parts are those of COCO's person if the names are COCO's 17 in their order. Otherwise the flip follows from
    the names (`flip_of`), all deviations are `DEFAULT_DEVIATION`, and the skeleton is empty.

    Raises:
        ConfigError: If there is no name, or lengths or indices don't match the names.
    """
    names = tuple(map(str, names))
    if not names:
        raise ConfigError(f"Expected at least one keypoint of class {class_name!r}. Received: none")
    coco = coco_person()
    default = coco if names == coco.names else KeypointTask(class_name, names, (), flip_of(names))
    given = default.deviations or (DEFAULT_DEVIATION,) * len(names) if deviations is None else deviations
    return KeypointTask(
        class_name=class_name,
        names=names,
        skeleton=default.skeleton if skeleton is None else tuple((int(a), int(b)) for a, b in skeleton),
        flip=default.flip if flip is None else tuple(map(int, flip)),
        deviations=tuple(map(float, given)),
    )


def unnamed_keypoints(class_name: str, count: int, flip: Sequence[int] | None = None) -> KeypointTask:
    """The schema of keypoints without names: COCO's if there are 17 with COCO's flip, else `keypoint_0` and so on."""
    coco = coco_person()
    if count == len(coco.names) and tuple(flip or ()) == coco.flip:
        return keypoint_task(class_name, coco.names)
    return keypoint_task(class_name, [f"keypoint_{index}" for index in range(count)], flip=flip)


def keypoint_class(objects: Iterable[tuple[np.ndarray, np.ndarray]], class_names: Sequence[str], where: str) -> str:
    """The class of keypoints if a format doesn't name it: the one with most objects that have a labeled keypoint.

    `objects` are class ids `(n,)` and keypoints `(n, k, 3)` of each image, `where` names the dataset in a warning about
    further classes with keypoints. If no keypoint is labeled, it is the first class.
    """
    counts = Counter(
        class_id
        for class_ids, keypoints in objects
        for class_id in class_ids[(keypoints[..., 2] > 0).any(axis=1)].tolist()
        if 0 <= class_id < len(class_names)
    )
    if not counts:
        return class_names[0]
    best, *rest = (class_names[class_id] for class_id, _ in counts.most_common())
    if rest:
        logger.warning("%s: keypoints of %s count as those of %s.", where, ", ".join(rest), best)
    return best


def flip_of(names: Sequence[str]) -> tuple[int, ...]:
    """Index of the keypoint that each one becomes in a mirrored image, from left and right (l and r) in the names.

    A name without a counterpart keeps its index.

    >>> flip_of(["nose", "left_eye", "right_eye", "ear-l"])
    (0, 2, 1, 3)
    """
    words = [_words(name) for name in names]
    mirrored = [[_OPPOSITE.get(word, word) for word in name] for name in words]
    flip = [words.index(name) if name in words else index for index, name in enumerate(mirrored)]
    return tuple(mirror if flip[mirror] == index else index for index, mirror in enumerate(flip))


def _words(name: str) -> list[str]:
    """The words of a name: leftEye, left_eye, Left Eye and left-eye are the same.

    >>> _words("leftEye"), _words("L_EYE")
    (['left', 'eye'], ['l', 'eye'])
    """
    return re.findall(r"[a-z]+|[0-9]+|[^\W_a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
