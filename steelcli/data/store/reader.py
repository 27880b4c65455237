"""Read the prepared store: all that training and testing need, at the size each needs.

    data/prepared/
        index.json      what each image is, where its bytes lie, and the digest of each file below
        images.npy      uint8 [N, H, W] (grey) or [N, H, W, 3] (RGB), letterboxed
        masks.npy       uint8 [N, H, W], 0 or 1, union of all defect classes
        truth.bin       zlib of one class bit field [height, width] per image, native size
        originals.bin   the raw files of the test images, for overlays and for timing; those of 16
                        bits as PNG of the 8 bits that were made of them

Only this folder's modules know these files. Images are ordered by split (train, val, test), then
by name.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelcli.common.errors import DataError, quote
from steelcli.common.paths import MAKE_STORE
from steelcli.data.store.index import (
    INDEX_NAME,
    Place,
    bits_dtype,
    digest_files,
    end_of,
    read_index,
)
from steelcli.data.store.letterbox import Letterbox, fit
from steelcli.data.store.pixels import PixelArray
from steelcli.data.types import SPLITS, Color, Split


class Store:
    """Read access to a prepared store; cheap to open and to send to another process."""

    def __init__(self, store_dir: Path) -> None:
        """Open the store.

        Raises:
            DataError: it is missing, truncated or written by another version.
        """
        self.store_dir = store_dir
        path = store_dir / INDEX_NAME
        index = read_index(path)
        self.class_titles = index.class_titles
        self.fingerprint = index.fingerprint
        self.image_size = index.image_size
        self.records = index.records
        self._digests = index.digests
        for split in SPLITS:
            if not self.positions(split):
                what = f"the prepared store holds no image of the {split} split"
                raise DataError(what, path, MAKE_STORE)
        self._check_size("truth.bin", end_of(record.truth for record in self.records))
        self._check_size("originals.bin", end_of(record.original for record in self.records))

    @property
    def color(self) -> Color:
        """Channels of the stored images."""
        return "rgb" if len(self.images.shape) == 4 else "grey"

    def positions(self, split: Split) -> tuple[int, ...]:
        """Return the store positions of a split's images, in the fixed order of all tables."""
        return tuple(i for i, record in enumerate(self.records) if record.split == split)

    @cached_property
    def images(self) -> PixelArray:
        """Uint8 [N, H, W] or [N, H, W, 3]."""
        return self._open_array("images.npy", ((), (3,)))

    @cached_property
    def masks(self) -> PixelArray:
        """Uint8 [N, H, W], 0 or 1."""
        return self._open_array("masks.npy", ((),))

    def check_pixels(self) -> None:
        """Compare all bytes with those written; once a command, for it reads the whole store.

        Raises:
            DataError: they differ, or an array is not of the index's shape.
        """
        _ = self.images, self.masks  # tells first what is plainly wrong
        try:
            found = digest_files(self.store_dir)
        except OSError as error:
            raise _unreadable(error.filename or self.store_dir, error) from error
        for name, digest in found.items():
            if digest != self._digests[name]:
                what = "the prepared store's pixels are not those that were written"
                raise DataError(what, self.store_dir / name, MAKE_STORE)

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
            raise DataError("the prepared store is damaged", path, MAKE_STORE) from error
        if len(raw) != size or not inflater.eof:
            what = f"the prepared store is damaged: the truth of {record.image} is not of its size"
            raise DataError(what, path, MAKE_STORE)
        bits = np.frombuffer(raw, dtype).reshape(record.height, record.width)
        channels = [(bits >> channel) & 1 for channel in range(len(self.class_titles))]
        return np.stack(channels).astype(bool)

    def original(self, position: int) -> bytes:
        """Return the bytes of the raw file of a test image."""
        return self._slice("originals.bin", self.records[position].original)

    def _open_array(self, name: str, tails: Sequence[tuple[int, ...]]) -> PixelArray:
        """Open uint8 [N, H, W, *tail] with one of the tails."""
        path = self.store_dir / name
        width, height = self.image_size
        try:
            if not path.is_file():
                raise ValueError("no regular file")
            array: np.memmap[Any, Any] = np.lib.format.open_memmap(path, mode="r")
        except Exception as error:  # numpy parses the head as Python and raises much
            reason = quote(f"{type(error).__name__}: {error}", 120)
            what = f"the prepared store cannot be read ({reason})"
            raise DataError(what, path, MAKE_STORE) from error
        if len(array) != len(self.records):
            what = f"the prepared store holds {len(array)} images, its index {len(self.records)}"
            raise DataError(what, path, MAKE_STORE)
        shapes = [(height, width, *tail) for tail in tails]
        if array.dtype != np.uint8 or array.shape[1:] not in shapes:
            found = f"{array.dtype} {list(array.shape)}"
            what = f"the prepared store holds {found}, not uint8 of {width}×{height}"
            raise DataError(what, path, MAKE_STORE)
        return PixelArray(path, array.shape, array.offset)

    def _check_size(self, name: str, least: int) -> None:
        """Refuse a file with fewer than ``least`` bytes, before hours of work."""
        path = self.store_dir / name
        try:
            size = path.stat().st_size
        except OSError as error:
            raise _unreadable(path, error) from error
        if size < least:
            raise DataError("the prepared store is truncated", path, MAKE_STORE)

    def _slice(self, name: str, place: Place) -> bytes:
        offset, length = place
        path = self.store_dir / name
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise _unreadable(path, error) from error

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open files behind: the receiving process opens its own."""
        state = dict(self.__dict__)
        state.pop("images", None)
        state.pop("masks", None)
        return state


def _unreadable(path: object, error: OSError) -> DataError:
    what = f"the prepared store cannot be read ({error.strerror})"
    return DataError(what, path, MAKE_STORE)


def open_store(store_dir: Path) -> Store:
    """Open the store for scoring, and check all its bytes.

    Raises:
        DataError: see `Store` and `Store.check_pixels`; or a picture stands in two splits, so that
            a test image may have been learned by heart.
    """
    store = Store(store_dir)
    store.check_pixels()
    first: dict[str, int] = {}
    for position, record in enumerate(store.records):
        other = store.records[first.setdefault(record.content, position)]
        if other.split != record.split:
            here, there = (
                f"{record.image} of the {record.split} split",
                f"{other.image} of {other.split}",
            )
            what = f"{here} is the same picture as {there}"
            raise DataError(what, store_dir, MAKE_STORE)
    return store
