"""One pass over the pixels: how many defect and clean pixels have which probability, in about 130
000 bins.

The bins are as wide as 2^-16 in the middle and 2^-10 of the distance to the nearer end of [0, 1]
towards the ends. So every level of a 16-bit map and of float16 has a bin of its own, every k / 1024
is an edge, and the probabilities of a saturated network, 1e-9 or 1 - 1e-7, do not fall into one
bin.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EMPTY, MIXED = np.float32(-2), np.float32(-1)
"""What `Bins.level` holds for a bin without pixels and for one with several probabilities."""

_SHIFT = 13
"""Mantissa bits of float32 dropped: 23 - 13 = 10 stay."""
_TOP_BITS = int(np.nextafter(np.float32(0.5), np.float32(0)).view(np.int32))
_LOW_BITS = int(np.float32(2**-40).view(np.int32)) - (1 << _SHIFT)
"""Below 0.5, everything under 2^-40 shares the first bin."""
_HIGH_BITS = int(np.float32(2**-24).view(np.int32)) - (2 << _SHIFT)
"""From 0.5 on, the last bin holds 1 alone and the one before it 1 - 2^-24, the float32 before 1."""


def _ranks(
    distances: NDArray[np.float32], bits: NDArray[np.int32], low_bits: int
) -> NDArray[np.int32]:
    """Number the distances to an end, float32 [N] in [0, 0.5), upwards: linear plus logarithmic
    steps.

    The sum of the two steps changes wherever one of them does, so the bins have the edges of both.
    """
    logarithmic = (np.maximum(bits, np.int32(low_bits)) - np.int32(low_bits)) >> np.int32(_SHIFT)
    linear = (distances * np.float32(65536)).astype(np.int32)
    return logarithmic + linear


def _top_rank(low_bits: int) -> int:
    return ((_TOP_BITS - low_bits) >> _SHIFT) + 32767


BINS = _top_rank(_LOW_BITS) + 1 + _top_rank(_HIGH_BITS) + 1
"""Number of bins."""


def pixel_keys(probs: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the bin of each probability, int64 [N] in [0, BINS), never falling where the
    probability rises.

    Args:
        probs: float32 [N] in [0, 1].
    """
    keys = _ranks(probs, probs.view(np.int32), _LOW_BITS).astype(np.int64)
    high = np.flatnonzero(probs >= np.float32(0.5))
    # 1 - p is exact here (Sterbenz). Taking the float before it closes the bins below: 1 - p ==
    # edge is p >= 1 - edge.
    bits = (np.float32(1) - probs[high]).view(np.int32) - np.int32(1)
    distances = np.maximum(bits, np.int32(0)).view(np.float32)
    keys[high] = BINS - 1 - _ranks(distances, bits, _HIGH_BITS)
    return keys


