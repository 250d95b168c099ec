"""What the reader of a dataset warned of, as a part of what checking it found."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from centernet.data.check.kinds import KINDS
from centernet.data.check.problems import Problem
from centernet.data.check.report import CheckReport, worst_first
from centernet.data.classes import FOUND_BY_CHECK


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the library's warnings of a block; the handlers that there are don't get them.

    Those of what checking a dataset finds anyway are left out.
    """
    logger, warnings = logging.getLogger("centernet"), list[str]()
    collector = _Collector(warnings)
    others = list(logger.handlers)
    for handler in others:
        handler.addFilter(_is_no_warning)
    logger.addHandler(collector)
    try:
        yield warnings
    finally:
        logger.removeHandler(collector)
        for handler in others:
            handler.removeFilter(_is_no_warning)


def with_remarks(report: CheckReport, remarks: Sequence[str]) -> CheckReport:
    """The report with what the reader warned of as further problems."""
    found = [Problem("reading", text.rstrip("."), 1, "problem", KINDS["reading"].advice) for text in remarks]
    return dataclasses.replace(report, findings=worst_first([*found, *report.findings]))


class _Collector(logging.Handler):
    def __init__(self, warnings: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._warnings = warnings

    def emit(self, record: logging.LogRecord) -> None:
        if not hasattr(record, FOUND_BY_CHECK):
            self._warnings.append(record.getMessage())


def _is_no_warning(record: logging.LogRecord) -> bool:
    return record.levelno < logging.WARNING
