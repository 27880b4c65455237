"""A probability map as a 16-bit grey PNG, both ways."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError
from steelcli.common.paths import MAKE_TEST
from steelcli.data.images.decode import decode_unchanged, read_bytes


def save_levels(path: Path, levels: NDArray[np.uint16]) -> None:
    """Write a probability map, uint16 [H, W], as a 16-bit grey PNG; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", levels)[1].tobytes())


def load_levels(path: Path) -> NDArray[np.uint16]:
    """Read what `save_levels` wrote, uint16 [H, W].

    Raises:
        DataError: a file that is no 16-bit grey PNG.
    """
    levels = decode_unchanged(read_bytes(path))
    if levels is None or levels.dtype != np.uint16 or levels.ndim != 2:
        raise DataError("the file is no 16-bit grey probability map", path, MAKE_TEST)
    return levels
