"""Where levels become predictions, and predictions become tp, fp and fn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.data.levels import TOP_LEVEL, from_levels
from steelcli.scores.components import remove_small

PROBS = from_levels(np.arange(TOP_LEVEL + 1, dtype=np.uint16))
"""The probability of every level: float32 [65536], rising from 0 to 1."""


class OperatingPoint(NamedTuple):
    """How a map becomes a mask.

    Attributes:
        threshold: probability in [0, 1] from which on a pixel is predicted.
        min_area_px: predicted components of fewer pixels are removed; 0 and 1 remove nothing.
    """

    threshold: float
    min_area_px: int = 0


FIXED = OperatingPoint(0.5)
"""The point that nobody learned: of the group ``fixed`` and of the epochs' csv."""


class Counts(NamedTuple):
    """Pixels of one image at one operating point."""

    tp: int
    fp: int
    fn: int


def lowest_level(threshold: float) -> int:
    """Return the lowest level that is predicted: its probability reaches the threshold.

    Args:
        threshold: probability in [0, 1]; it is rounded to float32, as the probabilities are.
    """
    return int(np.searchsorted(PROBS, np.float32(threshold)))


def cut(levels: NDArray[np.uint16], point: OperatingPoint) -> NDArray[np.bool_]:
    """Return which pixels of [H, W] are predicted, bool [H, W].

    Every mask in the program is cut here.
    """
    mask = levels >= lowest_level(point.threshold)
    return remove_small(mask, point.min_area_px)


def count(preds: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Counts:
    """Count the pixels of two bool masks [H, W]."""
    tp = int(np.count_nonzero(preds & truth))
    return Counts(tp, int(np.count_nonzero(preds)) - tp, int(np.count_nonzero(truth)) - tp)
