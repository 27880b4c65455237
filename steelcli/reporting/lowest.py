"""Which test images the report lists: those with the lowest Dice."""

from __future__ import annotations

from collections.abc import Sequence

LOWEST_IMAGES = 8
"""How many are listed."""


def find_lowest(dice: Sequence[float], fp: Sequence[float], fn: Sequence[float]) -> list[int]:
    """Return the places of the images with the lowest Dice; of equals, most wrong pixels first."""

    def rank(index: int) -> tuple[float, float]:
        return dice[index], -fp[index] - fn[index]

    return sorted(range(len(dice)), key=rank)[:LOWEST_IMAGES]
