"""What is installed: quick to import, complete, typed, and with its descriptions inside."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import centernet

REPOSITORY = Path(__file__).parents[1]
DEMO = ("index.html", "style.css", "page.js", "draw.js", "worker.js")  # of `centernet demo`
HEAVY = {"keras", "tensorflow", "jax", "torch", "h5py", "PIL", "yaml", "typer", "rich", "av", "numpy"}


def run(code: str, **environment: str) -> dict:
    """What a fresh interpreter prints as JSON in its last line."""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return json.loads(result.stdout.splitlines()[-1])


IMPORT = """
import json, sys, time
before = set(sys.modules)
start = time.process_time()
{statement}
seconds = time.process_time() - start
print(json.dumps({{"seconds": seconds, "modules": sorted({{m.split(".")[0] for m in set(sys.modules) - before}})}}))
"""


class TestImport:
    def test_it_loads_nothing_heavy(self, capsys):
        found = run(IMPORT.format(statement="import centernet; dir(centernet); centernet.__version__"))
        with capsys.disabled():
            print(f"\nimport centernet: {found['seconds']:.3f} s of CPU")
        assert HEAVY & set(found["modules"]) == set()

    @pytest.mark.parametrize(
        "statement",
        [
            "import centernet; print(centernet.list_models())",
            "from centernet.checkpoints.locate import describe; describe('bccd')",
            "import centernet; centernet.ModelConfig, centernet.Detections, centernet.LoadReport, centernet.load",
        ],
    )
    def test_what_needs_no_network_does_not_load_one(self, statement):
        found = run(IMPORT.format(statement=statement))
        assert {"keras", "tensorflow", "jax", "torch"} & set(found["modules"]) == set()

    def test_without_tensorflow_exported_models_detect_and_the_rest_says_what_is_missing(self):
        found = run(
            "import json, sys\n"
            "sys.modules['tensorflow'] = None\n"
            "import centernet\n"
            "said = []\n"
            "uses = (lambda: centernet.load('bccd'), lambda: centernet.PointDetector, lambda: centernet.backbones)\n"
            "for use in uses:\n"
            "    try:\n        use()\n"
            "    except centernet.CenterNetError as error:\n        said.append(str(error))\n"
            f"image = {str(REPOSITORY / 'examples' / 'blood_cells.png')!r}\n"
            "count = len(centernet.load('bccd', runtime='onnx').detect(image))\n"
            "print(json.dumps({'said': said, 'count': count}))",
            KERAS_BACKEND="tensorflow",
        )
        assert found["count"] == 15
        assert [text.partition(",")[0] for text in found["said"]] == ["Training"] * 3

    def test_every_module_can_be_imported_first(self):
        """No circle is broken by the order in which a user happens to import."""
        modules = [
            ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
            for path in sorted((REPOSITORY / "centernet").rglob("*.py"))
            if path.name not in ("__init__.py", "__main__.py")
        ]
        light = [
            m for m in modules if m.split(".")[1] in ("config", "fields", "presets", "loader", "saving", "results")
        ]
        for module in light:
            run(f"import {module}, json; print(json.dumps(0))")


class TestNames:
    @pytest.mark.parametrize("name", centernet.__all__)
    def test_every_public_name_is_there(self, name):
        assert getattr(centernet, name) is not None
        assert name in dir(centernet)

    @pytest.mark.parametrize("name", centernet.__all__)
    def test_every_public_name_is_documented(self, name):
        assert (getattr(centernet, name).__doc__ or "").strip()

    def test_type_checkers_see_the_same_names(self):
        tree = ast.parse(Path(centernet.__file__).read_text())
        block = next(node for node in tree.body if isinstance(node, ast.If))
        imports = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
        functions = {node.name for node in block.body if isinstance(node, ast.FunctionDef)}
        assert imports - {None} | functions == set(centernet.__all__)

    def test_another_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="has no attribute 'laod'"):
            centernet.laod  # noqa: B018
        with pytest.raises(ImportError, match="laod"):
            exec("from centernet import laod")

    def test_all_of_it_can_be_imported_at_once(self):
        names: dict[str, object] = {}
        exec("from centernet import *", names)
        assert set(centernet.__all__) <= set(names)


def test_the_version_is_the_one_of_the_project():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert centernet.__version__ == project["version"]


def test_a_checkout_that_is_not_installed_has_a_version_too(tmp_path):
    (tmp_path / "centernet").symlink_to(REPOSITORY / "centernet")
    code = "import sys, json; sys.path.insert(0, {path!r}); import centernet; print(json.dumps(centernet.__version__))"
    result = subprocess.run(
        [sys.executable, "-S", "-c", code.format(path=str(tmp_path))], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout) == "0+unknown"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        str(REPOSITORY),
        "--no-deps",
        "--quiet",
        "--wheel-dir",
        str(folder),
    ]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if result.returncode and re.search(
        r"No matching distribution|connection|unreachable|No module named pip", result.stderr
    ):
        pytest.skip("needs pip, and hatchling from a package index, to build the wheel")
    assert result.returncode == 0, result.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.mark.heavy
class TestWheel:
    def test_it_is_pure_and_named_by_its_version(self, wheel):
        assert wheel.name == f"centernet-{centernet.__version__}-py3-none-any.whl"

    def test_it_holds_every_module_description_and_weight_and_nothing_else(self, wheel):
        inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
        tracked = subprocess.run(
            ["git", "ls-files", "centernet", "configs"], cwd=REPOSITORY, capture_output=True, text=True
        ).stdout.splitlines()
        expected = {f"centernet/{name}" if name.startswith("configs/") else name for name in tracked}
        if not expected:
            pytest.skip("needs the repository to tell which files belong to it")
        assert expected <= inside
        assert {
            name
            for name in inside
            if not name.endswith((".py", ".yaml", ".weights.h5", ".onnx", "py.typed", "report.html", *DEMO))
        } == set()
        assert "centernet/py.typed" in inside

    def test_it_stays_small(self, wheel):
        assert wheel.stat().st_size < 8e6

    def test_its_description_names_licence_dependencies_and_command(self, wheel):
        with zipfile.ZipFile(wheel) as file:
            info = {Path(name).name: file.read(name).decode() for name in file.namelist() if ".dist-info/" in name}
        assert "License-Expression: Apache-2.0" in info["METADATA"]
        assert "Requires-Python: >=3.11" in info["METADATA"]
        assert "Requires-Dist: keras>=3.15" in info["METADATA"]
        assert "centernet = centernet.cli.app:main" in info["entry_points.txt"]
        assert "Apache License" in info["LICENSE"]

    def test_installed_elsewhere_it_knows_its_models_and_loads_the_shipped_one(self, wheel, tmp_path):
        target, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
        elsewhere.mkdir()
        install = [sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(wheel)]
        subprocess.run(install, check=True, capture_output=True)
        code = (
            "import json, centernet\n"
            "names = centernet.list_models().names\n"
            "classes = centernet.load('bccd').class_names\n"
            "print(json.dumps([centernet.__file__, centernet.__version__, names, classes]))"
        )
        environment = {**os.environ, "PYTHONPATH": str(target), "CENTERNET_HOME": str(tmp_path / "home")}
        result = subprocess.run(
            [sys.executable, "-c", code], cwd=elsewhere, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        place, version, names, classes = json.loads(result.stdout.splitlines()[-1])
        assert Path(place).is_relative_to(target)
        assert version == centernet.__version__
        assert names == centernet.list_models().names
        assert classes == ["RBC", "WBC", "Platelets"]
        assert list(elsewhere.iterdir()) == []
