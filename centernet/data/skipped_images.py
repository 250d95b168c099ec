"""Skips images whose annotations can't be read, so that one damaged file never stops the reading of a dataset."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from centernet.errors import ConfigError
from centernet.files.formatting import shortened_list

# Raised by parsers, and for missing keys and values of the wrong type.
PARSE_ERRORS = (ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError, SyntaxError)
logger = logging.getLogger("centernet")


class SkippedImages:
    """Collects the images of a dataset that can't be read, for one warning at the end.

    Args:
        where: Name of the dataset in messages.
        content: Content of the files, for messages.
    """

    def __init__(self, where: str, content: str = "annotations") -> None:
        self.where = where
        self.content = content
        self.reasons: dict[str, str] = {}

    @contextmanager
    def skip_on_error(self, name: str) -> Iterator[None]:
        """Skip the image if the block raises one of `PARSE_ERRORS`."""
        try:
            yield
        except PARSE_ERRORS as error:
            self.add(name, _reason(error))

    def add(self, name: str, reason: str) -> None:
        """Skip an image."""
        self.reasons[name] = reason

    def report(self, read: int) -> None:
        """Log a warning that names the skipped images.

        Args:
            read: Number of images that were read.

        Raises:
            ConfigError: If `read` is 0.
        """
        names = shortened_list(f"{name} ({reason})" for name, reason in self.reasons.items())
        if not read:
            why = f"None of {len(self.reasons)} can be read: {names}" if self.reasons else "It has none"
            raise ConfigError(f"Expected images with {self.content} in {self.where}. {why}.")
        if self.reasons:
            logger.warning(
                "%s: skipped %d of %d images, whose %s can't be read: %s",
                *(self.where, len(self.reasons), read + len(self.reasons), self.content, names),
            )


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"no {error.args[0]}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
