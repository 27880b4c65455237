"""The package keeps its rooms, their one direction and their sizes; the tests mirror it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from closure import ROOT, imported_modules

PACKAGE = ROOT / "steelcli"
ROOMS = (
    "__init__",
    "common",
    "params",
    "data",
    "scores",
    "model",
    "training",
    "reporting",
    "commands",
    "cli",
    "__main__",
)
"""Each imports from those before it and from itself, never from those behind it."""
WITHOUT_A_MODULE = {
    "scores/test_oracle.py",
    "scores/test_torchmetrics.py",
    "scores/test_scale.py",
    "scores/test_work.py",
    "training/test_gpu.py",
    "training/test_host_waits.py",
    "training/test_nodes.py",
}
"""Tests of several modules together: other libraries, speed, work done, a GPU, a killed run."""


def test_the_package_has_ten_entries() -> None:
    names = {path.stem for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert names == set(ROOMS)


def test_the_tests_mirror_the_package() -> None:
    for room in ROOMS:
        for path in (ROOT / "tests" / room).rglob("test_*.py"):
            name = path.relative_to(ROOT / "tests")
            module = PACKAGE / name.with_name(name.name.removeprefix("test_"))
            assert module.is_file() or name.as_posix() in WITHOUT_A_MODULE, name


def test_no_import_goes_in_a_circle() -> None:
    files = sorted((PACKAGE).rglob("*.py"))
    graph = {path: imported_modules(path) for path in files}
    done: set[Path] = set()

    def visit(path: Path, above: tuple[Path, ...]) -> None:
        assert path not in above, " → ".join(p.name for p in (*above, path))
        if path not in done:
            for other in graph[path]:
                visit(other, (*above, path))
            done.add(path)

    for path in files:
        visit(path, ())


def test_a_room_imports_from_its_left_alone() -> None:
    for path in (PACKAGE).rglob("*.py"):
        for other in imported_modules(path):
            assert ROOMS.index(room_of(other)) <= ROOMS.index(room_of(path)), (
                f"{path} imports {other}"
            )


def room_of(path: Path) -> str:
    """Return the first level of a module's path under the package."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("package", ["common", "params"])
def test_the_first_rooms_are_light(package: str) -> None:
    code = f"import sys, pkgutil, importlib, steelcli.{package} as room\n"
    code += "for info in pkgutil.iter_modules(room.__path__, room.__name__ + '.'):\n"
    code += "    importlib.import_module(info.name)\n"
    code += "assert not {'torch', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_only_the_command_line_knows_typer() -> None:
    for path in (PACKAGE).rglob("*.py"):
        names = {
            alias.name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert room_of(path) == "cli" or "typer" not in names


def test_modules_and_functions_stay_small() -> None:
    for path in (PACKAGE).rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 300, path
        assert max(map(len, text.splitlines())) <= 100, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < 60, f"{path}: {node.name}"
