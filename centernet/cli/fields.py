"""The table of what becomes of the fields of another program's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.text import Text

from centernet.checkpoints.fields import Fate, Field
from centernet.cli import console
from centernet.cli.recipe import read_content

STYLES = {Fate.TAKEN: "", Fate.LEFT_OUT: "dim", Fate.UNSUPPORTED: "bold red"}


def show_fields(path: Path, ignored: Sequence[str]) -> None:
    """Print what becomes of each field that a configuration of another program sets; nothing for our own recipes."""
    _, fields = read_content(path, ignored)
    for section, rows in groupby(fields, lambda field: field.path.rpartition(".")[0]):
        console.stderr().print(Text(section, style="bold"), soft_wrap=True)
        for field in rows:
            console.stderr().print(_row(field), soft_wrap=True)


def _row(field: Field) -> Text:
    name = field.path.rpartition(".")[2]
    fate = f"{field.fate} as {field.note}" if field.fate is Fate.TAKEN else f"{field.fate}: {field.note}"
    return Text(f"  {name:<34}{field.value:<22} {fate}", style=STYLES[field.fate])
