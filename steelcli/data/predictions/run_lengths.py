"""Predictions in a Kaggle csv of run lengths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from steelcli.data.raw.kaggle import read_runs
from steelcli.data.raw.kaggle_rle import decode_rle


class KagglePredictions:
    """A csv of run lengths; the classes of an image are joined. An image without a mask needs a row
    without runs."""

    states_folders = True
    kind: Literal["masks"] = "masks"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._runs = read_runs(path)
        self.names = tuple(self._runs)

    def survey(self, names: Sequence[str]) -> KagglePredictions:  # noqa: ARG002  run lengths are masks
        """Return the file itself."""
        return self

    def read(self, name: str, height: int, width: int) -> NDArray[np.float32]:
        """Return one mask; see `PredictionReader.read`. Run lengths count the pixels of the native
        size."""
        joined = np.zeros((height, width), np.bool_)
        for class_id, runs in self._runs[name].items():
            joined |= decode_rle(runs, height, width, f"{self.path}, {name} class {class_id}")
        return joined.astype(np.float32)
