"""The prepared store: model-size images and masks to be memory-mapped, and what scoring at native size needs.

    data/prepared/
        index.json      what each image is and where its bytes lie
        images.npy      uint8 [N, H, W] (grey) or [N, H, W, 3] (RGB), letterboxed
        masks.npy       uint8 [N, H, W], 0 or 1, union of all defect classes
        truth.bin       zlib of one class bit field [height, width] per image, native size
        originals.bin   the raw files of the test images, for overlays and for timing from the file on

This is the only module that knows these files. Images are ordered by split (train, val, test), then by name.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from steelcli.data.images import Color
from steelcli.data.letterbox import Letterbox, fit
from steelcli.data.source import SPLITS, Split, channel_bits
from steelcli.errors import DataError

VERSION = 1
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
            index = json.loads(path.read_text(encoding="utf-8"))
            version = index["version"]
            if version == VERSION:
                self.class_titles: tuple[str, ...] = tuple(index["class_titles"])
                self.fingerprint: str = index["fingerprint"]
                self.image_size: tuple[int, int] = (index["image_size"][0], index["image_size"][1])
                self.records = tuple(_record(row) for row in index["records"])
        except FileNotFoundError as error:
            raise DataError("no prepared store", store_dir, _REMEDY) from error
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError("the prepared store's index cannot be read", path, _REMEDY) from error
        if version != VERSION:
            raise DataError(f"the prepared store is of version {version}, not {VERSION}", path, _REMEDY)

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
        return _open_array(self.store_dir / "images.npy", len(self.records))

    @cached_property
    def masks(self) -> NDArray[np.uint8]:
        """Memory-mapped uint8 [N, H, W], 0 or 1."""
        return _open_array(self.store_dir / "masks.npy", len(self.records))

    def letterbox(self, position: int) -> Letterbox:
        """Return where the image lies in the model's canvas."""
        record, (width, height) = self.records[position], self.image_size
        return fit(record.height, record.width, height, width)

    def class_masks(self, position: int) -> NDArray[np.bool_]:
        """Return the native truth by class, bool [C, height, width]."""
        record = self.records[position]
        try:
            raw = zlib.decompress(self._slice("truth.bin", record.truth))
            bits = np.frombuffer(raw, _bits_dtype(len(self.class_titles))).reshape(record.height, record.width)
        except (zlib.error, ValueError) as error:
            raise DataError("the prepared store is damaged", self.store_dir / "truth.bin", _REMEDY) from error
        return np.stack([(bits >> channel) & 1 for channel in range(len(self.class_titles))]).astype(bool)

    def original(self, position: int) -> bytes:
        """Return the bytes of the raw file of a test image."""
        return self._slice("originals.bin", self.records[position].original)

    def _slice(self, name: str, place: tuple[int, int]) -> bytes:
        offset, length = place
        path = self.store_dir / name
        try:
            with path.open("rb") as file:
                file.seek(offset)
                raw = file.read(length)
        except OSError as error:
            raise DataError("the prepared store cannot be read", path, _REMEDY) from error
        if len(raw) < length:
            raise DataError("the prepared store is truncated", path, _REMEDY)
        return raw

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory maps behind: the receiving process opens its own."""
        return {key: value for key, value in self.__dict__.items() if key not in ("images", "masks")}


class StoreWriter:
    """Creates the arrays of a store, takes images in any order into them, and appends blobs in index order."""

    def __init__(self, store_dir: Path, count: int, image_size: tuple[int, int], color: Color) -> None:
        self.store_dir, self.image_size = store_dir, image_size
        width, height = image_size
        channels = (3,) if color == "rgb" else ()
        for name, shape in (("images", (count, height, width, *channels)), ("masks", (count, height, width))):
            np.lib.format.open_memmap(store_dir / f"{name}.npy", mode="w+", dtype=np.uint8, shape=shape).flush()
        self._blobs: dict[str, BinaryIO] = {
            name: (store_dir / name).open("wb") for name in ("truth.bin", "originals.bin")
        }

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *error: object) -> None:
        """Close the blobs, whatever happened."""
        for blob in self._blobs.values():
            blob.close()

    def append(self, name: str, raw: bytes) -> tuple[int, int]:
        """Append bytes to a blob; return their offset and length."""
        offset = self._blobs[name].tell()
        self._blobs[name].write(raw)
        return offset, len(raw)

    def finish(self, class_titles: Sequence[str], records: Sequence[Record]) -> str:
        """Write the index; return the fingerprint of all that was stored."""
        for blob in self._blobs.values():
            blob.close()
        rows = [asdict(record) for record in records]
        described = json.dumps([VERSION, self.image_size, list(class_titles), rows]).encode()
        truth = (self.store_dir / "truth.bin").read_bytes()
        fingerprint = hashlib.sha256(described + truth).hexdigest()
        index = {
            "version": VERSION,
            "fingerprint": fingerprint,
            "image_size": self.image_size,
            "class_titles": list(class_titles),
            "records": rows,
        }
        (self.store_dir / "index.json").write_text(json.dumps(index, indent=0) + "\n", encoding="utf-8")
        return fingerprint


def write_pixels(store_dir: Path, position: int, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
    """Put one letterboxed image and mask into the arrays; safe from several processes at different positions."""
    for name, pixels in (("images", image), ("masks", mask)):
        array = np.lib.format.open_memmap(store_dir / f"{name}.npy", mode="r+")
        array[position] = pixels
        array.flush()


def pack_truth(class_masks: NDArray[np.bool_]) -> bytes:
    """Compress native masks bool [C, H, W] to the bytes `Store.class_masks` reads."""
    return zlib.compress(channel_bits(class_masks).astype(_bits_dtype(len(class_masks))).tobytes(), 6)


def _bits_dtype(classes: int) -> np.dtype[Any]:
    """Return the smallest little-endian unsigned type that has a bit for each class (at most 64)."""
    return next(np.dtype(f"<u{size}") for size in (1, 2, 4, 8) if classes <= 8 * size)


def _record(row: dict[str, Any]) -> Record:
    lists = {key: tuple(row[key]) for key in ("class_pixels", "truth", "original")}
    if row["split"] not in SPLITS:
        raise ValueError(f"unknown split {row['split']!r}")
    return Record(**{**row, **lists})


def _open_array(path: Path, count: int) -> NDArray[np.uint8]:
    try:
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise DataError("the prepared store cannot be read", path, _REMEDY) from error
    if len(array) != count:
        raise DataError(f"the prepared store holds {len(array)} images, its index {count}", path, _REMEDY)
    return array
