"""Apply a function to many items on all cores, results in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from steelcli.common.errors import RunError
from steelcli.common.parent import die_with_parent
from steelcli.common.progress import track

R = TypeVar("R")
_MIN_ITEMS = 32
"""Below this, starting worker processes costs more than it saves."""


def count_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def short_turns() -> Iterator[None]:
    """Let the threads take turns at the interpreter ten times as often as usual, every 0.5 ms.

    A network waits for its turn between any two layers, beside threads that read and write images.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def over_cores(
    work: Callable[[Any], R], items: Sequence[Any], label: str, begin: Callable[[], None]
) -> Iterator[R]:
    """Apply ``work`` to the items on all cores, results in order, with a progress bar.

    Args:
        work: a function at the top level of a module, or a partial of one, as pickle needs it.
        items: what it is applied to.
        label: what the progress bar says.
        begin: called once in each worker process.

    Raises:
        RunError: a worker process died.
    """
    cores = count_cores()
    if cores == 1 or len(items) < _MIN_ITEMS:
        yield from track(map(work, items), label, len(items))
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(cores, 16), context, _begin_worker, (work, begin)) as pool:
        chunk = max(1, min(64, len(items) // (8 * cores)))
        try:
            yield from track(pool.map(_work, items, chunksize=chunk), label, len(items))
        except BrokenProcessPool as error:
            remedy = "free memory, or lower data.max_image_pixels"
            raise RunError(
                "a process was killed, likely for want of memory", f"while {label}", remedy
            ) from error


_WORK: list[Callable[[Any], Any]] = []
"""Set once in each worker, so that the function is sent there once, not with every item."""


def _begin_worker(work: Callable[[Any], Any], begin: Callable[[], None]) -> None:
    die_with_parent()
    begin()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends the others
    _WORK[:] = [work]


def _work(item: Any) -> Any:
    return _WORK[0](item)
