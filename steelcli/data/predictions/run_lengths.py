"""Predictions in a Kaggle csv of run lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelcli.data.levels import mask_to_levels
from steelcli.data.predictions.source import Kind
from steelcli.data.raw.kaggle import read_runs
from steelcli.data.raw.kaggle_rle import decode_rle


class KagglePredictions:
    """A csv of run lengths; the classes of an image are joined.

    An image without a mask needs a row without runs.
    """

    states_folders = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._runs = read_runs(path)
        self.names = tuple(self._runs)

    def find_kind(self, names: Sequence[str]) -> Kind:  # noqa: ARG002  always masks
        """Return "masks"."""
        return "masks"

    def read(self, name: str, height: int, width: int) -> NDArray[np.uint16]:
        """Return one mask, whose run lengths count the pixels of the native size."""
        joined = np.zeros((height, width), np.bool_)
        for class_id, runs in self._runs[name].items():
            joined |= decode_rle(runs, height, width, f"{self.path}, {name} class {class_id}")
        return mask_to_levels(joined)
