"""What the command line prints: results to the standard output, everything else to the standard error."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

STDOUT = Path("-")  # as the path of a file: write to the standard output
UNLIMITED_WIDTH = 240  # of tables in a pipe or a file
TF_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_NOTICE = re.compile(rb"[IWE]\d{4} \d\d:|\d{4}-\d\d-\d\d .*: [IWE] |WARNING: All log messages|To enable the following")


def stdout() -> Console:
    """The console of results, as wide as the terminal is now."""
    return _console(stderr=False)


@cache
def stderr() -> Console:
    """The console of progress, warnings and errors."""
    return _console(stderr=True)


def beside(*files: Path | None) -> Console:
    """The console of tables: the standard error if one of the result files is the standard output."""
    return stderr() if STDOUT in files else stdout()


def write_json(values: Mapping[str, Any], path: Path | None) -> None:
    """Write JSON-compatible values to a file, or to the standard output for `-`."""
    if path == STDOUT:
        typer.echo(json.dumps(values, indent=1))
    elif path:
        path.write_text(json.dumps(values, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def print_error(message: str) -> None:
    """Print an error as one line, in red where colors are supported."""
    _print_line("error: ", "bold red", message)


def show_log(verbose: bool) -> None:
    """Print the library's warnings, and also its information messages if `verbose`."""
    logger = logging.getLogger("centernet")
    logger.handlers[:] = [_ConsoleHandler()]
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    logger.propagate = False


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Show a progress bar in a terminal, unless there is only one image; yields a function to call after each."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = total == 1 or not stderr().is_terminal
    with Progress(*columns, console=stderr(), transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


@contextmanager
def holding_interrupts() -> Iterator[None]:
    """Hold back Ctrl-C until the block is done, so that it doesn't end in the middle of a file."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is interrupted
        return
    pressed: list[tuple[int, Any]] = []
    before = signal.signal(signal.SIGINT, lambda *received: pressed.append(received))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed and callable(before):
            before(*pressed[0])


def silence_libraries() -> None:
    """Silence TensorFlow, unless the user chose a log level. Call this before TensorFlow is imported.

    Errors that matter become exceptions. The rest are notices such as "failed call to cuInit" on machines without
    a GPU.
    """
    if TF_LOG_LEVEL in os.environ:
        return
    os.environ[TF_LOG_LEVEL] = "3"
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    sys.meta_path.insert(0, _QuietTensorFlow())


class _ConsoleHandler(logging.Handler):
    """Prints records above the progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith("skipped: "):
            return  # the commands list failed images themselves
        _print_line("warning: " if record.levelno >= logging.WARNING else "", "yellow", message)


class _QuietTensorFlow:
    """Imports TensorFlow without its notices, some of which are written before it reads its log level."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_quietly(module: ModuleType) -> None:
                with _without_notices():
                    execute(module)

            spec.loader.exec_module = execute_quietly  # type: ignore[method-assign]
        return spec


@contextmanager
def _without_notices() -> Iterator[None]:
    """Hold back what is written to the standard error, by C++ as well, and then print all but the notices."""
    try:
        sys.stderr.flush()
        original = os.dup(2)
    except (OSError, AttributeError):  # started without a standard error
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(original, 2)
            os.close(original)
            held.seek(0)
            os.write(2, b"".join(line for line in held if not _NOTICE.match(line)))


def _print_line(title: str, style: str, message: str) -> None:
    stderr().print(Text.assemble((title, style), message), soft_wrap=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNLIMITED_WIDTH
    return console
