"""Calibration: Brier score, expected calibration error, reliability curve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.scores.counts import PROBS
from steelcli.scores.curves import Row
from steelcli.scores.histogram import PixelHistogram

CALIBRATION_BINS = 15
"""Equal-width bins of [0, 1], the number of Guo et al. 2017."""
EDGES: NDArray[np.float32] = (np.arange(CALIBRATION_BINS + 1) / CALIBRATION_BINS).astype(np.float32)
"""Float32 [16]; each is the probability of a level. A level on an edge is in the bin below it."""


class Bins(NamedTuple):
    """Sums over the pixels of each calibration bin, float64 [15] each."""

    probs: NDArray[np.float64]
    defect: NDArray[np.float64]
    pixels: NDArray[np.float64]


def calibration(histogram: PixelHistogram) -> dict[str, float]:
    """Return ``brier`` and ``ece`` over all pixels, or nothing without pixels.

    Brier 1950: the mean of (p - y)². Naeini et al. 2015, in the form of Guo et al. 2017, equation
    3: the sum over bins of (pixels / all pixels) · |mean probability - share of defect pixels|.
    """
    levels = np.flatnonzero(histogram.defect + histogram.clean)
    if not levels.size:
        return {}
    probs = PROBS[levels].astype(np.float64)
    defect, clean = histogram.defect[levels], histogram.clean[levels]
    pixels = int(defect.sum() + clean.sum())
    bins = _sum_bins(histogram)
    return {
        "brier": float((defect * (1 - probs) ** 2 + clean * probs**2).sum()) / pixels,
        "ece": float(np.abs(bins.probs - bins.defect).sum()) / pixels,
    }


def reliability(histogram: PixelHistogram) -> list[Row]:
    """Return one row per bin, with the columns of ``reliability.csv``.

    The means are left out where a bin has no pixel.
    """
    bins = _sum_bins(histogram)
    rows = []
    for index, pixels in enumerate(bins.pixels):
        row = {"probability_low": float(EDGES[index]), "probability_high": float(EDGES[index + 1])}
        if pixels:
            row["mean_probability"] = float(bins.probs[index] / pixels)
            row["defect_share"] = float(bins.defect[index] / pixels)
        rows.append(row | {"pixels": int(pixels)})
    return rows


def _sum_bins(histogram: PixelHistogram) -> Bins:
    member = np.searchsorted(EDGES[1:-1], PROBS, side="left")  # the bin of each level
    pixels = histogram.defect + histogram.clean
    return Bins(
        probs=np.asarray(np.bincount(member, weights=PROBS * pixels), np.float64),
        defect=np.asarray(np.bincount(member, weights=histogram.defect), np.float64),
        pixels=np.asarray(np.bincount(member, weights=pixels), np.float64),
    )
