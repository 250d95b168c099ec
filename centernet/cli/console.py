"""Where the command line prints: results to the standard output, everything else to the standard error."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# What stands for the standard output where a file is to be written.
STDOUT = Path("-")
# Tables in a pipe or a file are as wide as they need to be.
UNLIMITED_WIDTH = 240


def stdout() -> Console:
    """The console of results, as wide as the terminal is now."""
    return _console(stderr=False)


@cache
def stderr() -> Console:
    """The console of progress, warnings and errors."""
    return _console(stderr=True)


def beside(*files: Path | None) -> Console:
    """The console of tables beside files of results: the standard error if one of these is the standard output."""
    return stderr() if STDOUT in files else stdout()


def print_error(message: str) -> None:
    """Print an error as one line, in red where colors show."""
    _print_line("error: ", "bold red", message)


def show_log(verbose: bool) -> None:
    """Print the library's warnings, and what it tells about loading if `verbose`."""
    logger = logging.getLogger("centernet")
    logger.handlers[:] = [_ConsoleHandler()]
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    logger.propagate = False


@contextmanager
def progress(total: int | None) -> Iterator[Callable[[], None]]:
    """Show a progress bar, if there is a terminal and more than one image.

    Args:
        total: How many images there are, or None where nobody knows.

    Yields:
        A function to call after each.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("Detecting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = total == 1 or not stderr().is_terminal
    with Progress(*columns, console=stderr(), transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


class _ConsoleHandler(logging.Handler):
    """Prints records so that they don't tear a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("skipped: "):
            return  # the commands list what failed themselves
        if record.levelno >= logging.WARNING:
            _print_line("warning: ", "yellow", message)
        else:
            _print_line("", "", message)


def _print_line(title: str, style: str, message: str) -> None:
    from rich.text import Text

    stderr().print(Text.assemble((title, style), message), soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNLIMITED_WIDTH
    return console
