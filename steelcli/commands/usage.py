"""How a command line ends; wrong usage: an option called like a parameter, other code's folder."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from typer.core import TyperGroup

import steelcli
from steelcli.common.errors import Interrupted, RunError, UserError


def run_to_exit_code(app: Callable[[], object]) -> None:
    """Run the program; a user's error becomes one sentence on stderr and exit code 1."""
    # Read when torch starts OpenMP. Threads that spin while they wait slow everything down where
    # another process wants the same cores (two cores: 25 → 73 s an epoch; passive: 26 → 44 s).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for stream in (sys.stdout, sys.stderr):  # escape characters that the terminal lacks
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except MemoryError:
        sys.exit(
            "Error: the memory is full: this process; free memory, or lower data.max_image_pixels."
        )
    except UserError as error:
        sys.exit(f"Error: {error}")
    except Interrupted as stop:
        with suppress(OSError):  # nobody reads
            print(stop, file=sys.stderr)
        sys.exit(stop.exit_code)


class Commands(TyperGroup):
    """The commands of the command line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        self.words = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if type(error).__name__ == "NoSuchOption":  # Typer does not give its class away
                _point_to_parameter(error, self.words)
            raise


def refuse_other_code() -> None:
    """Refuse to run this code in a folder that holds another copy of it, whose results they seem.

    Raises:
        RunError: the installed command was called in another clone, or in a queued experiment.
    """
    package, own = Path("steelcli/__init__.py"), Path(steelcli.__file__)
    if package.is_file() and not package.samefile(own):
        what = f"this folder has a steelcli of its own, and the one that runs is {own}"
        remedy = "run `python -m steelcli` here, or `pip install --editable .`"
        raise RunError(what, Path.cwd(), remedy)


def _point_to_parameter(error: Any, words: list[str]) -> None:
    """Add to a usage error how to set a parameter, where the unknown option is called like one.

    Args:
        error: its ``option_name`` is the option, its ``possibilities`` are real ones like it.
        words: of the command line, after ``steelcli``.
    """
    from steelcli.params.options import explain_option

    command = error.ctx.info_name
    takes_parameters = "params" in (parameter.name for parameter in error.ctx.command.params)
    rest = words[words.index(command) + 1 :]
    hint = explain_option(error.option_name, command, rest, misspelt=not error.possibilities)
    if hint and takes_parameters:
        error.message += f"\n{hint}"
        error.possibilities = None
