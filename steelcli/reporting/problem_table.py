"""The faults of a data set, and what else `steelcli check` found, in the terminal."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from steelcli.common.problems import COLUMNS, Problem
from steelcli.common.progress import say
from steelcli.data.raw.image_size import SizeReport, report_size
from steelcli.data.raw.survey import Survey
from steelcli.data.raw.suspicions import Finding, count_classes, count_sizes, list_suspicions
from steelcli.params.data import DataParams
from steelcli.reporting.metric_meanings import DATA_MEANINGS
from steelcli.reporting.table import DECIMALS, MEANING, Table, format_number, show_tables

MAX_SHOWN = 20
"""Kinds of problems printed; the csv has them all."""
MAX_SIZES = 10
"""Sizes of images printed."""


def show_check(found: Survey[Finding], params: DataParams) -> None:
    """Print what `steelcli check` found."""
    tables = [_build_images(found, params), _build_classes(found)]
    size = report_size(found.results, params.image_size) if found.results else None
    if size:
        tables.append(_build_size(size))
    show_tables(tables)
    if size and size.warning:
        say(f"warning: {size.warning}\n")
    suspicions = list_suspicions(found, params)
    if suspicions:
        rows = []
        for what, names in suspicions.items():
            rows.append((what, format_number(len(names), 0), _shorten(names)))
        show_rows(("suspicious", "images", "the first of them"), rows)
        Console().print()
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
    note += _describe_reading(found, params)
    title = f"Images in {Path(params.root)} ({found.source.format})"
    return Table(title, ("format", "size", "images"), tuple(rows), note)


def _describe_reading(found: Survey[Finding], params: DataParams) -> str:
    """Say what the parameters make of grey values, where the data has such."""
    said = ""
    deep = [one.deep_values for one in found.results if one.deep_values]
    if deep and params.value_range:
        low, high = params.value_range
        lowest, highest = min(one[0] for one in deep), max(one[-1] for one in deep)
        said += f" 16-bit values ({lowest} to {highest} here): {low} becomes 0, {high} 255."
    if found.source.format == "masks" and params.mask_values:
        values = ", ".join(f"{title} {value}" for title, value in params.mask_values.items())
        said += f" Values of the masks: {values}."
    elif found.source.format == "masks" and params.mask_threshold:
        said += f" In masks with grey values those from {params.mask_threshold} on are defect."
    return said


def _build_size(size: SizeReport) -> Table:
    width, height = size.image_size
    rows = []
    for key, value in size.metrics.items():
        rows.append((key, format_number(value, DECIMALS), DATA_MEANINGS[key]))
    title = f"At data.image_size [{width}, {height}]"
    return Table(title, ("", "value", MEANING), tuple(rows))


def _build_classes(found: Survey[Finding]) -> Table:
    rows = []
    for title, images, share in count_classes(found):
        rows.append((title, format_number(images, 0), format_number(100 * share, DECIMALS)))
    return Table("Classes", ("class", "images", "pixels, %"), tuple(rows))


def show_problems(problems: Sequence[Problem]) -> None:
    """Print the first faults; those of several files that differ in numbers alone share a row."""
    groups: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for row in problems:
        groups[re.sub(r"\d+", "", row.what), row.remedy].append(row)
    rows = []
    for first, *others in list(groups.values())[:MAX_SHOWN]:
        more = f"\nand {format_number(len(others), 0)} more" if others else ""
        rows.append((first.file + more, first.what, first.remedy))
    show_rows(COLUMNS, rows)
    if len(groups) > MAX_SHOWN:
        Console().print(Text(f"and {len(groups) - MAX_SHOWN} more kinds", style="dim"))


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows of prose, which wraps, long names too."""
    view = RichTable(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        view.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console().print(view)


def _shorten(names: Sequence[str]) -> str:
    text = ", ".join(names[:3])
    return f"{text}, …" if len(names) > 3 else text
