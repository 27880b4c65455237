"""The modules a stage really imports, read off the source."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
"""Real data, where this machine has it."""


@cache
def imported_modules(path: Path) -> frozenset[Path]:
    """Return the files of the package that one file imports, `if TYPE_CHECKING` blocks included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            file = ROOT / (name.replace(".", "/") + ".py")
            if name.startswith("steelcli.") and file.is_file():
                found.add(file)
    return frozenset(found)


def import_closure(module: str) -> set[str]:
    """Return the files, relative to the root, that importing ``module`` (such as
    steelcli.training.run) executes."""
    waiting = {ROOT / (module.replace(".", "/") + ".py")}
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        waiting |= imported_modules(path) - seen
    return {str(path.relative_to(ROOT)) for path in seen}


if __name__ == "__main__":
    import sys

    print("\n".join(sorted(import_closure(sys.argv[1]))))
