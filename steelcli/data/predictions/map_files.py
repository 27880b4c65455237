"""Predictions as one file an image, PNG or npy: what the values of all files together mean, then
map by map."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote
from steelcli.data.images.decode import decode_unchanged, file_limit, read_bytes
from steelcli.data.images.png import read_png_header
from steelcli.data.predictions.source import Kind

MAP_SUFFIXES = (".png", ".npy")
"""File name endings of the formats read here, lower case."""
MAX_PIXELS = 2**27
"""The most pixels of a map (128 Mi): 16-bit values of 256 MiB."""
FAINT = 25
"""Where no value of 8-bit files is higher, they are rather class numbers than probabilities under
0.1."""
_FULL = {"8-bit": 255, "16-bit": 65535}
_REMEDY = "save all as masks, or all as probabilities in 16-bit PNG or float npy"


@dataclass(frozen=True)
class Look:
    """What one file holds.

    Attributes:
        store: bool, float, 8-bit or 16-bit.
        top: its highest value.
        is_mask: whether all values are 0 or ``top``, and that is 1, 255 or full scale.
    """

    path: Path
    store: str
    top: float
    is_mask: bool


@dataclass(frozen=True)
class MapReader:
    """Maps of a known kind; ``scale`` is the stored value that stands for 1."""

    paths: Mapping[str, Path]
    kind: Kind | None
    scale: int

    def read(self, name: str, height: int, width: int) -> NDArray[np.float32]:  # noqa: ARG002  the files have a size
        """Return one map; see `PredictionReader.read`."""
        return np.asarray(
            read_map(self.paths[name]).astype(np.float32) / np.float32(self.scale), np.float32
        )


class MapFiles:
    """A folder of maps; the name of an image is the file's path in it without suffix."""

    states_folders = False

    def __init__(self, folder: Path, paths: Iterable[Path]) -> None:
        """List the files.

        Raises:
            DataError: two files of one name.
        """
        self.paths: dict[str, Path] = {}
        for path in paths:
            name = path.relative_to(folder).as_posix()[: -len(path.suffix)]
            if self.paths.setdefault(name, path) != path:
                raise DataError("two predictions share one name", path, "remove one of them")
        self.names = tuple(self.paths)

    def survey(self, names: Sequence[str]) -> MapReader:
        """Read the named files once to tell masks from probabilities; see
        `PredictionSource.survey`."""
        kind, scale = judge([look(self.paths[name]) for name in names])
        return MapReader(self.paths, kind, scale)


def read_map(path: Path) -> NDArray[Any]:
    """Return the values of one file as they are stored: uint8, uint16, bool or floats in [0, 1],
    [H, W].

    Raises:
        DataError: a file that is broken, has colours, another shape, another type, or floats out of
            range.
    """
    values = _read_npy(path) if path.suffix.lower() == ".npy" else _read_png(path)
    if values.ndim != 2 or not values.size:
        raise DataError(
            f"the prediction has the shape {values.shape}", path, "save it as [height, width]"
        )
    return values


def look(path: Path) -> Look:
    """Read one file and tell what it holds; see `read_map` for the errors."""
    values = read_map(path)
    if values.dtype.kind in "bf":
        top, others = float(values.max()), bool(np.any((values != 0) & (values != 1)))
        return Look(path, "bool" if values.dtype.kind == "b" else "float", top, not others)
    store = "8-bit" if values.dtype == np.uint8 else "16-bit"
    present = np.flatnonzero(np.bincount(values.reshape(-1)))
    highest = int(present[-1])
    is_mask = set(present.tolist()) <= {0, highest} and highest in (0, 1, 255, _FULL[store])
    return Look(path, store, highest, is_mask)


