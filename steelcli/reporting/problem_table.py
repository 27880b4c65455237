"""The faults of a data set, and what else `steelcli check` found, in the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steelcli.common.problems import COLUMNS, Problem
from steelcli.data.raw.survey import Survey
from steelcli.data.raw.suspicions import Finding, count_classes, count_sizes, list_suspicions
from steelcli.params.data import DataParams
from steelcli.reporting.table import DECIMALS, Table, format_number, show_rows, show_tables

MAX_SHOWN = 20
"""Problems printed; the csv has them all."""
MAX_SIZES = 10
"""Sizes of images printed."""


def show_check(found: Survey[Finding], params: DataParams) -> None:
    """Print what `steelcli check` found."""
    show_tables([_build_images(found, params), _build_classes(found)])
    suspicions = list_suspicions(found, params)
    if suspicions:
        rows = []
        for what, names in suspicions.items():
            rows.append((what, format_number(len(names), 0), _shorten(names)))
        show_rows(("suspicious", "images", "the first of them"), rows)
    if found.problems:
        show_problems(found.problems)


def _build_images(found: Survey[Finding], params: DataParams) -> Table:
    sizes = count_sizes(found)
    shown = sizes[:MAX_SIZES]
    rows = [(kind, size, format_number(count, 0)) for kind, size, count in shown]
    if len(sizes) > MAX_SIZES:
        others = sum(count for _, _, count in sizes[MAX_SIZES:])
        rows.append(("others", "", format_number(others, 0)))
    count = len(found.problems)
    problems = f"{count} problem" if count == 1 else f"{count} problems"
    note = f"{found.found} images found, {len(found.samples)} read, {problems}."
    title = f"Images in {Path(params.root)} ({found.source.format})"
    return Table(title, ("format", "size", "images"), tuple(rows), note)


def _build_classes(found: Survey[Finding]) -> Table:
    rows = []
    for title, images, share in count_classes(found):
        rows.append((title, format_number(images, 0), format_number(100 * share, DECIMALS)))
    return Table("Classes", ("class", "images", "pixels, %"), tuple(rows))


def show_problems(problems: Sequence[Problem]) -> None:
    """Print the first faults."""
    rows = [(row.file, row.what, row.remedy) for row in problems[:MAX_SHOWN]]
    left = len(problems) - MAX_SHOWN
    show_rows(COLUMNS, rows, note=f"and {left} more" if left > 0 else "")


def _shorten(names: Sequence[str]) -> str:
    text = ", ".join(names[:3])
    return f"{text}, …" if len(names) > 3 else text
