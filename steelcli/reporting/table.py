"""Tables of formatted text, and how the terminal shows them."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from steelcli.common.errors import escape
from steelcli.common.progress import put

DECIMALS = 4
"""Digits after the point in what a single stage prints; the report has a parameter for it."""
ABSENT = "–"
"""Shown for a metric without a value."""
MEANING = "meaning"
"""Heading of a column of prose."""
MODEL = "model"
"""Heading of a column of models' names, which may be long and break where need be."""
MIN_WIDTHS = {MEANING: 20, MODEL: 16}
"""Of the columns whose text may break, in characters."""


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
        """For each column, whether it is flush left: the first one and prose are."""
        return tuple(index == 0 or column == MEANING for index, column in enumerate(self.columns))


def format_number(value: Any, decimals: int) -> str:
    """Format one value of a metric.

    A count gets separators, a fraction ``decimals`` digits and from 10 on at most two; None and NaN
    become a dash.
    """
    if value is None:
        return ABSENT
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return ABSENT
    size = abs(value)
    if value and size < 0.5 * 10**-decimals:
        return f"{value:.1e}"
    digits = decimals if size < 10 else min(decimals, 2)
    return f"{value:,.{digits}f}"


def format_signed(value: float | None, decimals: int) -> str:
    """Format as `format_number` does, with a plus before what is above 0."""
    text = format_number(value, decimals)
    return f"+{text}" if value is not None and value > 0 else text


def format_numbers(values: Iterable[Any], decimals: int) -> tuple[str, ...]:
    """Format each value as `format_number` does."""
    return tuple(format_number(value, decimals) for value in values)


def show_tables(tables: Iterable[Table]) -> None:
    """Print tables.

    Prose wraps at the width of the terminal; numbers and names never break, the table becomes wider
    than the terminal instead. What cannot be printed is escaped, for names come from files.
    """
    with _printing() as console:
        for table in map(_escape, tables):
            view = _lay_out(table)
            no_limit = console.options.update(width=10_000)
            needed = Measurement.get(console, no_limit, view).minimum
            console.print(Text(table.title, style="bold"), soft_wrap=True)
            console.print(view, width=max(console.width, needed), crop=False)
            if table.note:
                console.print(Text(table.note, style="dim"), soft_wrap=True)
            console.print()


class _Drawing(io.StringIO):
    """Text for the terminal that standard output is, gathered first; Python may have none."""

    encoding = property(lambda _: sys.stdout.encoding if sys.stdout else "utf-8")

    def isatty(self) -> bool:
        return bool(sys.stdout) and sys.stdout.isatty()


@contextmanager
def _printing() -> Iterator[Console]:
    """Yield a console that knows the terminal; what it draws is printed when the block ends.

    rich itself would end the command where the reader went away.
    """
    drawing = _Drawing()
    yield Console(file=drawing)
    put(drawing.getvalue().removesuffix("\n"))


def _escape(table: Table) -> Table:
    rows = tuple(tuple(map(escape, row)) for row in table.rows)
    columns = tuple(map(escape, table.columns))
    return Table(escape(table.title), columns, rows, escape(table.note))


def _lay_out(table: Table) -> RichTable:
    view = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, (column, is_left) in enumerate(zip(table.columns, table.is_left, strict=True)):
        cells = [column, *(row[index] for row in table.rows)]
        width = max(cell_len(cell) for cell in cells)
        width = min(width, MIN_WIDTHS.get(column, width))
        justify: JustifyMethod = "left" if is_left else "right"
        view.add_column(Text(column), justify=justify, min_width=width, overflow="fold")
    for row in table.rows:
        view.add_row(*map(Text, row))
    return view
