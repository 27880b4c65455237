"""Synthetic strips of rolled steel with four kinds of defects.

Strip ``i`` is drawn from ``(seed, i)`` alone, so a larger set only adds strips, and the bytes do
not depend on how many workers draw them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from steelcli.data.synthetic.defects import CLASS_TITLES, paint_defect
from steelcli.data.synthetic.texture import (
    HEIGHT,
    WIDTH,
    add_harmless_marks,
    build_steel,
    expose,
    pick_sheet,
)

_CLEAN_SHARE = 0.5
_CLASS_SHARES = (0.22, 0.16, 0.34, 0.28)
"""Shares of the defect strips by leading class, in the order of `CLASS_TITLES`."""
_SECOND_CLASS_SHARE = 0.2
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Strip:
    """One strip: grey uint8 [H, W], and the annotated area of each class, bool [H, W]."""

    grey: NDArray[np.uint8]
    outlines: dict[str, NDArray[np.bool_]]


def draw_strip(seed: int, index: int) -> Strip:
    """Draw strip ``index`` (0-based) of a seed."""
    rng = np.random.default_rng([seed, index])
    titles = _pick_classes(seed, index, rng)
    sheet = pick_sheet(rng)
    steel = add_harmless_marks(rng, build_steel(rng))
    taken = np.zeros((HEIGHT, WIDTH), np.bool_)
    outlines: dict[str, NDArray[np.bool_]] = {}
    for title in titles:
        damage = paint_defect(rng, title, sheet, taken)
        steel *= np.exp(damage.log_gain)
        outlines[title] = damage.outline
        taken |= damage.outline
    return Strip(expose(rng, steel, sheet), outlines)


def _pick_classes(seed: int, index: int, rng: np.random.Generator) -> list[str]:
    """Choose the classes of a strip; a golden-ratio sequence keeps their shares in any set."""
    place = (np.random.default_rng(seed).random() + index * _GOLDEN) % 1.0
    if place < _CLEAN_SHARE:
        return []
    limits = np.cumsum(_CLASS_SHARES)[:-1]
    leading = int(
        np.searchsorted(limits, (place - _CLEAN_SHARE) / (1 - _CLEAN_SHARE), side="right")
    )
    if rng.random() >= _SECOND_CLASS_SHARE:
        return [CLASS_TITLES[leading]]
    return [
        CLASS_TITLES[leading],
        CLASS_TITLES[(leading + int(rng.integers(1, 4))) % len(CLASS_TITLES)],
    ]
