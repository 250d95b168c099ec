import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from centernet.cli.app import app


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


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_that_lacks_letters_gets_all_others(encoding):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-m", "centernet.cli.app", "models"], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert b"centernet_hg104_1024x1024_coco17_tpu-32" in done.stdout


def test_version_is_that_of_the_package():
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == f"centernet {version('centernet')}"
