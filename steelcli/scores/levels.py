"""Probabilities as the 16-bit levels they are saved and scored in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS = 65535
"""Highest level of a saved probability: the PNG value divided by it is the probability."""


def to_levels(probs: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round probabilities float32 0..1 to the levels 0..65535 of a 16-bit PNG."""
    return np.asarray(np.rint(probs * np.float32(LEVELS)), np.uint16)


def from_levels(levels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the probabilities, float32 0..1, that levels stand for."""
    return levels.astype(np.float32) / np.float32(LEVELS)
