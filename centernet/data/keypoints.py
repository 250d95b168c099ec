"""Keypoint schemas from what datasets say of them, with defaults for what they leave unsaid."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from centernet.errors import ConfigError
from centernet.files.package import configs_dir
from centernet.files.validation import check_types, to_plain
from centernet.files.yaml_files import read_yaml

DEFAULT_DEVIATION = 0.67
"""Deviation of keypoints that nobody measured: the mean of those of COCO's 17."""
SIGMA_SCALE = 10
"""Deviations are COCO's sigmas (0.026 of a nose) times this, as in `configs/keypoints/coco17.yaml`."""
logger = logging.getLogger("centernet")
_OTHER_SIDE = {"left": "right", "right": "left", "l": "r", "r": "l"}


@dataclass(frozen=True)
class KeypointTask:
    """The keypoints of one class.

    Attributes:
        class_name: Class whose objects have them.
        names: Name of each keypoint.
        skeleton: Pairs of indices that are joined by a line when drawn.
        flip: Index of the keypoint that each becomes when the image is mirrored.
        deviations: How freely each keypoint may be placed: ten times COCO's `sigmas`, as the published models were
            trained with.
    """

    class_name: str
    names: tuple[str, ...]
    skeleton: tuple[tuple[int, int], ...] = ()
    flip: tuple[int, ...] = ()
    deviations: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Check the lengths and make the sequences tuples."""
        check_types(self)
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "skeleton", tuple((int(a), int(b)) for a, b in self.skeleton))
        for field in ("flip", "deviations"):
            values = tuple(to_plain(list(getattr(self, field))))
            object.__setattr__(self, field, values)
            if values and len(values) != len(self.names):
                raise ConfigError(
                    f"Expected one entry a keypoint ({len(self.names)}) in keypoints {field}. Received: {len(values)}"
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
    """A schema from its names, and from whatever else the dataset says.

    What is not said comes from COCO's person if the names are COCO's 17 in their order; otherwise the flip follows from
    the names (`flip_of`), all deviations are `DEFAULT_DEVIATION`, and there is no skeleton.

    Args:
        class_name: The class that has the keypoints.
        names: Name of each keypoint.
        skeleton: Pairs of indices from 0.
        flip: Index of the keypoint that each becomes when the image is mirrored.
        deviations: As in `KeypointTask`.

    Returns:
        The schema.

    Raises:
        ConfigError: If lengths or indices don't fit the names.
    """
    names = [str(name) for name in names]
    if not names:
        raise ConfigError(f"Expected at least one keypoint of class {class_name!r}. Received: none")
    coco = coco_person()
    like_coco = tuple(names) == coco.names
    default = coco if like_coco else KeypointTask(class_name, tuple(names), (), flip_of(names))
    return KeypointTask(
        class_name=class_name,
        names=tuple(names),
        skeleton=default.skeleton if skeleton is None else tuple((int(a), int(b)) for a, b in skeleton),
        flip=default.flip if flip is None else tuple(int(index) for index in flip),
        deviations=(
            (default.deviations or (DEFAULT_DEVIATION,) * len(names))
            if deviations is None
            else tuple(float(deviation) for deviation in deviations)
        ),
    )


def numbered(class_name: str, count: int, flip: Sequence[int] | None = None) -> KeypointTask:
    """The schema of keypoints that have no names: COCO's if there are 17 that mirror like COCO's, else numbered."""
    coco = coco_person()
    if count == len(coco.names) and tuple(flip or ()) == coco.flip:
        return keypoint_task(class_name, coco.names)
    return keypoint_task(class_name, [f"keypoint_{index}" for index in range(count)], flip=flip)


def owner_of(objects: Iterable[tuple[np.ndarray, np.ndarray]], class_names: Sequence[str], where: str) -> str:
    """The class that keypoints belong to, where a format doesn't say: that of most objects with a labeled one.

    Args:
        objects: Of each image, class ids `(n,)` and keypoints `(n, k, 3)`.
        class_names: Name of each class.
        where: What to call the dataset in the warning about further classes that have keypoints.

    Returns:
        Its name; the first class if no keypoint is labeled.
    """
    owners = Counter(
        class_id
        for class_ids, keypoints in objects
        for class_id in class_ids[(keypoints[..., 2] > 0).any(axis=1)].tolist()
        if 0 <= class_id < len(class_names)
    )
    if not owners:
        return class_names[0]
    (owner, _), *others = owners.most_common()
    if others:
        named = ", ".join(class_names[other] for other, _ in others)
        logger.warning("%s: keypoints of %s count as those of %s.", where, named, class_names[owner])
    return class_names[owner]


def flip_of(names: Sequence[str]) -> tuple[int, ...]:
    """Which keypoint each becomes when the image is mirrored: left and right (l and r) in the names are exchanged.

    A name without a counterpart stays itself.

    >>> flip_of(["nose", "left_eye", "right_eye", "ear-l"])
    (0, 2, 1, 3)
    """
    folded = [_words(name) for name in names]
    mirrored = [[_OTHER_SIDE.get(word, word) for word in words] for words in folded]
    found = [folded.index(words) if words in folded else index for index, words in enumerate(mirrored)]
    return tuple(other if found[other] == index else index for index, other in enumerate(found))


def _words(name: str) -> list[str]:
    """The words of a name: leftEye, left_eye, Left Eye and left-eye are the same.

    >>> _words("leftEye"), _words("L_EYE")
    (['left', 'eye'], ['l', 'eye'])
    """
    return re.findall(r"[a-z]+|[0-9]+|[^\W_a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
