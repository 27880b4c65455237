"""Metrics as tables of formatted text, and those tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

DECIMALS = 4
"""Digits after the point where no parameter says otherwise: in the terminal, after a single
stage."""
ABSENT = "–"
"""What stands for a metric that has no value."""
MEANING = "meaning"
"""The heading of a column of prose; such columns and each table's first are flush left, the others
flush right."""
PROSE_WIDTH = 20
"""Characters that a column of prose keeps in a narrow terminal."""


@dataclass(frozen=True)
class Table:
    """A titled table of formatted text.

    Attributes:
        columns: headings.
        rows: one text per column each.
        note: a sentence below the table, or empty.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    @property
    def is_left(self) -> tuple[bool, ...]:
        """For each column, whether it is flush left."""
        return tuple(index == 0 or column == MEANING for index, column in enumerate(self.columns))


def format_number(value: Any, decimals: int) -> str:
    """Format a metric: counts with separators, fractions with ``decimals`` digits (from 10 on, two
    at most)."""
    if value is None:
        return ABSENT
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if value and abs(value) < 0.5 * 10**-decimals:
        return f"{value:.1e}"
    return f"{value:,.{decimals if abs(value) < 10 else min(decimals, 2)}f}"


def show_tables(tables: Iterable[Table]) -> None:
    """Print tables; prose wraps at the width of the terminal, numbers and names never break, if
    need be beyond it."""
    console = Console()
    for table in tables:
        view = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for index, (column, is_left) in enumerate(zip(table.columns, table.is_left, strict=True)):
            width = max(cell_len(cell) for cell in (column, *(row[index] for row in table.rows)))
            view.add_column(
                Text(column),
                justify="left" if is_left else "right",
                min_width=min(width, PROSE_WIDTH) if column == MEANING else width,
                overflow="fold",
            )
        for row in table.rows:
            view.add_row(*map(Text, row))
        needed = Measurement.get(console, console.options.update(width=10_000), view).minimum
        console.print(Text(table.title, style="bold"), soft_wrap=True)
        console.print(view, width=max(console.width, needed), crop=False)
        if table.note:
            console.print(Text(table.note, style="dim"), soft_wrap=True)
        console.print()
