"""Tables of formatted text, and how the terminal shows them."""

from __future__ import annotations

import io
import math
import os
import sys
import textwrap
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
MIN_PROSE = 20
"""Least width of prose, in characters."""
NO_WIDTH = 10_000
"""Characters on a line of a file or a pipe."""
RULE = box.Box("\n".join(["    ", "    ", " -- ", *["    "] * 5]), ascii=True)
"""Draws a table with a rule under its headings and nothing else, in ASCII."""


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

    Prose wraps at the width of the terminal; numbers and names never break. Where names leave no
    room for the numbers, each has a line of its own; where that does not help, the table becomes
    wider than the terminal. In a file or a pipe nothing wraps, and the rules are ASCII. What cannot
    be printed is escaped, for names come from files.
    """
    with _printing() as console:
        for table in map(_escape, tables):
            console.print(Text(table.title, style="bold"), soft_wrap=True)
            _draw(table, console)
            for line in wrap(table.note, console.width):
                console.print(Text(line, style="dim"), soft_wrap=True)
            console.print()


def wrap(text: str, width: int) -> list[str]:
    """Return lines of at most ``width`` characters; a longer word has a line of its own."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def measure_terminal() -> tuple[int, bool]:
    """Return how many characters fit on a line, and whether it is a terminal's."""
    console = _build_console(_Drawing())
    return console.width, console.is_terminal


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
    yield _build_console(drawing)
    put(drawing.getvalue().removesuffix("\n"))


def _build_console(drawing: _Drawing) -> Console:
    console = Console(file=drawing)
    if not console.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        console.width = NO_WIDTH
    return console


def _escape(table: Table) -> Table:
    rows = tuple(tuple(map(escape, row)) for row in table.rows)
    columns = tuple(map(escape, table.columns))
    return Table(escape(table.title), columns, rows, escape(table.note))


def _draw(table: Table, console: Console) -> None:
    view = _lay_out(table, console)
    needed = _measure(view, console)
    if needed > console.width and MEANING not in table.columns:
        below = _lay_out(_without_names(table), console)
        if _measure(below, console) <= console.width:
            with console.capture() as capture:
                console.print(below)
            headings, rule, *lines = capture.get().splitlines()
            names = [row[0] for row in table.rows]
            pairs = zip(names, lines, strict=True)
            for line in (headings, rule, *(text for pair in pairs for text in pair)):
                console.out(line, highlight=False)
            return
    console.print(view, width=max(console.width, needed), crop=False)


def _without_names(table: Table) -> Table:
    rows = tuple(("", *row[1:]) for row in table.rows)
    return Table(table.title, table.columns, rows)


def _measure(view: RichTable, console: Console) -> int:
    no_limit = console.options.update(width=NO_WIDTH)
    return Measurement.get(console, no_limit, view).minimum


def _lay_out(table: Table, console: Console) -> RichTable:
    lines = box.SIMPLE_HEAD if console.is_terminal else RULE
    view = RichTable(box=lines, pad_edge=False, show_edge=False)
    for index, (column, is_left) in enumerate(zip(table.columns, table.is_left, strict=True)):
        cells = [column, *(row[index] for row in table.rows)]
        width = max(map(cell_len, cells))
        if column == MEANING:
            words = [word for cell in cells for word in cell.split()]
            width = min(width, max(MIN_PROSE, *map(cell_len, words)))
        justify: JustifyMethod = "left" if is_left else "right"
        view.add_column(Text(column), justify=justify, min_width=width, overflow="fold")
    for row in table.rows:
        view.add_row(*map(Text, row))
    return view
