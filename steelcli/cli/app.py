"""The Typer application, and what several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from steelcli.commands.usage import Commands, refuse_other_code
from steelcli.common.progress import say

if TYPE_CHECKING:
    from steelcli.params.all import Params

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train and judge segmentation networks for defects on rolled steel.",
    epilog="Every stage reads params.yaml; "
    "change a value for one run with `steelcli run -S train.lr=1e-4`.",
)
ParamsPath = Annotated[
    Path, typer.Option("--params", help="The parameter file.", show_default=True)
]


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the versions and exit.")] = False,
) -> None:
    """Train and judge segmentation networks for defects on rolled steel."""
    if show:
        from steelcli.commands.examine_packages import version_line

        say(version_line())
        raise typer.Exit
    refuse_other_code()


def load(path: Path) -> Params:
    """Read the parameters; called before the heavy imports, so that a mistake is told at once."""
    from steelcli.params.all import load_params

    return load_params(path)
