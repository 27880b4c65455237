"""What reaches the terminal: lines, laid out text, and how far long work is.

All that is printed goes through `say` or `put`, but for the sentence of an error.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from steelcli.common.errors import RunError, escape

T = TypeVar("T")
_LINE_EVERY_S = 30.0


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield the items, and show count, rate and time left.

    On a terminal that is a bar, removed at the end, else a line every 30 seconds. Of several
    processes under torchrun the first one shows it.
    """
    if os.environ.get("RANK", "0") != "0":
        yield from items
        return
    if not Console(stderr=True).is_terminal:
        yield from _report(items, label, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
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


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the rate of the last while, nothing before the second item."""
        return Text(_format_rate(task.speed) if task.speed else "")


def _report(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield the items and print a line now and then."""
    begun = told = time.monotonic()
    for count, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - told >= _LINE_EVERY_S and count < total:
            told, rate = now, count / (now - begun)
            left = timedelta(seconds=round((total - count) / rate))
            say(f"{label}: {count} of {total}, {_format_rate(rate)}, {left} left")


def _format_rate(per_second: float) -> str:
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{1 / per_second:.1f} s each"


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
