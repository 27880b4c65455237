"""The faults of a data set, and what else `steelcli check` found, in the terminal."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from steelcli.common.problems import Problem
from steelcli.common.progress import say
from steelcli.data.raw.image_size import SizeReport, report_size
from steelcli.data.raw.survey import Survey
from steelcli.data.raw.suspicions import Finding, count_classes, count_sizes, list_suspicions
from steelcli.params.data import DataParams
from steelcli.reporting.metric_meanings import DATA_MEANINGS
from steelcli.reporting.table import DECIMALS, MEANING, Table, format_number, show_tables

MAX_SHOWN = 20
"""Kinds of problems printed; the csv has all problems."""
MAX_NAMES = 3
"""Images named of each suspicion."""
MAX_SIZES = 10
"""Sizes of images printed."""


def show_check(found: Survey[Finding], params: DataParams, judge_size: bool = True) -> None:
    """Print what `steelcli check` found, and how the images fare at ``params.image_size``."""
    tables = [_build_images(found, params), _build_classes(found)]
    size = report_size(found.results, params.image_size) if judge_size and found.results else None
    if size:
        tables.append(_build_size(size))
    show_tables(tables)
    if size and size.warning:
        say(f"warning: {size.warning}")
        say("")
    suspicions = list_suspicions(found, params)
    if suspicions:
        _show_suspicions(suspicions)
    if found.problems:
        show_problems(found.problems, params.root)


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


def show_problems(problems: Sequence[Problem], root: str) -> None:
    """Print the first faults, each file on a line of its own, where no path is broken.

    Faults of several files that differ in numbers alone are told once.

    Args:
        problems: all of them.
        root: ``data.root``, from which files are named.
    """
    groups: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for row in problems:
        groups[re.sub(r"\d+", "", row.what), row.remedy].append(row)
    say(f"{format_number(len(problems), 0)} problem{'s' * (len(problems) > 1)} in {root}:")
    for first, *others in list(groups.values())[:MAX_SHOWN]:
        more = f" and {format_number(len(others), 0)} more" if others else ""
        say(f"  {_shorten(first.file, root)}{more}")
        say(f"    {first.what}; {first.remedy}")
    if len(groups) > MAX_SHOWN:
        say(f"  and {len(groups) - MAX_SHOWN} more kinds")
    say("")


def _show_suspicions(suspicions: Mapping[str, Sequence[str]]) -> None:
    """Print what looks odd, each with the names of the first images."""
    for what, names in suspicions.items():
        first = ", the first ones" if len(names) > MAX_NAMES else ""
        say(f"suspicious: {what} ({format_number(len(names), 0)} of the images{first}):")
        for name in names[:MAX_NAMES]:
            say(f"  {name}")
    say("")


def _shorten(file: str, root: str) -> str:
    """Return a file's path from ``root`` where it lies in it."""
    path = Path(file)
    inside = path.is_relative_to(root) and path != Path(root)
    return path.relative_to(root).as_posix() if inside else file
