"""Folders of images and masks of the same names: ``images/`` and ``masks/``, one class."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError
from steelcli.common.problems import REFUSE, Problems
from steelcli.data.images.decode import decode_pixels, file_limit, read_bytes
from steelcli.data.images.find import iter_images
from steelcli.data.raw.classes import choose_classes
from steelcli.data.raw.source import RawSample, name_samples
from steelcli.params.data import DataParams

CLASS_TITLE = "defect"


@dataclass
class MasksSource:
    """Mask files read lazily; a sample's annotation is the path of its mask.

    Attributes:
        threshold: lowest grey value that counts as defect; None refuses grey masks.
        max_pixels: the most pixels of a mask that are decoded.
    """

    format = "masks"
    class_titles: tuple[str, ...]
    samples: tuple[RawSample, ...]
    threshold: int | None
    max_pixels: int

    def read_masks(self, sample: RawSample, height: int, width: int) -> NDArray[np.bool_]:
        """Return the mask of one sample, bool [1, H, W].

        Raises:
            DataError: a mask that is broken, of another size than its image, coloured, or grey
                without a threshold.
        """
        path: Path = sample.annotation
        mask = read_mask(path, self.threshold, self.max_pixels)
        if mask.shape != (height, width):
            size = f"{mask.shape[1]}x{mask.shape[0]}"
            what = f"the mask has {size} pixels, but its image has {width}x{height}"
            raise DataError(what, path, "restore the mask of this image")
        return mask[None]


def open_masks(root: Path, params: DataParams, problems: Problems = REFUSE) -> MasksSource:
    """Pair the files of ``images/`` and ``masks/``, sub-folders included, by path without suffix.

    Args:
        root: the folder of both.
        params: classes, and how masks are read.
        problems: takes a mask or image without its counterpart, and masks of one name.

    Raises:
        DataError: a missing folder, no images.
        ParamsError: a class asked for other than ``defect``.
    """
    titles = choose_classes((CLASS_TITLE,), params.classes)
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
    samples = []
    for path in images:
        key = _key(path, root / "images")
        if len(masks[key]) == 1:
            samples.append(
                RawSample(path.relative_to(root / "images").as_posix(), path, masks[key][0])
            )
        elif masks[key]:
            what = "two masks share one name but for the extension"
            problems.add(DataError(what, masks[key][-1], "remove one of them"), path.as_posix())
        else:
            remedy = f"add {root / 'masks' / key}.png; a clean image has a black one"
            problems.add(DataError("image without mask", path, remedy), path.as_posix())
    for key in sorted(masks.keys() - {_key(path, root / "images") for path in images} - refused):
        problems.add(
            DataError("mask without image", masks[key][0], "add its image or remove it"), ""
        )
    return MasksSource(
        titles, name_samples(samples, problems), params.mask_threshold, params.max_image_pixels
    )


def read_mask(
    path: Path, threshold: int | None, max_pixels: int | None = None
) -> NDArray[np.bool_]:
    """Return one mask file, bool [H, W].

    Its values are {0, 1} or {0, 255}, or grey values cut at ``threshold``.

    Raises:
        DataError: an undecodable file, colours, transparency, or grey values without a threshold,
            or all below it.
    """
    pixels = decode_pixels(read_bytes(path, file_limit(max_pixels)), path, max_pixels)
    if pixels.ndim == 3:
        grey = pixels[:, :, 0]
        if (pixels[:, :, :3] != grey[:, :, None]).any() or (pixels[:, :, 3:] != 255).any():
            raise DataError(
                "the mask is coloured or transparent", path, "save it as grey, 0 and 255"
            )
        pixels = grey
    values = np.flatnonzero(np.bincount(pixels.reshape(-1), minlength=256))
    if set(values.tolist()) <= {0, 1} or set(values.tolist()) <= {0, 255}:
        return pixels > 0
    if threshold is None:
        shown = ", ".join(map(str, values[:6])) + (", ..." if len(values) > 6 else "")
        raise DataError(
            f"the mask has grey values ({shown})",
            path,
            "save it with 0 and 255, or set data.mask_threshold",
        )
    if values[-1] < threshold:
        wanted = f"data.mask_threshold ({threshold})"
        what = f"no grey value of the mask reaches {wanted}, the highest is {values[-1]}"
        remedy = "lower data.mask_threshold, or mend the mask; a clean image has a black one"
        raise DataError(what, path, remedy)
    return pixels >= threshold


def _key(path: Path, folder: Path) -> str:
    return os.path.relpath(path.with_suffix(""), folder)
