"""Choose the probability threshold: the middle of the best plateau of a curve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import RunError
from steelcli.common.progress import say
from steelcli.scores.curves import Row
from steelcli.scores.parallel import Scored, score_images
from steelcli.scores.scorer import SplitScorer

FIXED_THRESHOLD = 0.5
"""The threshold that nobody learned: of the group ``fixed`` and of the epochs' csv."""
Objective = Literal["dice", "dice_defect", "f1"]
OBJECTIVES: tuple[Objective, ...] = ("dice", "dice_defect", "f1")
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


def choose_threshold(curve: list[Row], objective: Objective) -> Choice:
    """Return the middle of the first plateau of best thresholds.

    Args:
        curve: rows of `threshold_curve`.
        objective: the column to maximise.

    Raises:
        RunError: the objective has nothing to divide by at any threshold: no image has a defect.
    """
    known = [row for row in curve if objective in row]
    if not known:
        what = "no image of the split gives the objective a value"
        remedy = "choose another objective or a validation split with defects"
        raise RunError(what, f"threshold.objective {objective}", remedy)
    scores = np.array([row[objective] for row in known])
    best = float(scores.max())
    first, last = _plateau(scores, best - TIE)
    wide_first, wide_last = _plateau(scores, best - FLAT)
    middle = (first + last) // 2
    return Choice(
        threshold=known[middle]["threshold"],
        score=known[middle][objective],
        is_flat=2 * (wide_last - wide_first + 1) >= len(known),
        at_edge=first == 0 or last == len(known) - 1,
    )


def _plateau(scores: NDArray[np.float64], floor: float) -> tuple[int, int]:
    """Return the first and last index of the scores >= ``floor`` around the first maximum."""
    peak = int(np.argmax(scores))
    below = np.flatnonzero(scores < floor)
    after = int(np.searchsorted(below, peak))
    first = int(below[after - 1]) + 1 if after else 0
    last = int(below[after]) - 1 if after < below.size else len(scores) - 1
    return first, last


def learn_threshold(
    objective: Objective, class_titles: Sequence[str], images: Iterable[Scored]
) -> tuple[dict[str, Any], list[Row]]:
    """Score every threshold of the grid on validation images in one pass, of whatever model.

    Returns:
        ``threshold``, the objective's best, with the best threshold and score of every objective;
        and the whole curve.
    """
    scorer = score_images(lambda: SplitScorer(class_titles, (), 1.0, 0, froc=False), images)
    curve = scorer.threshold_curve()
    chosen = choose_threshold(curve, objective)
    if chosen.is_flat:
        flat = f"{objective} hardly depends on the threshold"
        say(f"warning: {flat}; {chosen.threshold:g} is one of many")
    if chosen.at_edge:
        say(f"warning: the best {objective} lies at the edge of the grid, at {chosen.threshold:g}")
    metrics: dict[str, Any] = {"threshold": chosen.threshold}
    for name in OBJECTIVES:
        # dice_defect has no value where no image has a defect
        if any(name in row for row in curve):
            best = choose_threshold(curve, name)
            metrics |= {f"{name}_threshold": best.threshold, f"{name}_score": best.score}
    return metrics, curve
