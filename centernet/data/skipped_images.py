"""Images whose annotations can't be read: left out, counted and named, so that one never ends a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from centernet.errors import ConfigError

SHOWN = 5
# What parsers, missing keys and values of a wrong kind raise.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, OSError, SyntaxError)
logger = logging.getLogger("centernet")


class Skipped:
    """Collects what can't be read of one dataset, and says so at the end.

    Args:
        where: What to call the dataset.
        what: What the files hold.
    """

    def __init__(self, where: str, what: str = "annotations") -> None:
        self.where = where
        self.what = what
        self.reasons: dict[str, str] = {}

    @contextmanager
    def image(self, name: str) -> Iterator[None]:
        """Leave out the image that the block reads if it fails."""
        try:
            yield
        except UNREADABLE as error:
            self.add(name, _reason(error))

    def add(self, name: str, reason: str) -> None:
        """Leave out an image."""
        self.reasons[name] = reason

    def report(self, read: int) -> None:
        """Warn about what was left out.

        Args:
            read: How many images were read.

        Raises:
            ConfigError: If that is none.
        """
        shown = [f"{name} ({reason})" for name, reason in list(self.reasons.items())[:SHOWN]]
        more = f" and {len(self.reasons) - SHOWN} more" if len(self.reasons) > SHOWN else ""
        names = f"{'; '.join(shown)}{more}"
        if not read:
            why = f"None of {len(self.reasons)} can be read: {names}" if shown else "It has none"
            raise ConfigError(f"Expected images with {self.what} in {self.where}. {why}.")
        if shown:
            total = read + len(self.reasons)
            logger.warning(
                "%s: skipped %d of %d images, whose %s can't be read: %s",
                *(self.where, len(self.reasons), total, self.what, names),
            )


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, KeyError):
        return f"no {error.args[0]}"
    return str(error) or type(error).__name__
