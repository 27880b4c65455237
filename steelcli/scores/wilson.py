"""How sure a share is: the interval of Wilson."""

from __future__ import annotations

import math
from statistics import NormalDist

LEVEL = 0.95
"""Of 100 intervals, of whatever kind, about 95 hold the value over all images there could be."""


def wilson_interval(part: int, whole: int) -> tuple[float, float]:
    """Return the bounds of ``part`` of ``whole`` at `LEVEL`; ``whole`` is at least 1.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference"; in the form
    of Brown, Cai and DasGupta 2001. At none and at all it does not shrink to a point.
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share = part / whole
    middle = (part + z**2 / 2) / (whole + z**2)
    half = z / (whole + z**2) * math.sqrt(whole * share * (1 - share) + z**2 / 4)
    low = 0.0 if part == 0 else middle - half
    high = 1.0 if part == whole else middle + half
    return low, high
