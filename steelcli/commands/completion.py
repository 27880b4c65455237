"""What a shell may complete beside commands, options and files."""

from __future__ import annotations

from steelcli.common.git import list_experiments
from steelcli.common.paths import METRICS_DIR

_SUFFIX = "_images.csv"


def complete_scored(incomplete: str) -> list[str]:
    """Return the names that `compare` takes: scored models of this folder, and experiments.

    Args:
        incomplete: what was typed of the name.
    """
    tables = METRICS_DIR.glob(f"*{_SUFFIX}")
    names = {path.name.removesuffix(_SUFFIX) for path in tables} | set(list_experiments())
    return sorted(name for name in names if name.startswith(incomplete))
