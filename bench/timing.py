"""Clock several ways in turns, and compare them by the median of their ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Spread(NamedTuple):
    """A median with its quartiles; of fewer than three values the lowest and the highest."""

    median: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    """Return the median and the quartiles of one value or more."""
    if len(values) < 3:
        return Spread(statistics.median(values), min(values), max(values))
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def interleave(
    ways: Mapping[str, Callable[[], Any]],
    rounds: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Call all ways in each round, in turns; return the seconds of each call by way.

    Every second round goes backwards, so that no way profits from its place while the machine
    grows slower or faster.

    Args:
        warm_up: rounds before the clock starts.
    """
    names = list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for index in range(-warm_up, rounds):
        for name in names if index % 2 == 0 else reversed(names):
            started = clock()
            ways[name]()
            if index >= 0:
                seconds[name].append(clock() - started)
    return seconds


def ratio(above: list[float], below: list[float]) -> Spread:
    """Return the ratio of two ways, taken within each round."""
    return spread([one / other for one, other in zip(above, below, strict=True)])
