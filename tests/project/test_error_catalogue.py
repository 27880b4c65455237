"""docs/errors.md says what the source says."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from closure import ROOT
from error_catalogue import DOC, KINDS, SIGNATURES, Package, write


def test_the_page_is_what_the_source_says() -> None:
    assert DOC.read_text(encoding="utf-8") == write(), "run `make errors`"


def test_every_error_says_where_and_what_to_do() -> None:
    package = Package(ROOT / "steelcli")
    entries = [entry for module in package.modules for entry in package.entries(module)]
    assert len(entries) > 150
    for entry in entries:
        assert entry.what
        assert entry.where
        assert entry.remedy
        assert not entry.what.endswith(".")
        assert not entry.remedy.endswith(".")


def test_every_construction_is_seen() -> None:
    for path in (ROOT / "steelcli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                ast.unparse(base) in KINDS for base in node.bases
            ):
                assert node.name in SIGNATURES


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ("def f(path):\n    raise DataError('a', path, 'b')", [("a", "<path>", "b")]),
        (
            "def f(x):\n    what = f'{x} pixels'\n    raise DataError(what, 'k', 'b')",
            [("<x> pixels", "k", "b")],
        ),
        (
            "def f(x):\n    what = 'one'\n    if x:\n        what = 'two'\n    raise DataError(what, 'k', 'b')",
            [("one", "k", "b"), ("two", "k", "b")],
        ),
        (
            "R = 'mend'\ndef f(x):\n    raise RunError('a' if x else 'c', 'k', R)",
            [("a", "k", "mend"), ("c", "k", "mend")],
        ),
        (
            "def _g(what):\n    raise RunError(what, 'k', 'b')\ndef f():\n    _g('told')",
            [("told", "k", "b")],
        ),
        (
            "def _g():\n    return 'said'\ndef f():\n    raise RunError(f'a ({_g()})', 'k', 'b')",
            [("a (<_g>)", "k", "b")],
        ),
        (
            "def _g():\n    return 'said'\ndef f():\n    w = _g()\n    raise RunError(w, 'k', 'b')",
            [("said", "k", "b")],
        ),
    ],
)
def test_sentences_are_put_together(
    tmp_path: Path, source: str, rows: list[tuple[str, str, str]]
) -> None:
    (tmp_path / "module.py").write_text(source, encoding="utf-8")
    package = Package(tmp_path)
    found = [
        (entry.what, entry.where, entry.remedy) for entry in package.entries(package.modules[0])
    ]
    assert found == rows