def judge(looks: Sequence[Look]) -> tuple[Kind | None, int]:
    """Return what the values of all files mean and which value stands for 1.

    A file of nothing but 0 fits everything. Files of 0 and 1 or 0 and 255 are masks if all files
    are; among files with values in between they are probabilities like those, unless there are more
    of them.

    Raises:
        DataError: files of different types, masks of different values, masks among which some have
            values in between, or 8-bit values that look like class numbers.
    """
    for other in looks:
        if other.store != looks[0].store:
            what = f"predictions are stored in two ways ({looks[0].path.name} {looks[0].store}, here {other.store})"
            raise DataError(what, other.path, _REMEDY)
    store = looks[0].store
    masks = [found for found in looks if found.is_mask and found.top]
    grey = [found for found in looks if not found.is_mask]
    if store in ("bool", "float"):
        return "masks" if store == "bool" or (masks and not grey) else "probs" if grey else None, 1
    if grey:
        _refuse_doubtful(store, masks, grey)
        return "probs", _FULL[store]
    for other in masks:
        if other.top != masks[0].top:
            what = f"masks are written with 0 and {masks[0].top:g} in {masks[0].path.name}, with 0 and {other.top:g} here"
            raise DataError(what, other.path, _REMEDY)
    return ("masks", int(masks[0].top)) if masks else (None, _FULL[store])


def _refuse_doubtful(store: str, masks: Sequence[Look], grey: Sequence[Look]) -> None:
    """Refuse grey values that are probably no probabilities."""
    marks = [found for found in masks if store == "8-bit" or found.top > 1]
    if len(marks) > len(grey):
        what = f"{len(marks)} predictions are masks of 0 and {marks[0].top:g}, but {len(grey)} have values in between"
        raise DataError(f"{what}, the first", grey[0].path, _REMEDY)
    highest = max(grey, key=lambda found: found.top)
    if store == "8-bit" and highest.top <= FAINT and all(found.top <= FAINT for found in masks):
        what = f"no value of any prediction is higher than {highest.top:g} of 255, as if they were class numbers"
        raise DataError(what, highest.path, _REMEDY)


def _read_png(path: Path) -> NDArray[Any]:
    raw = read_bytes(path, file_limit(MAX_PIXELS))
    header = read_png_header(raw, path)
    if header.height * header.width > MAX_PIXELS:
        what = f"the prediction has {header.width}x{header.height} pixels, more than {MAX_PIXELS}"
        raise DataError(what, path, "write it again at the size of the image")
    pixels = decode_unchanged(raw)
    if pixels is None:
        raise DataError("the PNG cannot be decoded", path, "write it again")
    if pixels.ndim == 3:
        colours, opaque = pixels[:, :, :3], np.iinfo(pixels.dtype).max
        if (colours != colours[:, :, :1]).any() or (pixels[:, :, 3:] != opaque).any():
            raise DataError("the prediction is coloured or transparent", path, "save it as grey")
        return pixels[:, :, 0]
    return pixels


def _read_npy(path: Path) -> NDArray[Any]:
    if not path.is_file():  # a pipe would never end
        raise DataError("no regular file", path, "replace it by the file it should be")
    if zipfile.is_zipfile(path):
        raise DataError(
            "the file holds several arrays", path, "save one array a file with numpy.save"
        )
    try:
        # mapped, so that a header that promises too much is refused and not allocated
        values: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except (
        Exception
    ) as error:  # numpy parses the head as Python: SyntaxError, TokenError, OverflowError …
        reason = quote(" ".join(str(error).split()), 120)
        raise DataError(
            f"cannot read the npy file ({reason})", path, "write it again with numpy.save"
        ) from error
    if values.size > MAX_PIXELS:
        raise DataError(
            f"the prediction has {values.size} values, more than {MAX_PIXELS}",
            path,
            "save one image a file",
        )
    if values.dtype.kind not in "bf":
        raise DataError(
            f"the prediction is of type {values.dtype}", path, "save floats from 0 to 1, or bool"
        )
    if (
        values.dtype.kind == "f" and values.size and not (values.min() >= 0 and values.max() <= 1)
    ):  # NaN fails too
        what = (
            "NaN" if np.isnan(values).any() else f"values from {values.min():g} to {values.max():g}"
        )
        raise DataError(
            f"the prediction holds {what}",
            path,
            "save probabilities from 0 to 1, after the sigmoid",
        )
    return np.array(values)