def lower_edges(keys: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the smallest probability that lies in each bin, or in the next that has any: float32
    [N]."""
    low = np.zeros(keys.shape, np.int32)
    high = np.full(keys.shape, np.float32(1).view(np.int32), np.int32)
    while (
        low < high
    ).any():  # bisection over the bit patterns, which are ordered as the numbers are
        middle = (low + high) >> np.int32(1)  # both stay under 2^30
        inside = pixel_keys(middle.view(np.float32)) >= keys
        high = np.where(inside, middle, high)
        low = np.where(inside, low, np.minimum(middle + np.int32(1), high))
    return low.view(np.float32)


GRID: NDArray[np.float32] = (np.arange(1, 1024) / 1024).astype(np.float32)
"""The thresholds k / 1024, k = 1 ... 1023, at which the histogram counts exactly: float32 [1023],
rising."""
_GRID_STARTS = pixel_keys(GRID)
CHUNK = 2**18
"""Pixels counted at a time: temporaries stay in the processor's cache and memory does not grow with
the image."""
_TOP_LEVEL = np.float32(65535)
_LEVELS: NDArray[np.float32] = np.arange(65536, dtype=np.float32) / _TOP_LEVEL
_LEVEL_KEYS = pixel_keys(_LEVELS)
_GRID_LEVELS: NDArray[np.int64] = np.searchsorted(_LEVELS, GRID)


class Bins(NamedTuple):
    """Pixel counts by bin.

    Attributes:
        pos, neg: int64 [BINS], defect and clean pixels.
        level: float32 [BINS], the only probability seen in the bin, or EMPTY, or MIXED.
    """

    pos: NDArray[np.int64]
    neg: NDArray[np.int64]
    level: NDArray[np.float32]

    def plus(self, other: Bins) -> Bins:
        """Return the sum."""
        mine, theirs = self.level, other.level
        level = np.where(
            (mine == EMPTY) | (mine == theirs), theirs, np.where(theirs == EMPTY, mine, MIXED)
        )
        return Bins(self.pos + other.pos, self.neg + other.neg, level)


class PixelHistogram:
    """Pixel counts by probability, mergeable: the 16-bit levels in a small table, any other
    probability in bins."""

    def __init__(self) -> None:
        self._levels = np.zeros((2, _LEVELS.size), np.int64)  # defect, clean
        self._others: Bins | None = None

    @classmethod
    def of_image(cls, probs: NDArray[np.float32], truth: NDArray[np.bool_]) -> PixelHistogram:
        """Count one image: ``probs`` float32 [H, W] in [0, 1], ``truth`` bool [H, W]."""
        histogram = cls()
        flat, defect = np.ascontiguousarray(probs).reshape(-1), truth.reshape(-1)  # [H * W] each
        pos, both = histogram._levels  # `both` becomes the clean pixels at the end
        scaled, back = np.empty((2, min(CHUNK, flat.size)), np.float32)
        levels = np.empty(scaled.size, np.intp)
        for start in range(0, flat.size, CHUNK):
            part, inside = flat[start : start + CHUNK], defect[start : start + CHUNK]
            used = slice(part.size)
            np.rint(np.multiply(part, _TOP_LEVEL, out=scaled[used]), out=scaled[used])
            if np.array_equal(
                np.divide(scaled[used], _TOP_LEVEL, out=back[used]), part
            ):  # 16 bits: far less work
                levels[used] = scaled[used]
                both += np.bincount(levels[used], minlength=both.size)
                pos += np.bincount(levels[np.flatnonzero(inside)], minlength=pos.size)
            else:
                histogram._add_others(_count_bins(part, inside))
        both -= pos
        return histogram

    def merge(self, other: PixelHistogram) -> None:
        """Add the pixels of ``other``; the order of merging leaves no trace."""
        self._levels += other._levels
        if other._others:
            self._add_others(other._others)

    def _add_others(self, bins: Bins) -> None:
        self._others = self._others.plus(bins) if self._others else bins

    def bins(self) -> Bins:
        """Return all pixels by bin."""
        pos, neg, level = (
            np.zeros(BINS, np.int64),
            np.zeros(BINS, np.int64),
            np.full(BINS, EMPTY, np.float32),
        )
        pos[_LEVEL_KEYS], neg[_LEVEL_KEYS] = self._levels
        level[_LEVEL_KEYS] = np.where(self._levels.any(axis=0), _LEVELS, EMPTY)
        bins = Bins(pos, neg, level)
        return bins.plus(self._others) if self._others else bins

    def grid_counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return tp and fp, int64 [1023] each, at every threshold of GRID."""
        tp, fp = _counts_from(self._levels, _GRID_LEVELS)
        if self._others:
            tp, fp = (
                tp + _counts_from(self._others.pos, _GRID_STARTS),
                fp + _counts_from(self._others.neg, _GRID_STARTS),
            )
        return tp, fp


def _count_bins(probs: NDArray[np.float32], truth: NDArray[np.bool_]) -> Bins:
    """Count any probabilities, float32 [N], with their truth, bool [N]."""
    keys = pixel_keys(probs)
    pos = np.bincount(keys[truth], minlength=BINS)
    level = np.full(BINS, EMPTY, np.float32)
    level[keys] = probs
    level[keys[level[keys] != probs]] = MIXED
    return Bins(pos, np.bincount(keys, minlength=BINS) - pos, level)


def _counts_from(counts: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum ``counts`` [..., N] from each of the rising ``starts`` [1023] to the end: int64 [...,
    1023]."""
    between = np.add.reduceat(counts, starts, axis=-1)
    sums: NDArray[np.int64] = np.cumsum(between[..., ::-1], axis=-1)[..., ::-1]
    return sums
