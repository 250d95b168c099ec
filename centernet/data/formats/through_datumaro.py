"""Formats that only Datumaro reads: `format="datumaro:wider_face"`; needs the extra `formats`.

Boxes are Datumaro's, those of polygons and masks included. Images are read from their files, or through Datumaro where
a format stores them otherwise.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from centernet.data.dataset import Dataset
from centernet.data.in_memory import from_datumaro
from centernet.data.splits import ALL
from centernet.errors import ConfigError, MissingExtraError

PREFIX = "datumaro:"


class DatumaroModule:
    """The functions of `FormatModule` for a format of Datumaro."""

    def __init__(self, key: str) -> None:
        """Name the format, with `PREFIX`.

        Raises:
            MissingExtraError: If Datumaro is not installed.
            ConfigError: If it has no such format.
        """
        try:
            from datumaro import Environment
        except ImportError as error:
            raise MissingExtraError("Datumaro is needed to read its formats: pip install centernet[formats]") from error
        self._key, self._name = key, key.removeprefix(PREFIX)
        known = sorted(Environment().importers)
        if self._name not in known:
            near = difflib.get_close_matches(self._name, known, n=3) or known
            raise ConfigError(f"Expected a format of Datumaro, such as {', '.join(near)}. Received: {key!r}")

    def recognize(self, path: Path) -> bool:
        """Whether the path is there: the format is always said."""
        return path.exists()

    def parts(self, path: Path) -> Mapping[str, Any]:
        """Subset → nothing."""
        return {ALL if name == "default" else name: None for name in self._import(path).subsets()}

    def read(self, path: Path, splits: Sequence[str]) -> list[Dataset]:
        """Read some subsets; see `FormatModule.read`."""
        whole = self._import(path)
        return [
            from_datumaro(whole, subset=None if split == ALL else split, name=f"{path.name} ({split})")
            for split in splits
        ]

    def _import(self, path: Path) -> Any:
        from datumaro import Dataset as DatumaroDataset

        level = logging.root.manager.disable
        logging.disable(logging.WARNING)  # it tells of each file that another of its formats might mean
        try:
            return DatumaroDataset.import_from(str(path), self._name)
        except Exception as error:
            cause = error.__cause__ or error
            raise ConfigError(
                f"Datumaro can't read {path} as {self._name}: {error} {type(cause).__name__}: {cause}"
            ) from error
        finally:
            logging.disable(level)
