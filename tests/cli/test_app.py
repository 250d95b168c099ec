import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from centernet.cli.app import COMMANDS, app


@pytest.mark.parametrize("arguments", [["--help"], ["detect", "--help"], ["--version"], ["models"]])
def test_starting_loads_no_framework(arguments):
    script = (
        "import sys; from centernet.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch', 'av'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_help_of_every_command_begins_as_in_the_list_and_loads_no_framework():
    script = (
        "import importlib, inspect, sys; from centernet.cli.app import COMMANDS\n"
        "for name, summary in COMMANDS.items():\n"
        "    command = getattr(importlib.import_module(f'centernet.cli.commands.{name}'), name)\n"
        "    assert inspect.getdoc(command).splitlines()[0] == summary, name\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch', 'av'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_list_of_commands_imports_no_command():
    script = (
        "import sys; from centernet.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "assert not [name for name in sys.modules if name.startswith('centernet.cli.commands') or name == 'numpy']"
    )
    done = subprocess.run([sys.executable, "-c", script, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(f" {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_that_lacks_letters_gets_all_others(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-m", "centernet.cli.app", "models"], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"centernet_hg104_1024x1024_coco17_tpu-32" in done.stdout


def test_version_is_that_of_the_package():
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == f"centernet {version('centernet')}"
