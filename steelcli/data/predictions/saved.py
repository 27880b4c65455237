"""The predictions of a split as we save them, in a folder that reads as another model's would.

    maps/IMAGE.png      the probability map, grey of 16 bits
    masks/IMAGE.png     what is predicted at the operating point, grey of 1 bit
    overlays/           pictures, of the test split alone

IMAGE is the image's name with its folders and without its suffix.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from steelcli.data.images.level_png import load_levels, load_mask, save_levels, save_mask


class SavedPredictions:
    """The folder of a split, while a stage fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.maps_dir, self.masks_dir = folder / "maps", folder / "masks"
        self.overlays_dir = folder / "overlays"

    def save_map(self, image: str, levels: NDArray[np.uint16]) -> None:
        """Write the levels of an image, uint16 [H, W]."""
        save_levels(self.maps_dir / _file_name(image), levels)

    def has_map(self, image: str) -> bool:
        """Tell whether the map of an image was kept."""
        return (self.maps_dir / _file_name(image)).is_file()

    def load_map(self, image: str) -> NDArray[np.uint16]:
        """Read what `save_map` wrote."""
        return load_levels(self.maps_dir / _file_name(image))

    def save_mask(self, image: str, mask: NDArray[np.bool_]) -> None:
        """Write the predicted mask of an image, bool [H, W]."""
        save_mask(self.masks_dir / _file_name(image), mask)

    def load_mask(self, image: str) -> NDArray[np.bool_]:
        """Read what `save_mask` wrote."""
        return load_mask(self.masks_dir / _file_name(image))

    def keep_maps(self, images: Iterable[str]) -> None:
        """Remove the maps of all images but these."""
        all_dir = self.maps_dir.rename(self.folder / ".maps.old")
        for image in images:
            path = self.maps_dir / _file_name(image)
            path.parent.mkdir(parents=True, exist_ok=True)
            (all_dir / _file_name(image)).replace(path)
        shutil.rmtree(all_dir)


def _file_name(image: str) -> PurePosixPath:
    return PurePosixPath(image).with_suffix(".png")
