"""Every error a user can meet, read off the source: ``python tests/project/error_catalogue.py``
writes docs/errors.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from closure import ROOT, import_closure

DOC = ROOT / "docs" / "errors.md"
KINDS = {
    "ParamsError": "parameter",
    "DataError": "data",
    "ProblemsError": "data",
    "SeveralError": "data",
    "ModelError": "model",
    "RunError": "run",
    "UserError": "usage",
}
SIGNATURES = dict.fromkeys([*KINDS, "_Fault"], ("what", "where", "remedy"))
"""The arguments of each error; `_Fault` becomes a `ParamsError` that says the line."""
DEPTH, MOST_CHOICES = 9, 12
"""How far names are followed, and how many words one value may stand for; more stay a <name>."""
STAGES = {
    "prepare": "steelcli.commands.prepare",
    "train": "steelcli.commands.train",
    "tune-threshold": "steelcli.commands.tune_threshold",
    "evaluate": "steelcli.commands.evaluate",
    "report": "steelcli.commands.report",
    "evaluate --predictions": "steelcli.commands.judge",
    "compare": "steelcli.commands.compare",
    "check": "steelcli.commands.check",
    "synthesize": "steelcli.commands.synthesize",
}
HEAD = """# Every error and its remedy

A mistake in files, parameters or surroundings ends in one sentence on stderr, `Error: what: where; what to do.`,
and exit code 1. Below stand all of them as the code has them, by the module that finds them. `<name>` is filled in with
what was found; long values are cut in the middle, and what cannot be printed is escaped. Remedies between dots depend
on the file. A traceback is a bug of ours.

Kinds: *parameter* (where is a dotted key of params.yaml, or the file), *data* (where is a file), *model* (encoder,
weights, checkpoint), *run* (stage inputs, outputs, git, the disk), *usage* (an argument).

DVC looks first whether `data.root` exists: where it does not, `dvc repro` and `dvc exp run` end in its own
`failed to reproduce 'prepare': [Errno 2] No such file or directory`; correct `data.root`.

