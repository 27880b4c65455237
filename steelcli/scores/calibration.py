"""How far a pixel's probability can be taken at its word: Brier score, calibration error,
reliability curve."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelcli.scores.curves import Row
from steelcli.scores.histogram import MIXED, PixelHistogram, lower_edges

CALIBRATION_BINS = 15
"""Equal-width bins of [0, 1], the number of Guo et al. 2017."""
EDGES: NDArray[np.float32] = (np.arange(CALIBRATION_BINS + 1) / CALIBRATION_BINS).astype(np.float32)
"""Float32 [16], rounded as the probabilities are. A probability on an edge belongs to the bin below
it."""


def calibration(histogram: PixelHistogram) -> dict[str, float]:
    """Return ``brier`` and ``ece`` over all pixels, or nothing without pixels.

    Brier 1950: the mean of (p - y)². Naeini et al. 2015, in the form of Guo et al. 2017, equation
    3: the sum over bins of (pixels / all pixels) · |mean probability - share of defect pixels|.
    Both are exact where each bin of the histogram holds one probability, as those of a 16-bit map
    do.
    """
    probs, pos, neg = _by_probability(histogram)
    pixels = int(pos.sum() + neg.sum())
    if not pixels:
        return {}
    summed, defect, _ = _by_bin(probs, pos, neg)
    return {
        "brier": float((pos * (1 - probs) ** 2 + neg * probs**2).sum()) / pixels,
        "ece": float(np.abs(summed - defect).sum()) / pixels,
    }


def reliability(histogram: PixelHistogram) -> list[Row]:
    """Return a row ``probability_low, probability_high, mean_probability, defect_share, pixels``
    per bin.

    The means are left out where a bin has no pixel.
    """
    rows = []
    for index, (summed, defect, pixels) in enumerate(
        zip(*_by_bin(*_by_probability(histogram)), strict=True)
    ):
        row = {"probability_low": float(EDGES[index]), "probability_high": float(EDGES[index + 1])}
        if pixels:
            row |= {
                "mean_probability": float(summed / pixels),
                "defect_share": float(defect / pixels),
            }
        rows.append(row | {"pixels": int(pixels)})
    return rows


def _by_probability(
    histogram: PixelHistogram,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the probability of each used bin, its defect and its clean pixels, [N] each.

    A bin of several probabilities is taken at its middle, at most 2^-17 from any of them.
    """
    counted = histogram.bins()
    bins = np.flatnonzero(counted.pos + counted.neg)
    probs = counted.level[bins].astype(np.float64)
    mixed = np.flatnonzero(counted.level[bins] == MIXED)  # never the last bin, which holds 1 alone
    low, high = (
        lower_edges(bins[mixed]).astype(np.float64),
        lower_edges(bins[mixed] + 1).astype(np.float64),
    )
    probs[mixed] = (low + high) / 2
    return probs, counted.pos[bins], counted.neg[bins]


def _by_bin(
    probs: NDArray[np.float64], pos: NDArray[np.int64], neg: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the sum of probabilities, the defect pixels and all pixels of each calibration bin,
    float64 [15]."""
    member = np.searchsorted(EDGES[1:-1].astype(np.float64), probs, side="left")
    sums = np.zeros((3, CALIBRATION_BINS))
    for total, column in zip(sums, (probs * (pos + neg), pos, pos + neg), strict=True):
        np.add.at(total, member, column)
    return sums[0], sums[1], sums[2]
