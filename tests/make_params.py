"""Sections of parameters for tests; every value can be changed by name."""

from __future__ import annotations

from typing import Any

from steelcli.params.base import parse_section
from steelcli.params.data import DataParams


def data_params(**changes: Any) -> DataParams:
    """Return valid data parameters with some of them changed, read the way ``params.yaml`` is."""
    raw: dict[str, Any] = {
        "root": "data",
        "format": "auto",
        "classes": [],
        "datasets": [],
        "keep_splits": True,
        "other_shapes": "refuse",
        "mask_threshold": None,
        "color": "grey",
        "image_size": [256, 64],
        "val_fraction": 0.15,
        "test_fraction": 0.15,
        "split_seed": 42,
        "duplicates": "drop",
        "limit": None,
    }
    return parse_section(raw | changes, "data", DataParams)
