"""Probability maps of a store."""

from __future__ import annotations

from pathlib import Path

from steelcli.model.inference import iter_levels
from steelcli.model.trained_model import load_trained


def test_probability_maps_do_not_depend_on_the_batch(run_dir: Path, store_dir: Path) -> None:
    trained = load_trained(run_dir / "models", store_dir)
    positions = trained.store.positions("test")
    maps = [
        dict(iter_levels(trained.model, trained.store, positions, size, trained.device, "fp32"))
        for size in (1, 3)
    ]
    for position in positions:
        assert maps[0][position].shape == (256, 1600)
        assert abs(maps[0][position].astype(int) - maps[1][position].astype(int)).max() <= 1
