"""The faults of a data set, and what else `steelcli check` found, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from steelcli.common.problems import Problem
from steelcli.common.progress import say
from steelcli.data.raw.survey import Survey
from steelcli.data.raw.suspicions import Finding, count_classes, count_sizes, list_suspicions
from steelcli.params.data import DataParams
from steelcli.reporting.table import DECIMALS, Table, format_number, show_tables

MAX_SHOWN = 20
"""Problems printed; the csv has them all."""
MAX_NAMES = 3
"""Images named of each suspicion."""
MAX_SIZES = 10
"""Sizes of images printed."""


def show_check(found: Survey[Finding], params: DataParams) -> None:
    """Print what `steelcli check` found."""
    show_tables([_build_images(found, params), _build_classes(found)])
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
    title = f"Images in {Path(params.root)} ({found.source.format})"
    return Table(title, ("format", "size", "images"), tuple(rows), note)


def _build_classes(found: Survey[Finding]) -> Table:
    rows = []
    for title, images, share in count_classes(found):
        rows.append((title, format_number(images, 0), format_number(100 * share, DECIMALS)))
    return Table("Classes", ("class", "images", "pixels, %"), tuple(rows))


def show_problems(problems: Sequence[Problem], root: str) -> None:
    """Print the first faults, each file on a line of its own, where no path is broken.

    Args:
        problems: all of them.
        root: ``data.root``, from which files are named.
    """
    count = format_number(len(problems), 0)
    first = f", the first {MAX_SHOWN}" if len(problems) > MAX_SHOWN else ""
    say(f"{count} problem{'s' * (len(problems) > 1)} in {root}{first}:")
    for row in problems[:MAX_SHOWN]:
        say(f"  {_shorten(row.file, root)}")
        say(f"    {row.what}; {row.remedy}")
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
