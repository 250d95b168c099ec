"""Keeps the notices of TensorFlow out of the terminal."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_NOTICE = re.compile(rb"[IWE]\d{4} \d\d:|\d{4}-\d\d-\d\d .*: [IWE] |WARNING: All log messages|To enable the following")


def silence_libraries() -> None:
    """Silence TensorFlow, unless the user chose a level; to be called before it is imported.

    Errors that matter become exceptions; what is left are notices such as "failed call to cuInit" on machines
    without a GPU.
    """
    if LEVEL in os.environ:
        return
    os.environ[LEVEL] = "3"
    for name in ("tensorflow", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
    sys.meta_path.insert(0, _QuietTensorFlow())


class _QuietTensorFlow:
    """Imports TensorFlow with its notices held back: some are written before it reads its log level."""

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
    """Hold back what is written to the standard error, by C++ as well, and let all but notices through."""
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
