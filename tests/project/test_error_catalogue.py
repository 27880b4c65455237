"""Every `UserError` that the source builds says what is wrong, where, and what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from closure import ROOT

CLAUSES = ("what", "where", "remedy")


def read_trees() -> dict[Path, ast.Module]:
    """Return every module of the package as a syntax tree."""
    paths = sorted((ROOT / "steelcli").rglob("*.py"))
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}


TREES = read_trees()


def find_error_classes() -> set[str]:
    """Return `UserError` and the classes derived from it, by name."""
    names = {"UserError"}
    classes = [
        node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)
    ]
    for _ in classes:  # as many passes as the longest chain of bases could need
        for node in classes:
            if names & {ast.unparse(base) for base in node.bases}:
                names.add(node.name)
    return names


def find_constructions(tree: ast.AST, names: set[str]) -> Iterator[ast.Call]:
    """Yield each call that builds one of the errors."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else ast.unparse(called)
            if name in names:
                yield node


def read_clauses(call: ast.Call) -> dict[str, ast.expr]:
    """Return the three clauses of a construction by name, those that it gives."""
    given = dict(zip(CLAUSES, call.args, strict=False))
    return given | {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def iter_fixed_texts(node: ast.expr, tree: ast.AST) -> Iterator[str]:
    """Yield the words a clause may end in, as far as the module itself says them.

    A name gives the words of every assignment to it in the module.
    """
    if isinstance(node, ast.Constant):
        yield str(node.value or "")
    elif isinstance(node, ast.JoinedStr):
        last = node.values[-1]
        yield str(last.value) if isinstance(last, ast.Constant) else "<value>"
    elif isinstance(node, ast.IfExp):
        yield from iter_fixed_texts(node.body, tree)
        yield from iter_fixed_texts(node.orelse, tree)
    elif isinstance(node, ast.Name):
        for assignment in ast.walk(tree):
            if isinstance(assignment, ast.Assign) and not isinstance(assignment.value, ast.Name):
                names = [ast.unparse(target) for target in assignment.targets]
                if node.id in names:
                    yield from iter_fixed_texts(assignment.value, tree)


def find_faults(tree: ast.AST, names: set[str]) -> list[str]:
    """Return what is wrong with the errors of one module, a line for each fault."""
    faults = []
    for call in find_constructions(tree, names):
        clauses = read_clauses(call)
        for clause in CLAUSES:
            if clause not in clauses or isinstance(clauses[clause], ast.Starred):
                faults.append(f"line {call.lineno}: no {clause}")
                continue
            for text in iter_fixed_texts(clauses[clause], tree):
                if not text.strip() or text.endswith("."):
                    faults.append(f"line {call.lineno}: {clause} is {text!r}")
    return faults


def test_every_error_says_what_where_and_what_to_do() -> None:
    names = find_error_classes()
    assert {"ParamsError", "DataError", "ModelError", "RunError"} < names
    count = 0
    for path, tree in TREES.items():
        assert not find_faults(tree, names), path
        count += len(list(find_constructions(tree, names)))
    assert count > 100


def test_an_error_class_keeps_the_three_clauses_in_front() -> None:
    names = find_error_classes()
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name in names:
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                        arguments = tuple(argument.arg for argument in method.args.args[1:4])
                        assert arguments == CLAUSES, f"{path}: {node.name}"


def test_a_careless_error_is_found() -> None:
    careless = """
raise DataError('a', path)
raise DataError('a', path, '')
raise DataError('a', path, 'mend it.')
what = 'it broke.'
raise DataError(what, path, 'mend it')
raise errors.DataError(f'{n} pixels', where=path, remedy='b' if n else None)
raise DataError(*clauses)
raise DataError('fine', path, 'mend it')
"""
    faults = find_faults(ast.parse(careless), {"DataError"})
    lines = [int(fault.split()[1].rstrip(":")) for fault in faults]
    assert sorted(set(lines)) == [2, 3, 4, 6, 7, 8]
