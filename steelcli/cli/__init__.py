"""The command line: parse, call, show.

Nothing else knows Typer. Heavy imports happen inside the commands.
"""

from __future__ import annotations

import atexit
import gc

from steelcli.cli import stages, tools, use  # in the order of the help
from steelcli.cli.app import app
from steelcli.commands.usage import run_to_exit_code

__all__ = ["app", "main", "stages", "tools", "use"]


def main() -> None:
    """Run the command line; a user's error becomes one sentence on stderr and exit code 1."""
    # else Python looks at every object of torch on its way out, which takes most of a second
    atexit.register(gc.freeze)
    # the name is not `python -m steelcli`, which no shell completes
    run_to_exit_code(lambda: app(prog_name="steelcli"))
