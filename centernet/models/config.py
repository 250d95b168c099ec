"""The description of a model, as stored in the YAMLs of `configs/` and in `config.json` of a saved model."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from centernet.data.classes import class_names
from centernet.data.keypoints import KeypointTask
from centernet.errors import ConfigError
from centernet.files.validation import check_at_most, check_types, dataclass_from, to_plain
from centernet.models.heads import HeadSettings
from centernet.models.settings import (
    PointDecoderSettings,
    PointHeadSettings,
    TripletDecoderSettings,
    TripletHeadSettings,
)
from centernet.models.test_time import TestTime
from centernet.ops.preprocessing import Preprocessing


class FamilySettings(NamedTuple):
    """Settings classes of a detector family."""

    heads: type[HeadSettings]
    decoder: type


FAMILIES: Mapping[str, FamilySettings] = {
    "points": FamilySettings(PointHeadSettings, PointDecoderSettings),
    "triplets": FamilySettings(TripletHeadSettings, TripletDecoderSettings),
}
MAX_SIDE = 2**15  # pixels of the network's input
TASKS = ("boxes", "boxes+keypoints", "keypoints")
# Sections that may be empty.
DEFAULTED = ("heads", "decoder", "archive", "published", "dataset_ids")


@dataclass(frozen=True)
class Archive:
    """Source of the published weights.

    Attributes:
        url: Address of the archive.
        checkpoint: Prefix of the checkpoint inside it.
        sha256: File inside the archive → its hash, if known.
        bundled: Path below `configs/` of weights that ship with the library (instead of an archive).
        page: Page of the authors with a link that a program can't fetch (instead of an archive).
        file: Name of that file.
    """

    url: str | None = None
    checkpoint: str | None = None
    sha256: Mapping[str, str] = field(default_factory=dict)
    bundled: str | None = None
    page: str | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        check_types(self)


@dataclass(frozen=True)
class Published:
    """Figures of the publisher: average precision on `dataset` (0–100), latency in milliseconds."""

    box_ap: float | None = None
    keypoint_ap: float | None = None
    latency_ms: float | None = None
    dataset: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        check_types(self)


@dataclass(frozen=True)
class ModelConfig:
    """Everything needed to build a detector and to read its output.

    Attributes:
        name: Name of the model.
        family: Key of `FAMILIES`.
        task: One of `TASKS`.
        backbone: `name` (key of `centernet.backbones.BACKBONES`) and arguments of its function.
        heads: `HeadSettings` of the family.
        preprocessing: Resizing and normalization of images.
        decoder: `DecoderSettings` of the family.
        classes: Name of each class.
        dataset_ids: Id of each class in the dataset; by default `class_id + 1`.
        keypoints: The keypoints of one class, if the model has keypoint heads.
        test_time: Test-time passes behind the published figures, if more than one.
        archive: Source of the published weights.
        published: Published figures.
    """

    name: str
    backbone: Mapping[str, Any]
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    heads: Any
    decoder: Any
    family: str = "points"
    task: str = "boxes"
    dataset_ids: tuple[int, ...] = ()
    keypoints: KeypointTask | None = None
    test_time: TestTime | None = None
    archive: Archive = field(default_factory=Archive)
    published: Published = field(default_factory=Published)

    def __post_init__(self) -> None:
        """Check the parts, and that they agree with each other."""
        object.__setattr__(self, "classes", class_names(self.classes))
        object.__setattr__(self, "backbone", to_plain(self.backbone))
        check_types(self)
        check_at_most("preprocessing", MAX_SIDE, size=self.preprocessing.size, step=self.preprocessing.step)
        if not self.name.strip():
            raise ConfigError(f"Expected a name for the model. Received: {self.name!r}")
        if self.family not in FAMILIES:
            raise ConfigError(f"Expected a family of {sorted(FAMILIES)}. Received: family={self.family!r}")
        self._check_family_settings()
        if self.task not in TASKS:
            raise ConfigError(f"Expected a task of {TASKS}. Received: task={self.task!r}")
        if not isinstance(self.backbone.get("name"), str):
            raise ConfigError(f"Expected a backbone with its name. Received: backbone={dict(self.backbone)}")
        ids = tuple(to_plain(list(self.dataset_ids))) or tuple(range(1, len(self.classes) + 1))
        if len(ids) != len(self.classes):
            raise ConfigError(f"Expected one dataset id a class ({len(self.classes)}). Received: {len(ids)}")
        object.__setattr__(self, "dataset_ids", ids)
        if (self.task != "boxes") != (self.keypoints is not None):
            raise ConfigError(
                "Expected keypoints exactly when the task names them. "
                f"Received: task={self.task!r}, keypoints={self.keypoints and self.keypoints.names}"
            )
        if self.keypoints and self.family != "points":
            raise ConfigError(
                f"Expected a detector of family 'points' to find keypoints. Received: family={self.family!r} for those "
                f"of {self.keypoints.class_name!r}"
            )
        if self.keypoints and self.keypoints.class_name not in self.classes:
            raise ConfigError(
                f"Expected the class with keypoints to be one of the classes. Received: "
                f"{self.keypoints.class_name!r} and {_shorten(self.classes)}"
            )

    def _check_family_settings(self) -> None:
        """Check that heads and decoder have the settings of the family."""
        expected = FAMILIES[self.family]
        for name, kind, value in (("heads", expected.heads, self.heads), ("decoder", expected.decoder, self.decoder)):
            if type(value) is not kind:
                raise ConfigError(
                    f"Expected {name} of family {self.family!r} as centernet.{kind.__name__}. Received: {value!r}"
                )

    @property
    def keypoint_class(self) -> int | None:
        """Class id of objects with keypoints, or None."""
        return self.classes.index(self.keypoints.class_name) if self.keypoints else None

    @property
    def identifier(self) -> str:
        """The name reduced to letters, digits, `_`, `.` and `-`, for graphs and folders."""
        return re.sub(r"[^A-Za-z0-9_.-]+", "_", self.name).lstrip("_.-") or "detector"

    def with_own_weights(self) -> ModelConfig:
        """The description without the published weights and figures, for a model with its own weights."""
        return dataclasses.replace(self, archive=Archive(), published=Published())

    def to_dict(self) -> dict[str, Any]:
        """The description as plain data, as stored in `config.json`."""
        return to_plain(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], where: str = "the description") -> ModelConfig:
        """Read a description.

        Args:
            data: Plain data from `to_dict` or a YAML.
            where: Name in errors, such as a path.

        Returns:
            The validated description.

        Raises:
            ConfigError: If a key is unknown or missing, or a value is invalid.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"Expected keys and values in {where}. Received: {data!r}")
        values = {key: value for key, value in data.items() if value is not None or key not in DEFAULTED}
        family = values.get("family", "points")
        if not isinstance(family, str) or family not in FAMILIES:
            raise ConfigError(f"Expected a family of {sorted(FAMILIES)} in {where}. Received: family={family!r}")
        kinds = {
            "heads": FAMILIES[family].heads,
            "preprocessing": Preprocessing,
            "decoder": FAMILIES[family].decoder,
            "keypoints": KeypointTask,
            "test_time": TestTime,
            "archive": Archive,
            "published": Published,
        }
        for key in ("heads", "decoder"):
            values.setdefault(key, {})
        for key, kind in kinds.items():
            if key in values and values[key] is not None and not isinstance(values[key], kind):
                values[key] = dataclass_from(kind, values[key], f"{key} of {where}")
        return dataclass_from(cls, values, where)


def _shorten(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
