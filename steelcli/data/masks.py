"""Folders of images and masks of the same names: ``images/`` and ``masks/``, one class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelcli.data.classes import choose_classes
from steelcli.data.images import decode_pixels, iter_images, read_bytes
from steelcli.data.source import RawSample, name_samples
from steelcli.errors import DataError
from steelcli.params.data import DataParams

CLASS_TITLE = "defect"


@dataclass
class MasksSource:
    """Mask files read lazily; a sample's annotation is the path of its mask.

    Attributes:
        threshold: grey value from which on a pixel is defect; None refuses grey masks.
    """

    class_titles: tuple[str, ...]
    samples: tuple[RawSample, ...]
    threshold: int | None

    def read_masks(self, sample: RawSample, height: int, width: int) -> NDArray[np.bool_]:
        """Return the mask of one sample, bool [1, H, W].

        Raises:
            DataError: a mask that is broken, of another size than its image, coloured, or grey without a threshold.
        """
        path: Path = sample.annotation
        mask = read_mask(path, self.threshold)
        if mask.shape != (height, width):
            what = f"the mask has {mask.shape[1]}x{mask.shape[0]} pixels, but its image has {width}x{height}"
            raise DataError(what, path, "restore the mask of this image")
        return mask[None]


def open_masks(root: Path, params: DataParams) -> MasksSource:
    """Pair the files of ``images/`` and ``masks/``, sub-folders included, by path without suffix.

    Raises:
        DataError: a missing folder, no images, a mask or image without its counterpart, two masks of one name.
        ParamsError: a class asked for other than ``defect``.
    """
    titles = choose_classes((CLASS_TITLE,), params.classes)
    for name in ("images", "masks"):
        if not (root / name).is_dir():
            raise DataError("folder not found", root / name, "masks stand in images/ and masks/ under data.root")
    masks: dict[str, Path] = {}
    for path in iter_images(root / "masks", recursive=True):
        if masks.setdefault(_key(path, root / "masks"), path) != path:
            raise DataError("two masks share one name but for the extension", path, "remove one of them")
    images = list(iter_images(root / "images", recursive=True))
    if not images:
        raise DataError("no images found", root / "images", "put the images there")
    samples = []
    for path in images:
        key = _key(path, root / "images")
        if key not in masks:
            raise DataError(
                "image without mask", path, f"add {root / 'masks' / key}.png; a clean image has a black one"
            )
        samples.append(RawSample(path.relative_to(root / "images").as_posix(), path, masks[key]))
    for path in sorted(set(masks.values()).difference(sample.annotation for sample in samples)):
        raise DataError("mask without image", path, "add its image or remove it")
    return MasksSource(titles, name_samples(samples), params.mask_threshold)


def read_mask(path: Path, threshold: int | None) -> NDArray[np.bool_]:
    """Return one mask file, bool [H, W]: values {0, 1} or {0, 255}, or grey values cut at ``threshold``.

    Raises:
        DataError: an undecodable file, colours, transparency, or grey values without a threshold.
    """
    pixels = decode_pixels(read_bytes(path), path)
    if pixels.ndim == 3:
        grey = pixels[:, :, 0]
        if (pixels[:, :, :3] != grey[:, :, None]).any() or (pixels[:, :, 3:] != 255).any():
            raise DataError("the mask is coloured or transparent", path, "save it as grey, 0 and 255")
        pixels = grey
    values = np.flatnonzero(np.bincount(pixels.reshape(-1), minlength=256))
    if set(values.tolist()) <= {0, 1} or set(values.tolist()) <= {0, 255}:
        return pixels > 0
    if threshold is None:
        shown = ", ".join(map(str, values[:6])) + (", ..." if len(values) > 6 else "")
        raise DataError(
            f"the mask has grey values ({shown})", path, "save it with 0 and 255, or set data.mask_threshold"
        )
    return pixels >= threshold


def _key(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()
