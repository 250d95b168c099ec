"""The command line. A command's module is imported when the command runs or its `--help` is shown."""

from __future__ import annotations

import importlib
import io
import os
import sys
import traceback
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

import centernet
from centernet.cli import console
from centernet.errors import CenterNetError, ConfigError

# Command → first line of its help. Its function has the same name, in the module of that name in `commands`.
COMMANDS: Mapping[str, str] = {
    "models": "List the models that can be loaded by name, with their published accuracy and speed.",
    "detect": "Detect objects and write images with their boxes to a folder.",
    "check": "Check a dataset for everything that would spoil training.",
    "evaluate": "Evaluate a detector on a dataset with COCO's metrics.",
    "train": "Train a detector on your own images, as described by a recipe.",
    "convert": "Convert a model to this library's own format, or another program's training to a recipe.",
    "export": "Export a detector to ONNX, LiteRT, OpenVINO or a SavedModel: uint8 images in, boxes out.",
    "demo": "Detect in the browser: in a photo or the camera, with a page that is served from this computer.",
    "benchmark": "Measure the latency of detection and the share of the network in it.",
}
DEBUG = "CENTERNET_DEBUG"
FAILED, BAD_USAGE = 1, 2


class LazyCommand(TyperCommand):
    """A command that is known by its name and summary until it runs."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Import the command and parse its arguments."""
        module = importlib.import_module(f"centernet.cli.commands.{self.name}")
        command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        command.command(self.name)(getattr(module, str(self.name)))
        return typer.main.get_command(command).make_context(info_name, args, parent, **extra)


class Commands(TyperGroup):
    """The commands of the table."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name, summary in COMMANDS.items():
            self.add_command(LazyCommand(name, help=summary))


app = typer.Typer(
    name="centernet",
    cls=Commands,
    help="Detect objects with CenterNet: published COCO models by name, or your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"centernet {centernet.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help=f"Print the traceback of errors (or set {DEBUG}=1).")] = False,
) -> None:
    """Options of all commands."""
    if debug:
        os.environ[DEBUG] = "1"
    console.show_log(verbose=False)


def main() -> NoReturn:
    """Run the command line and exit: 0 success, 1 failure, 2 wrong arguments, 130 interrupted."""
    console.silence_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper) and "utf" not in sys.stdout.encoding.lower():
        sys.stdout.reconfigure(errors="replace")  # characters that the encoding lacks must not end the command
    try:
        app()
    except (CenterNetError, OSError) as error:
        if os.environ.get(DEBUG, "0") not in ("", "0"):
            traceback.print_exc()
        else:
            console.print_error(_message(error))
        sys.exit(BAD_USAGE if isinstance(error, ConfigError) else FAILED)
    sys.exit(0)


def _message(error: CenterNetError | OSError) -> str:
    """The message of our own error; file and reason of an error of the system."""
    if isinstance(error, CenterNetError) or not error.strerror:
        return str(error) or type(error).__name__
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


if __name__ == "__main__":
    main()
