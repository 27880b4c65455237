"""The faults of a data set, and what else `steelcli check` found, in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from steelcli.common.problems import COLUMNS, Problem
from steelcli.data.raw.survey import Survey
from steelcli.data.raw.suspicions import Finding, count_classes, count_sizes, list_suspicions
from steelcli.params.data import DataParams
from steelcli.reporting.table import DECIMALS, Table, format_number, show_tables

SHOWN = 20
"""Rows printed; the csv has them all."""


def show_check(found: Survey[Finding], params: DataParams) -> None:
    """Print what was found."""
    sizes = count_sizes(found)
    rest: list[tuple[Any, ...]] = (
        [("others", "", sum(count for *_, count in sizes[10:]))] if sizes[10:] else []
    )
    rows = [(kind, size, format_number(count, 0)) for kind, size, count in [*sizes[:10], *rest]]
    classes = [
        (title, format_number(images, 0), format_number(100 * share, DECIMALS))
        for title, images, share in count_classes(found)
    ]
    count = len(found.problems)
    note = f"{found.found} images found, {len(found.samples)} read, {count} problem{'s' * (count != 1)}."
    show_tables(
        [
            Table(
                f"Images in {Path(params.root)} ({found.source.format})",
                ("format", "size", "images"),
                tuple(rows),
                note,
            ),
            Table("Classes", ("class", "images", "pixels, %"), tuple(classes)),
        ]
    )
    odd = [
        (what, format_number(len(names), 0), _shorten(names))
        for what, names in list_suspicions(found, params).items()
    ]
    if odd:
        show_rows(("suspicious", "images", "the first of them"), odd)
    if found.problems:
        show_problems(found.problems)


def show_problems(problems: Sequence[Problem]) -> None:
    """Print the first faults."""
    show_rows(COLUMNS, [(row.file, row.what, row.remedy) for row in problems[:SHOWN]])
    if len(problems) > SHOWN:
        Console().print(Text(f"and {len(problems) - SHOWN} more", style="dim"))


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of prose, which wraps, long names too."""
    view = RichTable(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        view.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console().print(view)


def _shorten(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
