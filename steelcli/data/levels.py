"""Probabilities as 16-bit levels: the form in which maps are saved, read and scored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOP_LEVEL = 65535
"""The level of probability 1: a level divided by it is the probability."""


def to_levels(probs: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round probabilities, float32 in [0, 1], to the nearest levels 0 ... 65535."""
    scaled = probs * np.float32(TOP_LEVEL)
    np.rint(scaled, out=scaled)
    return scaled.astype(np.uint16)


def from_levels(levels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the probabilities, float32 in [0, 1], that levels stand for."""
    return levels.astype(np.float32) / np.float32(TOP_LEVEL)


def mask_to_levels(mask: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Return 65535 where a mask is true, else 0."""
    return mask * np.uint16(TOP_LEVEL)