Not in the list: wrong usage of the command line ends in exit code 2 and its help. Where another `dvc` holds the lock
of the repository, `dvc repro` says so itself (`Unable to acquire lock`): wait for the other to end; where none runs,
remove `.dvc/tmp/lock` and `.dvc/tmp/rwlock`.
"""


@dataclass(frozen=True)
class Entry:
    """One sentence of the source, with the names of what is filled in."""

    kind: str
    what: str
    where: str
    remedy: str


@dataclass(frozen=True)
class Scope:
    """A function of a module, where names are looked up; outside of functions ``function`` is
    None."""

    module: Module
    function: ast.FunctionDef | None


class Module:
    """One file: its constants, and every call in it with the function around it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.constants = {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.calls: list[tuple[ast.Call, Scope]] = []
        self._find_calls(self.tree, Scope(self, None))

    def _find_calls(self, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                self.calls.append((child, scope))
            self._find_calls(
                child, Scope(self, child) if isinstance(child, ast.FunctionDef) else scope
            )


def owner(module: Module, name: str) -> Path | None:
    """Return the file that a name belongs to where it is private; a public one is the package's."""
    return module.path if name.startswith("_") else None


class Package:
    """All modules: a function's argument is looked up where it is called, its result where it
    returns."""

    def __init__(self, root: Path) -> None:
        self.modules = [Module(path) for path in sorted(root.rglob("*.py"))]
        self.functions = {
            (owner(module, node.name), node.name): Scope(module, node)
            for module in self.modules
            for node in ast.walk(module.tree)
            if isinstance(node, ast.FunctionDef)
        }
        self.calls: dict[tuple[Path | None, str], list[tuple[ast.Call, Scope]]] = {}
        for module in self.modules:
            for call, scope in module.calls:
                if isinstance(call.func, ast.Name):
                    name = call.func.id
                    self.calls.setdefault((owner(module, name), name), []).append((call, scope))

    def entries(self, module: Module) -> Iterator[Entry]:
        """Yield an entry for each thing that a construction of a `UserError` may say, in the order
        of the source."""
        for call, scope in module.calls:
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            if name in SIGNATURES:
                rest = (
                    " in the parameters (line <line>, column <column>)" if name == "_Fault" else ""
                )
                given = dict(zip(SIGNATURES[name], call.args, strict=False))
                given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
                remedies = " · ".join(self.texts(given["remedy"], scope, call))
                where = "<path>" if rest else " or ".join(self.places(given["where"], scope))
                for what in self.texts(given["what"], scope, call):
                    if remedies != "<note>":  # a `_Fault` told on: it stands here already
                        yield Entry(KINDS.get(name, "parameter"), what + rest, where, remedies)

    def places(self, node: ast.expr, scope: Scope) -> list[str]:
        """Return the place as written where it is fixed, such as a dotted key."""
        if isinstance(node, (ast.Constant, ast.JoinedStr)):
            return self.texts(node, scope, node, 4)
        return [f"<{plain(node)}>"]

    def texts(self, node: ast.expr, scope: Scope, at: ast.expr, depth: int = 0) -> list[str]:
        """Return what an expression may say, a text for each branch; ``at`` is where it is used."""
        if isinstance(node, ast.Constant):
            return [] if node.value is None else [str(node.value)]
        if isinstance(node, ast.JoinedStr):
            return self._join(node, scope, at, depth)
        found: list[tuple[ast.expr, Scope, ast.expr]] = []
        if isinstance(node, ast.IfExp):
            found = [(node.body, scope, at), (node.orelse, scope, at)]
        elif depth < DEPTH and isinstance(node, ast.Name):
            found = self._values_of(node.id, scope, at)
        elif depth < DEPTH and isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            table = scope.module.constants.get(node.value.id)
            found = (
                [(value, scope, value) for value in table.values]
                if isinstance(table, ast.Dict)
                else []
            )
        elif depth < DEPTH and isinstance(node, ast.Call):
            found = self._results_of(node, scope)
        texts = [
            text for value, where, use in found for text in self.texts(value, where, use, depth + 1)
        ]
        kept = [
            text for text in dict.fromkeys(texts) if text or isinstance(node, ast.IfExp | ast.Name)
        ]
        return kept or [f"<{plain(node)}>"]

    def _values_of(
        self, name: str, scope: Scope, at: ast.expr
    ) -> list[tuple[ast.expr, Scope, ast.expr]]:
        """Return what a name holds: the last assignments before its use, the arguments of callers,
        or the constant."""
        if scope.function:
            if found := last_assignments(scope.function, name, at):
                return [(value, scope, value) for value in found]
            names = [argument.arg for argument in scope.function.args.args]
            if name in names:
                index = names.index(name) - (names[0] == "self")
                return [
                    (argument, caller, call)
                    for call, caller in self.calls.get(
                        (owner(scope.module, scope.function.name), scope.function.name), []
                    )
                    for argument in argument_of(call, index, name)
                ]
        constant = scope.module.constants.get(name)
        return [(constant, Scope(scope.module, None), constant)] if constant else []

    def _results_of(self, call: ast.Call, scope: Scope) -> list[tuple[ast.expr, Scope, ast.expr]]:
        """Return what a function of the package returns, or what a table's ``get`` gives."""
        key = (
            (owner(scope.module, call.func.id), call.func.id)
            if isinstance(call.func, ast.Name)
            else None
        )
        if key in self.functions:
            inner = self.functions[key]
            assert inner.function
            returns = [
                node.value
                for node in ast.walk(inner.function)
                if isinstance(node, ast.Return) and node.value
            ]
            return [
                (value, inner, value)
                for value in returns
                if not isinstance(value, (ast.List, ast.Tuple))
            ]
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "get"
            and isinstance(call.func.value, ast.Name)
        ):
            table = scope.module.constants.get(call.func.value.id)
            values = (
                [value for value in table.values if isinstance(value, ast.Constant)]
                if isinstance(table, ast.Dict)
                else []
            )
            values += [
                value.args[1]
                for value in getattr(table, "values", [])
                if isinstance(value, ast.Call)
            ]
            return [(value, scope, value) for value in [*values, *call.args[1:]]]
        return []

    def _join(self, node: ast.JoinedStr, scope: Scope, at: ast.expr, depth: int) -> list[str]:
        """Return an f-string with its values as <names>; a value that is itself a choice of words
        gives several."""
        texts = [""]
        for part in node.values:
            choices = [str(part.value)] if isinstance(part, ast.Constant) else []
            if isinstance(part, ast.FormattedValue):
                choices = [f"<{plain(part.value)}>"]
                if isinstance(part.value, (ast.Name, ast.IfExp)):
                    found = self.texts(part.value, scope, at, depth + 1)
                    is_known = not any(re.fullmatch("<[^<>]*>", text) for text in found)
                    choices = found if is_known and len(found) <= MOST_CHOICES else choices
            texts = [text + choice for text in texts for choice in choices]
        return texts


def last_assignments(function: ast.FunctionDef, name: str, at: ast.expr) -> list[ast.expr]:
    """Return the values a name may hold at a place: back to the last assignment that is not inside
    an inner block."""
    found: list[tuple[int, int, ast.expr]] = []
    for node in ast.walk(function):
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.NamedExpr)
            else []
        )
        for target in targets:
            value = node.value  # type: ignore[attr-defined]
            pairs = [(target, value)]
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            found += [
                (node.lineno, node.col_offset, inner)  # type: ignore[attr-defined]
                for one, inner in pairs
                if isinstance(one, ast.Name) and one.id == name
            ]
    chosen = []
    for line, column, value in sorted(found, key=lambda item: -item[0]):
        if line <= at.lineno and value is not at:
            chosen.append(value)
            if column <= statement_column(function, at):
                break
    return chosen[::-1]


