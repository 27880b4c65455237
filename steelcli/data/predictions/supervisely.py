"""Predictions in a Supervisely project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelcli.data.levels import mask_to_levels
from steelcli.data.predictions.source import Kind, check_size
from steelcli.data.raw.supervisely import open_supervisely
from steelcli.data.raw.supervisely_objects import read_json, take
from steelcli.params.data import DataParams


class SuperviselyPredictions:
    """A Supervisely project; the objects of all classes of an image are joined.

    Its image files are not read.
    """

    states_folders = True

    def __init__(self, root: Path, params: DataParams) -> None:
        everything = {"classes": (), "datasets": (), "keep_splits": False}
        self._source = open_supervisely(root, params.model_copy(update=everything))
        self._samples = {
            _project_name(sample.image_path, root): sample for sample in self._source.samples
        }
        self.names = tuple(self._samples)

    def find_kind(self, names: Sequence[str]) -> Kind:  # noqa: ARG002  always masks
        """Return "masks"."""
        return "masks"

    def read(self, name: str, height: int, width: int) -> NDArray[np.uint16]:
        """Return one mask at the size that its annotation states; see `PredictionSource.read`."""
        sample = self._samples[name]
        stated = take(read_json(sample.annotation), "size", dict, sample.annotation)
        own_height = take(stated, "height", int, sample.annotation)
        own_width = take(stated, "width", int, sample.annotation)
        check_size((own_height, own_width), (height, width), sample.annotation)
        masks = self._source.read_masks(sample, own_height, own_width)
        joined: NDArray[np.bool_] = np.logical_or.reduce(masks, axis=0)
        return mask_to_levels(joined)


def _project_name(image_path: Path, root: Path) -> str:
    """Return data set and file name of an image, as `find_datasets` names them."""
    *folders, name = image_path.relative_to(root).parts
    return "/".join([*(part for part in folders[:-1] if part != "datasets"), name])
