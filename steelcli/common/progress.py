"""A progress bar where a person watches, silence in a log."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

T = TypeVar("T")


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield the items; on a terminal show a bar with count and time left, removed at the end."""
    if not Console(stderr=True).is_terminal:
        yield from items
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        # a copy of stderr: the image decoder redirects it while it works
        os.fdopen(os.dup(2), "w", encoding="utf-8") as terminal,
        Progress(
            *columns, TimeRemainingColumn(), console=Console(file=terminal), transient=True
        ) as progress,
    ):
        yield from progress.track(items, total=total, description=label)


def say(text: str) -> None:
    """Print one line for a person, at once, also into a log."""
    print(text, flush=True)
