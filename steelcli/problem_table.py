"""The faults of a data set in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from steelcli.data.problems import COLUMNS, Problem

SHOWN = 20
"""Rows printed; the csv has them all."""


def show_problems(problems: Sequence[Problem]) -> None:
    """Print the first faults as a table; long names wrap."""
    console = Console()
    view = Table(*COLUMNS, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in problems[:SHOWN]:
        view.add_row(Text(row.file, overflow="fold"), Text(row.what), Text(row.remedy))
    console.print(view)
    if len(problems) > SHOWN:
        console.print(Text(f"and {len(problems) - SHOWN} more", style="dim"))
