"""Predictions as one file an image, PNG or npy: what the values mean, then map by map."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote
from steelcli.data.images.decode import decode_unchanged, file_limit, read_bytes
from steelcli.data.images.png import read_png_header
from steelcli.data.levels import TOP_LEVEL
from steelcli.data.predictions.source import Kind, Map

MAP_SUFFIXES = (".png", ".npy")
"""File name endings of the formats read here, lower case."""
MAX_PIXELS = 2**27
"""The most pixels of a map (128 Mi): 16-bit values of 256 MiB."""
FAINT = 25
"""Files of 8 bits without a higher value hold class numbers rather than probabilities."""
_FULL = {"8-bit": 255, "16-bit": 65535}
_REMEDY = "save all as masks, or all as probabilities in 16-bit PNG or float npy"


class Meaning(NamedTuple):
    """What the values of all files mean; ``full`` is the stored value that stands for 1."""

    kind: Kind | None
    full: int


@dataclass(frozen=True)
class Description:
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
        self._full = 1

    def find_kind(self, names: Sequence[str]) -> Kind | None:
        """Read the named files once to tell masks from probabilities."""
        meaning = find_meaning([describe(self.paths[name]) for name in names])
        self._full = meaning.full
        return meaning.kind

    def read(self, name: str, height: int, width: int) -> Map:  # noqa: ARG002  files have a size
        """Return one map; see `PredictionSource.read`. Values of 0 to 255 count 257 levels each."""
        values = read_map(self.paths[name])
        if values.dtype.kind == "f":
            return values.astype(np.float32)
        return values.astype(np.uint16) * np.uint16(TOP_LEVEL // self._full)


def read_map(path: Path) -> NDArray[Any]:
    """Return the stored values of one file, [H, W]: uint8, uint16, bool, or floats in [0, 1].

    Raises:
        DataError: a file that is broken, has colours, another shape, another type, or floats out of
            range.
    """
    values = _read_npy(path) if path.suffix.lower() == ".npy" else _read_png(path)
    if values.ndim != 2 or not values.size:
        what = f"the prediction has the shape {values.shape}"
        raise DataError(what, path, "save it as [height, width]")
    return values


def describe(path: Path) -> Description:
    """Read one file and tell what it holds; see `read_map` for the errors."""
    values = read_map(path)
    if values.dtype.kind in "bf":
        store = "bool" if values.dtype.kind == "b" else "float"
        is_mask = not np.any((values != 0) & (values != 1))
        return Description(path, store, float(values.max()), is_mask)
    store = "8-bit" if values.dtype == np.uint8 else "16-bit"
    present = np.flatnonzero(np.bincount(values.reshape(-1)))
    highest = int(present[-1])
    is_mask = set(present.tolist()) <= {0, highest} and highest in (0, 1, 255, _FULL[store])
    return Description(path, store, highest, is_mask)


def find_meaning(files: Sequence[Description]) -> Meaning:
    """Return what the values of all files mean and which value stands for 1.

    A file of nothing but 0 fits everything. Files of 0 and 1 or 0 and 255 are masks if all files
    are; among files with values in between they are probabilities like those, unless there are more
    of them.

    Raises:
        DataError: files of different types, masks of different values, masks among which some have
            values in between, or 8-bit values that look like class numbers.
    """
    first = files[0]
    for other in files:
        if other.store != first.store:
            found = f"{first.path.name} {first.store}, here {other.store}"
            raise DataError(f"predictions are stored in two ways ({found})", other.path, _REMEDY)
    masks = [file for file in files if file.is_mask and file.top]
    grey = [file for file in files if not file.is_mask]
    if first.store == "bool":
        return Meaning("masks", 1)
    if first.store == "float":
        return Meaning("probs" if grey else "masks" if masks else None, 1)
    if grey:
        _refuse_doubtful(first.store, masks, grey)
        return Meaning("probs", _FULL[first.store])
    if not masks:
        return Meaning(None, _FULL[first.store])
    top = masks[0].top
    for other in masks:
        if other.top != top:
            found = f"0 and {top:g} in {masks[0].path.name}, with 0 and {other.top:g} here"
            raise DataError(f"masks are written with {found}", other.path, _REMEDY)
    return Meaning("masks", int(top))


def _refuse_doubtful(store: str, masks: Sequence[Description], grey: Sequence[Description]) -> None:
    """Refuse grey values that are probably no probabilities."""
    marks = [file for file in masks if store == "8-bit" or file.top > 1]
    if len(marks) > len(grey):
        most = f"{len(marks)} predictions are masks of 0 and {marks[0].top:g}"
        what = f"{most}, but {len(grey)} have values in between, the first"
        raise DataError(what, grey[0].path, _REMEDY)
    highest = max(grey, key=lambda file: file.top)
    if store == "8-bit" and highest.top <= FAINT and all(file.top <= FAINT for file in masks):
        limit = f"no value of any prediction is higher than {highest.top:g} of 255"
        raise DataError(f"{limit}, as if they were class numbers", highest.path, _REMEDY)


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
        remedy = "save one array a file with numpy.save"
        raise DataError("the file holds several arrays", path, remedy)
    try:
        # mapped, so that a header that promises too much is refused and not allocated
        values: NDArray[Any] = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # numpy parses the head as Python: SyntaxError, OverflowError …
        reason = quote(" ".join(str(error).split()), 120)
        what = f"cannot read the npy file ({reason})"
        raise DataError(what, path, "write it again with numpy.save") from error
    if values.size > MAX_PIXELS:
        what = f"the prediction has {values.size} values, more than {MAX_PIXELS}"
        raise DataError(what, path, "save one image a file")
    if values.dtype.kind not in "bf":
        what = f"the prediction is of type {values.dtype}"
        raise DataError(what, path, "save floats from 0 to 1, or bool")
    if values.dtype.kind == "f" and values.size:
        low, high = values.min(), values.max()
        if not (low >= 0 and high <= 1):  # NaN fails too
            what = f"values from {low:g} to {high:g}"
            if np.isnan(values).any():
                what = "NaN"
            remedy = "save probabilities from 0 to 1, after the sigmoid"
            raise DataError(f"the prediction holds {what}", path, remedy)
    return np.array(values, order="C")
