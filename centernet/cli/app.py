"""The command line. Only what `--help` needs is imported here; a command imports the rest when it runs."""

from __future__ import annotations

import io
import os
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from centernet.cli import console
from centernet.cli.commands.benchmark import benchmark
from centernet.cli.commands.check import check
from centernet.cli.commands.convert import convert
from centernet.cli.commands.detect import detect
from centernet.cli.commands.evaluate import evaluate
from centernet.cli.commands.export import export
from centernet.cli.commands.models import models
from centernet.cli.commands.train import train
from centernet.cli.quiet import silence_libraries
from centernet.errors import CenterNetError, ConfigError

DEBUG = "CENTERNET_DEBUG"
FAILED, BAD_USAGE = 1, 2

app = typer.Typer(
    name="centernet",
    help="Detect objects with CenterNet: the published COCO models by name, or your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(models)
app.command()(detect)
app.command()(check)
app.command()(evaluate)
app.command()(train)
app.command()(convert)
app.command()(export)
app.command()(benchmark)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"centernet {version('centernet')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help=f"Show where an error came from (or set {DEBUG}=1).")] = False,
) -> None:
    """Options of all commands."""
    if debug:
        os.environ[DEBUG] = "1"
    console.show_log(verbose=False)


def main() -> NoReturn:
    """Run the command line and exit: 0 fine, 1 something failed, 2 a mistake in the call, 130 interrupted."""
    silence_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper) and "utf" not in sys.stdout.encoding.lower():
        sys.stdout.reconfigure(errors="replace")  # rather than fail where it has no dash
    try:
        app()
    except (CenterNetError, OSError) as error:
        if os.environ.get(DEBUG, "0") not in ("", "0"):
            traceback.print_exc()
        else:
            console.print_error(_described(error))
        sys.exit(BAD_USAGE if isinstance(error, ConfigError) else FAILED)
    sys.exit(0)


def _described(error: Exception) -> str:
    """The message of our own error; of the system's, the file and the reason."""
    if isinstance(error, OSError) and not isinstance(error, CenterNetError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


if __name__ == "__main__":
    main()
