import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from centernet.cli import app


@pytest.mark.parametrize("arguments", [["--help"], ["detect", "--help"], ["--version"], ["models"]])
def test_starting_loads_no_framework(arguments):
    script = (
        "import sys; from centernet.cli import main\n"
        "try: main()\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch', 'av'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_version_is_that_of_the_package():
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == f"centernet {version('centernet')}"
