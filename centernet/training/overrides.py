"""What a detector learns, and how heavy each part of its loss is, while it is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from centernet.files.validation import dataclass_from
from centernet.training.settings import TrainingSettings

PARTS = {"target_settings": "targets", "loss_weights": "loss_weights"}  # of a detector → field of the settings


@contextmanager
def goals(detector: Any, settings: TrainingSettings) -> Iterator[None]:
    """Within it, a detector has the targets and the weights of losses that the settings name.

    Raises:
        ConfigError: If its family has no such field, or a value can't be.
    """
    own = {part: getattr(detector, part) for part in PARTS}
    try:
        for part, name in PARTS.items():
            fields = dataclasses.asdict(own[part]) | dict(getattr(settings, name))
            setattr(detector, part, dataclass_from(type(own[part]), fields, f"{name} of the training"))
        yield
    finally:
        for part, before in own.items():
            setattr(detector, part, before)
