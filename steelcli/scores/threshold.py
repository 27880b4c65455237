"""The best threshold of a curve: the middle of the first plateau of best ones."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import RunError
from steelcli.scores.curves import Row

Objective = Literal["dice", "dice_defect", "f1"]
"""As in section ``threshold``, which training may not depend on."""
OBJECTIVES: tuple[Objective, ...] = get_args(Objective)
TIE = 1e-12
"""Scores this near to the best are as good."""
FLAT = 1e-3
"""A curve is flat when scores this near to the best fill half of the grid around it."""


class Choice(NamedTuple):
    """The best threshold of a curve and whether to distrust it.

    Attributes:
        threshold, score: the best.
        is_flat: half of the grid scores about as well.
        at_edge: the best thresholds reach an end of the grid.
    """

    threshold: float
    score: float
    is_flat: bool
    at_edge: bool


def choose_threshold(curve: list[Row], objective: Objective, lowest: float = 0.0) -> Choice:
    """Return the middle of the first plateau of best thresholds.

    Args:
        curve: rows of `threshold_curve`.
        objective: the column to maximise.
        lowest: the lowest threshold allowed.

    Raises:
        RunError: the objective has nothing to divide by at any threshold: no image has a defect.
    """
    known = [row for row in curve if objective in row]
    if not known:
        raise no_value(objective)
    below = sum(row["threshold"] < lowest for row in known)
    scores = np.array([row[objective] for row in known[below:]])
    best = float(scores.max())
    first, last = _plateau(scores, best - TIE)
    wide_first, wide_last = _plateau(scores, best - FLAT)
    middle = below + (first + last) // 2
    return Choice(
        threshold=known[middle]["threshold"],
        score=known[middle][objective],
        is_flat=2 * (wide_last - wide_first + 1) >= scores.size,
        at_edge=below + first == 0 or below + last == len(known) - 1,
    )


def no_value(objective: Objective) -> RunError:
    """Return the error that there is nothing to maximise."""
    what = "no image of the split gives the objective a value"
    remedy = "choose another objective or a validation split with defects"
    return RunError(what, f"threshold.objective {objective}", remedy)


def _plateau(scores: NDArray[np.float64], floor: float) -> tuple[int, int]:
    """Return the first and last index of the scores >= ``floor`` around the first maximum."""
    peak = int(np.argmax(scores))
    below = np.flatnonzero(scores < floor)
    after = int(np.searchsorted(below, peak))
    first = int(below[after - 1]) + 1 if after else 0
    last = int(below[after]) - 1 if after < below.size else len(scores) - 1
    return first, last
