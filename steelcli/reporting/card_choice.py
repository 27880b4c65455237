"""Which test images the report shows as pictures."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

KINDS = ("worst", "false alarm", "missed", "median", "best", "random")
"""What an image can be shown for: low, middling and high Dice of images with a defect; detections
on a clean image; defects that are not found; and the luck of the draw."""
CARDS = 60
"""How many images `evaluate` keeps the maps of with ``save_maps: shown``."""


def count_missed(defects: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return by image how many of its defects are not found, from rows of DEFECT_COLUMNS."""
    missed: dict[str, int] = {}
    for row in defects:
        missed[row["image"]] = missed.get(row["image"], 0) + 1 - int(row["found"])
    return missed


def choose_cards(
    images: Sequence[Mapping[str, Any]], missed: Mapping[str, int], count: int
) -> dict[str, tuple[str, ...]]:
    """Return the images to show, with what for, in the order of KINDS.

    Each kind but the last gets a sixth of the count, the most telling images first; then images are
    drawn until there are as many as asked for, the same ones each time.

    Args:
        images: rows of IMAGE_COLUMNS.
        missed: what `count_missed` returns.
        count: the most images to return.
    """
    share = -(-count // len(KINDS))
    ranked = [row for row in images if row["defect_pixels"]]
    ranked.sort(key=lambda row: (row["dice"], row["image"]))
    alarms = [row for row in images if row["fp"] and not row["defect_pixels"]]
    alarms.sort(key=lambda row: (-row["fp"], row["image"]))
    lacking = [row for row in ranked if missed.get(row["image"])]
    lacking.sort(key=lambda row: (-missed[row["image"]], -row["fn"], row["image"]))
    middle = max(0, (len(ranked) - share) // 2)
    kinds = dict(zip(KINDS, (ranked, alarms, lacking, ranked[middle:], ranked[::-1]), strict=False))
    chosen: dict[str, tuple[str, ...]] = {}
    for kind, rows in kinds.items():
        for row in rows[:share]:
            chosen[row["image"]] = (*chosen.get(row["image"], ()), kind)
    chosen = dict(list(chosen.items())[:count])
    # all are shuffled, so that a lower count draws none that a higher one does not show
    names = [str(row["image"]) for row in images]
    random.Random(0).shuffle(names)
    left = [name for name in names if name not in chosen]
    return chosen | dict.fromkeys(left[: count - len(chosen)], (KINDS[-1],))
