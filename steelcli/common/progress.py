"""What reaches the terminal: lines, laid out text, and a progress bar where a person watches.

All that is printed goes through `say` or `put`, but for the sentence of an error.
"""

from __future__ import annotations

import errno
import os
import sys
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

from steelcli.common.errors import RunError, escape

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
    """Print one line for a person, at once, also into a log; see `put`."""
    put(escape(text))


def put(text: str) -> None:
    """Print text in which all that comes from files is escaped.

    A reader that goes away, as `head` does, ends no work: from then on nothing is printed.

    Raises:
        RunError: the text cannot be written, because the disk is full for instance.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        _stop_printing()
        if error.errno != errno.EPIPE:
            what = f"cannot print ({error.strerror})"
            raise RunError(what, "standard output", "free space or print elsewhere") from error


def _stop_printing() -> None:
    """Send what is printed nowhere, also what Python still holds and writes as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
