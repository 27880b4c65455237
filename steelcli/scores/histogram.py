"""How many defect and clean pixels have which level: one pass that serves every threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from steelcli.data.levels import TOP_LEVEL
from steelcli.scores.compiled import compiled
from steelcli.scores.counts import PROBS, lowest_level

LEVELS = TOP_LEVEL + 1
"""Number of levels."""
GRID: NDArray[np.float32] = (np.arange(1, 1024) / 1024).astype(np.float32)
"""The thresholds k / 1024, k = 1 ... 1023, rising: float32 [1023]."""
_GRID_LEVELS = [lowest_level(threshold) for threshold in GRID.tolist()]
GRID_STEPS = np.searchsorted(GRID, PROBS, side="right").astype(np.uint16)
"""How many of the thresholds each level reaches: uint16 [65536], 0 ... 1023."""


class PixelHistogram:
    """Pixel counts by level, mergeable in any order.

    Attributes:
        defect, clean: pixels of each level, int64 [65536].
        rounded: whether a level may stand for several probabilities, because levels were rounded
            from floats.
    """

    def __init__(self) -> None:
        self.defect = np.zeros(LEVELS, np.int64)
        self.clean = np.zeros(LEVELS, np.int64)
        self.rounded = False

    @classmethod
    def of_image(
        cls, levels: NDArray[np.uint16], truth: NDArray[np.bool_], rounded: bool = False
    ) -> PixelHistogram:
        """Count one image: ``levels`` uint16 [H, W], ``truth`` bool [H, W]."""
        histogram = cls()
        histogram.rounded = rounded
        _add_pixels(levels, truth, histogram.defect, histogram.clean)
        return histogram

    def merge(self, other: PixelHistogram) -> None:
        """Add the pixels of ``other``."""
        self.defect += other.defect
        self.clean += other.clean
        self.rounded |= other.rounded

    def grid_counts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return tp and fp, int64 [1023] each, at every threshold of GRID."""
        return _counts_from(self.defect), _counts_from(self.clean)


def _counts_from(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum counts by level from the lowest level of each threshold of GRID up: int64 [1023]."""
    sums: NDArray[np.int64] = np.add.reduceat(counts, [0, *_GRID_LEVELS])[:0:-1].cumsum()[::-1]
    return sums


@compiled
def _add_pixels(
    levels: NDArray[np.uint16],
    truth: NDArray[np.bool_],
    defect: NDArray[np.int64],
    clean: NDArray[np.int64],
) -> None:
    """Count the pixels of a map [H, W] by level, those of the truth apart from the others."""
    height, width = levels.shape
    for row in range(height):
        for column in range(width):
            if truth[row, column]:
                defect[levels[row, column]] += 1
            else:
                clean[levels[row, column]] += 1
