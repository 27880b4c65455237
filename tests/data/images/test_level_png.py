"""Levels survive their PNG."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from steelcli.data.images.level_png import load_levels, save_levels
from steelcli.data.levels import from_levels, to_levels


def test_levels_survive_their_png(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 65536, (9, 13)).astype(np.uint16)
    save_levels(tmp_path / "a" / "map.png", levels)
    assert np.array_equal(load_levels(tmp_path / "a" / "map.png"), levels)
    assert np.array_equal(to_levels(from_levels(levels)), levels)
