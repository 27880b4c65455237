"""An array of images in a file, each read when it is asked for."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class PixelArray:
    """uint8 [N, *shape] of a ``.npy`` file.

    A memory map would add every image that was ever read to the process's memory; this holds none.
    Threads, and processes forked from this one, may read side by side.

    Attributes:
        shape: of the whole array.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], offset: int) -> None:
        """Open the file; the first image begins at byte ``offset``."""
        self.shape, self._offset = shape, offset
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, position: int) -> NDArray[np.uint8]:
        """Return one image, read-only.

        Raises:
            IndexError: there is no such position; negative ones do not count from the end.
        """
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of {len(self)}")
        size = math.prod(self.shape[1:])
        raw = os.pread(self._descriptor, size, self._offset + int(position) * size)
        return np.frombuffer(raw, np.uint8).reshape(self.shape[1:])

    def take(self, positions: Sequence[int]) -> NDArray[np.uint8]:
        """Return some images, uint8 [len(positions), *shape]; raises as indexing does."""
        return np.stack([self[position] for position in positions])
