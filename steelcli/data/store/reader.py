"""The prepared store: model-size images and masks to be memory-mapped, and what scoring at native
size needs.

    data/prepared/
        index.json      what each image is and where its bytes lie
        images.npy      uint8 [N, H, W] (grey) or [N, H, W, 3] (RGB), letterboxed
        masks.npy       uint8 [N, H, W], 0 or 1, union of all defect classes
        truth.bin       zlib of one class bit field [height, width] per image, native size
        originals.bin   the raw files of the test images, for overlays and for timing from the file
        on

This is the only module that knows these files. Images are ordered by split (train, val, test), then
by name.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote
from steelcli.common.inputs import read_bytes
from steelcli.data.store.letterbox import Letterbox, fit
from steelcli.data.types import SPLITS, Color, Split

VERSION = 1
MOST_INDEX_BYTES = 2**30
MOST_SIDE, MOST_RATIO = 2**20, 1100
"""Pixels of an image's side, and the most bytes that zlib packs into one (1032, and a few for short
streams)."""
_REMEDY = "run `dvc repro prepare` or `steelcli prepare`"


@dataclass(frozen=True)
class Record:
    """One image of the store.

    Attributes:
        image: name, unique in the store.
        split: train, val or test.
        content: SHA-256 of the decoded pixels.
        height, width: native size in pixels.
        class_pixels: native pixels of each class, in the order of `Store.class_titles`.
        truth: offset and length in truth.bin, bytes.
        original: offset and length in originals.bin, bytes; (0, 0) outside the test split.
    """

    image: str
    split: Split
    content: str
    height: int
    width: int
    class_pixels: tuple[int, ...]
    truth: tuple[int, int]
    original: tuple[int, int]

    @property
    def has_defect(self) -> bool:
        return any(self.class_pixels)


class Store:
    """Read access to a prepared store; cheap to open and to send to another process."""

    def __init__(self, store_dir: Path) -> None:
        """Open the store.

        Raises:
            DataError: it is missing, truncated or written by another version.
        """
        self.store_dir = store_dir
        path = store_dir / "index.json"
        try:
            index = json.loads(read_bytes(path, MOST_INDEX_BYTES).decode("utf-8"))
            version = index["version"]
            if version == VERSION:
                self.class_titles: tuple[str, ...] = _texts(index["class_titles"])
                self.fingerprint: str = _text(index["fingerprint"])
                width, height = (_whole(side, 1, MOST_SIDE) for side in index["image_size"])
                self.image_size: tuple[int, int] = (width, height)
                self.records = tuple(
                    _record(row, len(self.class_titles)) for row in index["records"]
                )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DataError("no prepared store", store_dir, _REMEDY) from error
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            reason = quote(f"{type(error).__name__}: {error}", 120)
            raise DataError(
                f"the prepared store's index cannot be read ({reason})", path, _REMEDY
            ) from error
        if version != VERSION:
            raise DataError(
                f"the prepared store is of version {quote(version)}, not {VERSION}", path, _REMEDY
            )
        for split in SPLITS:
            if not self.positions(split):
                raise DataError(
                    f"the prepared store holds no image of the {split} split", path, _REMEDY
                )
        for name, places in (("truth.bin", "truth"), ("originals.bin", "original")):
            self._check_size(name, max(sum(getattr(record, places)) for record in self.records))

    @property
    def color(self) -> Color:
        """Channels of the stored images."""
        return "rgb" if self.images.ndim == 4 else "grey"

    def positions(self, split: Split) -> tuple[int, ...]:
        """Return the store positions of a split's images, in the fixed order of all tables."""
        return tuple(i for i, record in enumerate(self.records) if record.split == split)

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """Memory-mapped uint8 [N, H, W] or [N, H, W, 3]."""
        return self._open_array("images.npy", ((), (3,)))

    @cached_property
    def masks(self) -> NDArray[np.uint8]:
        """Memory-mapped uint8 [N, H, W], 0 or 1."""
        return self._open_array("masks.npy", ((),))

    def letterbox(self, position: int) -> Letterbox:
        """Return where the image lies in the model's canvas."""
        record, (width, height) = self.records[position], self.image_size
        return fit(record.height, record.width, height, width)

    def class_masks(self, position: int) -> NDArray[np.bool_]:
        """Return the native truth by class, bool [C, height, width]."""
        record, path = self.records[position], self.store_dir / "truth.bin"
        dtype = bits_dtype(len(self.class_titles))
        size = record.height * record.width * dtype.itemsize
        inflater = zlib.decompressobj()
        try:
            raw = inflater.decompress(self._slice("truth.bin", record.truth), size + 1)
        except zlib.error as error:
            raise DataError("the prepared store is damaged", path, _REMEDY) from error
        if len(raw) != size or not inflater.eof:
            what = f"the prepared store is damaged: the truth of {record.image} is not of its image's size"
            raise DataError(what, path, _REMEDY)
        bits = np.frombuffer(raw, dtype).reshape(record.height, record.width)
        return np.stack(
            [(bits >> channel) & 1 for channel in range(len(self.class_titles))]
        ).astype(bool)

    def original(self, position: int) -> bytes:
        """Return the bytes of the raw file of a test image."""
        return self._slice("originals.bin", self.records[position].original)

    def _open_array(self, name: str, tails: Sequence[tuple[int, ...]]) -> NDArray[np.uint8]:
        """Map uint8 [N, H, W, *tail] with one of the tails."""
        path, (width, height) = self.store_dir / name, self.image_size
        try:
            if not path.is_file():
                raise ValueError("no regular file")
            array: NDArray[np.uint8] = np.lib.format.open_memmap(path, mode="r")
        except Exception as error:  # numpy parses the head as Python: SyntaxError, TokenError, ValueError, OSError …
            reason = quote(f"{type(error).__name__}: {error}", 120)
            raise DataError(
                f"the prepared store cannot be read ({reason})", path, _REMEDY
            ) from error
        if len(array) != len(self.records):
            what = f"the prepared store holds {len(array)} images, its index {len(self.records)}"
            raise DataError(what, path, _REMEDY)
        if array.dtype != np.uint8 or array.shape[1:] not in [
            (height, width, *tail) for tail in tails
        ]:
            what = f"the prepared store holds {array.dtype} {list(array.shape)}, not uint8 of {width}×{height}"
            raise DataError(what, path, _REMEDY)
        return array

    def _check_size(self, name: str, least: int) -> None:
        """Refuse a file with fewer than ``least`` bytes: better before a network is built than in
        its midst."""
        path = self.store_dir / name
        try:
            size = path.stat().st_size
        except OSError as error:
            raise DataError(
                f"the prepared store cannot be read ({error.strerror})", path, _REMEDY
            ) from error
        if size < least:
            raise DataError("the prepared store is truncated", path, _REMEDY)

    def _slice(self, name: str, place: tuple[int, int]) -> bytes:
        offset, length = place
        path = self.store_dir / name
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise DataError(
                f"the prepared store cannot be read ({error.strerror})", path, _REMEDY
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory maps behind: the receiving process opens its own."""
        return {
            key: value for key, value in self.__dict__.items() if key not in ("images", "masks")
        }


def bits_dtype(classes: int) -> np.dtype[Any]:
    """Return the smallest little-endian unsigned type that has a bit for each class (at most
    64)."""
    return next(np.dtype(f"<u{size}") for size in (1, 2, 4, 8) if classes <= 8 * size)


def open_store(store_dir: Path) -> Store:
    """Open the store for scoring.

    Raises:
        DataError: see `Store`; or a picture stands in two splits, so that a test image may have
            been learned by heart.
    """
    store = Store(store_dir)
    first: dict[str, int] = {}
    for position, record in enumerate(store.records):
        other = store.records[first.setdefault(record.content, position)]
        if other.split != record.split:
            here, there = (
                f"{record.image} of the {record.split} split",
                f"{other.image} of {other.split}",
            )
            what = f"{here} is the same picture as {there}"
            raise DataError(what, store_dir, "run `dvc repro prepare`")
    return store


def _record(row: dict[str, Any], classes: int) -> Record:
    """Check one row of the index: a stranger's could name files outside the output or sizes that
    fill the memory."""
    image, split = _text(row["image"]), row["split"]
    parts = PurePosixPath(image)
    if parts.is_absolute() or ".." in parts.parts or not parts.name or "\0" in image:
        raise ValueError(f"{image!r} is no name of an image")
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}")
    height, width = (_whole(row[key], 1, MOST_SIDE) for key in ("height", "width"))
    truth, original = (_pair(row[key]) for key in ("truth", "original"))
    if height * width * bits_dtype(classes).itemsize > MOST_RATIO * truth[1]:
        raise ValueError(f"{image!r} is larger than its truth")
    pixels = tuple(_whole(count, 0, height * width) for count in row["class_pixels"])
    if len(pixels) != classes:
        raise ValueError(f"{image!r} has {len(pixels)} classes, not {classes}")
    return Record(image, split, _text(row["content"]), height, width, pixels, truth, original)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError(f"{value!r} is no text")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list) or not 1 <= len(values) <= 64:
        raise TypeError("there are not 1 to 64 class titles")
    return tuple(_text(value) for value in values)


def _whole(value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{value!r} is no whole number from {least} to {most}")
    return value


def _pair(values: Any) -> tuple[int, int]:
    offset, length = (_whole(value, 0, 2**62) for value in values)
    return offset, length
