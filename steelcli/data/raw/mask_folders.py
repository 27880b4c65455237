"""Folders of images and masks of the same names: ``images/`` and ``masks/``."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError
from steelcli.common.problems import REFUSE, Problems
from steelcli.data.images.decode import decode_pixels, file_limit, read_bytes
from steelcli.data.images.find import iter_folders, iter_images
from steelcli.data.raw.classes import choose_classes
from steelcli.data.raw.source import RawSample, name_samples
from steelcli.params.data import DataParams

CLASS_TITLE = "defect"
"""Of the only class, where ``data.mask_values`` names none."""


@dataclass
class MasksSource:
    """Mask files read lazily; a sample's annotation is the path of its mask, None when clean.

    Attributes:
        threshold: lowest grey value that counts as defect; None refuses grey masks.
        values: grey value of each class by its title; empty for one class.
        max_pixels: the most pixels of a mask that are decoded.
    """

    format = "masks"
    class_titles: tuple[str, ...]
    samples: tuple[RawSample, ...]
    threshold: int | None
    values: dict[str, int]
    max_pixels: int

    def read_masks(self, sample: RawSample, height: int, width: int) -> NDArray[np.bool_]:
        """Return the masks of one sample, bool [C, H, W].

        Raises:
            DataError: a mask that is broken, of another size than its image, coloured, or with
                values that stand for no class.
        """
        path: Path | None = sample.annotation
        if path is None:
            return np.zeros((len(self.class_titles), height, width), np.bool_)
        pixels = read_grey(path, self.max_pixels)
        if self.values:
            check_values(pixels, self.values, path)
            masks = np.stack([pixels == self.values[title] for title in self.class_titles])
        else:
            masks = cut_grey(pixels, self.threshold, path)[None]
        if pixels.shape != (height, width):
            size = f"{pixels.shape[1]}x{pixels.shape[0]}"
            what = f"the mask has {size} pixels, but its image has {width}x{height}"
            raise DataError(what, path, "restore the mask of this image")
        return masks


def open_masks(root: Path, params: DataParams, problems: Problems = REFUSE) -> MasksSource:
    """Pair the files of ``images/`` and ``masks/``, sub-folders included, by path without suffix.

    Args:
        root: the folder of both.
        params: classes, and how masks are read.
        problems: takes a mask or image without its counterpart, and masks of one name.

    Raises:
        DataError: a missing folder, no images.
        ParamsError: a class asked for that ``data.mask_values`` does not name.
    """
    values = params.mask_values or {}
    titles = choose_classes(tuple(values) or (CLASS_TITLE,), params.classes)
    for name in ("images", "masks"):
        if not (root / name).is_dir():
            raise DataError(
                "folder not found", root / name, "masks stand in images/ and masks/ under data.root"
            )
    images = list(iter_images(root / "images", recursive=True, problems=problems))
    refused = {_key(Path(name), root / "images") for name in problems.images}
    masks: dict[str, list[Path]] = defaultdict(list)
    for path in iter_images(root / "masks", recursive=True, problems=problems, are_masks=True):
        masks[_key(path, root / "masks")].append(path)
    if not images:
        raise DataError("no images found", root / "images", "put the images there")
    files = {
        _key(folder / name, root / "masks")
        for folder, _, names in iter_folders(root / "masks", Problems())  # iter_images told
        for name in names
    }
    samples = []
    for path in images:
        key, name = _key(path, root / "images"), path.relative_to(root / "images").as_posix()
        if len(masks[key]) == 1:
            samples.append(RawSample(name, path, masks[key][0]))
        elif params.missing_masks == "clean" and key not in files:
            samples.append(RawSample(name, path, None))
        else:
            fault = _find_fault(path, root / "masks", masks[key], key in files)
            problems.add(fault, path.as_posix())
    for key in sorted(masks.keys() - {_key(path, root / "images") for path in images} - refused):
        remedy = "call it as its image, add that image, or remove it"
        fault = DataError("mask without image", masks[key][0], remedy)
        # where images may lack masks it is never skipped: its image would pass for clean
        problems.add(fault, None if params.missing_masks == "clean" else "")
    named = name_samples(samples, problems)
    return MasksSource(titles, named, params.mask_threshold, values, params.max_image_pixels)


def _find_fault(path: Path, root: Path, masks: Sequence[Path], has_file: bool) -> DataError:
    """Return what is wrong with the image at ``path``, which has several masks or none."""
    if masks:
        what = "two masks share one name but for the extension"
        return DataError(what, masks[-1], "remove one of them")
    if has_file:
        what = "image without mask, though a file of its name stands among the masks"
        return DataError(what, path, "convert that one to a PNG")
    remedy = f"add a mask of its name to {root}; a clean image has a black one"
    return DataError("image without mask", path, f"{remedy}, or none with data.missing_masks=clean")


def read_grey(path: Path, max_pixels: int | None = None) -> NDArray[Any]:
    """Return the values of one mask file, uint8 or uint16 [H, W].

    Raises:
        DataError: an undecodable file, colours or transparency.
    """
    pixels = decode_pixels(read_bytes(path, file_limit(max_pixels)), path, max_pixels)
    if pixels.ndim == 2:
        return pixels
    grey = pixels[:, :, 0]
    if (pixels[:, :, :3] != grey[:, :, None]).any() or (pixels[:, :, 3:] != 255).any():
        raise DataError("the mask is coloured or transparent", path, "save it as grey")
    return grey


def cut_grey(pixels: NDArray[Any], threshold: int | None, path: Path) -> NDArray[np.bool_]:
    """Return the mask, bool [H, W], that values {0, 1} or {0, 255} stand for, or grey values cut at
    ``threshold``.

    Raises:
        DataError: 16 bits, grey values without a threshold, or all below it.
    """
    if pixels.dtype != np.uint8:
        remedy = "name the value of each class in data.mask_values, or convert it to 8 bits"
        raise DataError("the mask has 16 bits a pixel", path, remedy)
    values = list_values(pixels)
    if set(values) <= {0, 1} or set(values) <= {0, 255}:
        return pixels > 0
    if threshold is None:
        remedy = "save it with 0 and 255, or set data.mask_values or data.mask_threshold"
        raise DataError(f"the mask has grey values ({_shorten(values)})", path, remedy)
    if values[-1] < threshold:
        wanted = f"data.mask_threshold ({threshold})"
        what = f"no grey value of the mask reaches {wanted}, the highest is {values[-1]}"
        remedy = "lower data.mask_threshold, or mend the mask; a clean image has a black one"
        raise DataError(what, path, remedy)
    return pixels >= threshold


def check_values(pixels: NDArray[Any], values: Mapping[str, int], path: Path) -> None:
    """Refuse a value other than 0 that stands for no class: it may be a class forgotten, or a mask
    that was resized or saved with loss.

    Raises:
        DataError: there is one.
    """
    unknown = sorted(set(list_values(pixels)) - {0, *values.values()})
    if unknown:
        what = f"the mask has values that data.mask_values does not name ({_shorten(unknown)})"
        remedy = "name them there and leave their classes out of data.classes, or mend the mask"
        raise DataError(what, path, remedy)


def list_values(pixels: NDArray[Any]) -> list[int]:
    """Return the values that occur in uint8 or uint16 pixels, ascending."""
    return list(map(int, np.flatnonzero(np.bincount(pixels.reshape(-1)))))


def _shorten(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:6])) + (", ..." if len(values) > 6 else "")


def _key(path: Path, folder: Path) -> str:
    return os.path.relpath(path.with_suffix(""), folder)
