"""The structure of the package, as numbers that a script can hold; the floors are in pyproject.toml (import-linter)."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "centernet"
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_FILES, MOST_LINES = 211, 30427  # may only fall; a new feature raises it by its own lines
MOST_AT_THE_TOP, MOST_IN_A_FOLDER = 16, 15
MOST_LATE_IMPORTS = 25  # of our own modules, inside functions


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


def own_imports(tree: ast.AST) -> Iterator[ast.stmt]:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = ["centernet"] if node.level else [node.module or ""]
        if isinstance(node, ast.stmt) and any(name.split(".")[0] == "centernet" for name in names):
            yield node


def late_imports(path: Path) -> list[int]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return sorted({one.lineno for node in ast.walk(tree) if isinstance(node, functions) for one in own_imports(node)})


def test_the_top_has_few_entries() -> None:
    entries = [path.name for path in PACKAGE.iterdir() if path.name not in ("__pycache__", "configs")]
    assert len(entries) <= MOST_AT_THE_TOP, sorted(entries)


def test_no_folder_has_many_files() -> None:
    files = Counter(relative(path.parent) for path in MODULES)
    assert {folder: count for folder, count in files.items() if count > MOST_IN_A_FOLDER} == {}


def test_the_package_stays_small() -> None:
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES)
    assert len(MODULES) <= MOST_FILES
    assert lines <= MOST_LINES


def test_the_check_of_datasets_is_few_files() -> None:
    assert len(list((PACKAGE / "data" / "check").glob("*.py"))) <= 9


def test_own_modules_are_imported_at_the_top_but_where_start_up_time_counts() -> None:
    late = {relative(path): lines for path in MODULES if (lines := late_imports(path))}
    elsewhere = {name: lines for name, lines in late.items() if not name.startswith("centernet/cli/")}
    assert elsewhere.keys() <= {"centernet/__init__.py"}, elsewhere
    assert sum(map(len, late.values())) <= MOST_LATE_IMPORTS, late


def test_no_import_is_for_type_checkers_alone() -> None:
    found = [relative(path) for path in MODULES if "TYPE_CHECKING" in path.read_text(encoding="utf-8")]
    assert set(found) <= {"centernet/__init__.py"}
