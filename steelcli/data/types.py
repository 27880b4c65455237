"""Types that every part of the data path shares: colour, split, the order of channels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Color = Literal["grey", "rgb"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


def channels_first(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return [1, H, W] of a grey image [H, W], [3, H, W] of a colour one [H, W, 3], contiguous."""
    return np.ascontiguousarray(image[None] if image.ndim == 2 else image.transpose(2, 0, 1))