def statement_column(function: ast.FunctionDef, at: ast.expr) -> int:
    """Return where the statement around an expression begins."""
    around = [
        node.col_offset
        for node in ast.walk(function)
        if isinstance(node, ast.stmt) and node.lineno <= at.lineno <= (node.end_lineno or 0)
    ]
    return max(around)


def argument_of(call: ast.Call, index: int, name: str) -> list[ast.expr]:
    """Return the argument of a call by its position or name."""
    named = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return named or call.args[index : index + 1]


_FORMATTING = [
    "quote",
    "str",
    "join",
    "map",
    "sorted",
    "type",
    "len",
    "list",
    "dumps",
    "next",
    "iter",
    "_describe",
    "_first_line",
]
_TRIMMING = ("removeprefix", "get", "split", "strip", "start")


def plain(node: ast.expr) -> str:
    """Return a readable name for a value: the last part of what it is, without the calls that only
    format it."""
    inner: ast.expr | None = None
    if isinstance(node, ast.Call):
        method = node.func if isinstance(node.func, ast.Attribute) else None
        name = method.attr if method else getattr(node.func, "id", "")
        if name in _TRIMMING and method:
            inner = method.value
        elif name in _FORMATTING and node.args:
            inner = node.args[1] if name == "map" else node.args[0]
            if name == "len":
                return f"number of {plain(inner)}"
    elif isinstance(node, (ast.GeneratorExp, ast.ListComp)):
        inner = node.generators[0].iter
    elif isinstance(node, (ast.Subscript, ast.Starred)):
        inner = node.value
    elif isinstance(node, ast.BoolOp):
        inner = node.values[0]
    elif isinstance(node, ast.BinOp):
        inner = node.right if isinstance(node.op, ast.Div) else node.left
    elif isinstance(node, ast.JoinedStr):
        inner = next(
            (part.value for part in node.values if isinstance(part, ast.FormattedValue)), None
        )
    return plain(inner) if inner else name_of(node)


def name_of(node: ast.expr) -> str:
    """Return the last words of an expression, such as `other image` for ``other.image``."""
    if isinstance(node, ast.Attribute) and plain(node.value) in (
        "self",
        "error",
        "record",
        "params",
    ):
        return node.attr
    words = "".join(
        character if character.isalnum() or character == "_" else " "
        for character in ast.unparse(node)
    )
    return " ".join(words.split()[-3:]) or "value"


def commands_of(path: Path, closures: dict[str, set[str]]) -> str:
    """Return the commands that run a module."""
    name = str(path.relative_to(ROOT))
    found = [f"`{command}`" for command, files in closures.items() if name in files]
    return (
        "every command"
        if len(found) >= len(closures) - 1
        else ", ".join(found) or "the command line"
    )


def write() -> str:
    """Return docs/errors.md as the source has it."""
    closures = {command: import_closure(module) for command, module in STAGES.items()}
    package = Package(ROOT / "steelcli")
    parts = [HEAD]
    for module in package.modules:
        entries = list(dict.fromkeys(package.entries(module)))
        if not entries:
            continue
        name = module.path.relative_to(ROOT / "steelcli").with_suffix("").as_posix()
        rows = [
            f"| {' | '.join(map(cell, (entry.what, entry.where, entry.remedy, entry.kind)))} |"
            for entry in entries
        ]
        table = ["| what is wrong | where | what to do | kind |", "|---|---|---|---|", *rows]
        parts.append(
            "\n".join(
                [f"## {name}", "", f"Met by {commands_of(module.path, closures)}.", "", *table]
            )
            + "\n"
        )
    return "\n".join(parts)


def cell(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return (
        text.replace("\\", "\\\\")
        .replace("|", "\\|")
        .replace("<", "&lt;")
        .replace("\n", " ")
        .replace("*", "\\*")
    )


if __name__ == "__main__":
    DOC.write_text(write(), encoding="utf-8")
    print(f"wrote {DOC.relative_to(ROOT)}")
