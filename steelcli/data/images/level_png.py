"""A probability map as a 16-bit grey PNG, a mask as a 1-bit one, both ways."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError
from steelcli.common.paths import MAKE_TEST
from steelcli.data.images.decode import decode_unchanged, read_bytes
from steelcli.data.images.png import write_bilevel_png


def save_levels(path: Path, levels: NDArray[np.uint16]) -> None:
    """Write a probability map, uint16 [H, W], as a 16-bit grey PNG; folders are made."""
    _save(path, cv2.imencode(".png", levels)[1].tobytes())


def load_levels(path: Path) -> NDArray[np.uint16]:
    """Read what `save_levels` wrote, uint16 [H, W].

    Raises:
        DataError: a file that is no 16-bit grey PNG.
    """
    levels = decode_unchanged(read_bytes(path))
    if levels is None or levels.dtype != np.uint16 or levels.ndim != 2:
        raise DataError("the file is no 16-bit grey probability map", path, MAKE_TEST)
    return levels


def save_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Write a mask, bool [H, W], as a 1-bit grey PNG, black and white; folders are made."""
    _save(path, write_bilevel_png(mask))


def load_mask(path: Path) -> NDArray[np.bool_]:
    """Read what `save_mask` wrote, bool [H, W].

    Raises:
        DataError: a file that is no grey PNG of up to 8 bits.
    """
    values = decode_unchanged(read_bytes(path))
    if values is None or values.dtype != np.uint8 or values.ndim != 2:
        raise DataError("the file is no mask", path, MAKE_TEST)
    return values > 0


def _save(path: Path, png: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png)
