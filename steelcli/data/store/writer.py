"""Write a prepared store: the arrays first, then the blobs, the index last."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from steelcli.data.store.index import (
    INDEX_NAME,
    VERSION,
    StoredImage,
    bits_dtype,
    digest_files,
)
from steelcli.data.types import Color


def channel_bits(masks: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack masks bool [C, H, W] into one bit a class, uint64 [H, W]; bit i is channel i."""
    packed = np.zeros(masks.shape[1:], np.uint64)
    for channel, mask in enumerate(masks):
        packed |= mask.astype(np.uint64) << np.uint64(channel)
    return packed


class StoreWriter:
    """Creates the arrays of a store and appends to its blobs, in the order of the index."""

    def __init__(
        self, store_dir: Path, count: int, image_size: tuple[int, int], color: Color
    ) -> None:
        self.store_dir, self.image_size = store_dir, image_size
        width, height = image_size
        channels = (3,) if color == "rgb" else ()
        shapes = {"images": (count, height, width, *channels), "masks": (count, height, width)}
        for name, shape in shapes.items():
            path = store_dir / f"{name}.npy"
            np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).flush()
            _reserve(path)
        self._blobs: dict[str, BinaryIO] = {}
        for name in ("truth.bin", "originals.bin"):
            self._blobs[name] = (store_dir / name).open("wb")

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

    def finish(self, class_titles: Sequence[str], records: Sequence[StoredImage]) -> None:
        """Write the index, with the fingerprint of all that was stored."""
        for blob in self._blobs.values():
            blob.close()
        rows = [asdict(record) for record in records]
        digests = digest_files(self.store_dir)
        described = [VERSION, self.image_size, list(class_titles), rows, digests]
        fingerprint = hashlib.sha256()
        for piece in json.JSONEncoder().iterencode(described):  # the whole text would be large
            fingerprint.update(piece.encode())
        index = {
            "version": VERSION,
            "fingerprint": fingerprint.hexdigest(),
            "image_size": self.image_size,
            "class_titles": list(class_titles),
            "digests": digests,
            "records": rows,
        }
        with (self.store_dir / INDEX_NAME).open("w", encoding="utf-8") as file:
            json.dump(index, file, indent=0)
            file.write("\n")


def write_pixels(
    store_dir: Path, position: int, image: NDArray[np.uint8], mask: NDArray[np.uint8]
) -> None:
    """Put one letterboxed image and mask into the arrays; processes may write side by side."""
    for name, pixels in (("images", image), ("masks", mask)):
        array = np.lib.format.open_memmap(store_dir / f"{name}.npy", mode="r+")
        array[position] = pixels
        array.flush()


def pack_truth(class_masks: NDArray[np.bool_]) -> bytes:
    """Compress native masks bool [C, H, W] to the bytes `Store.class_masks` reads."""
    bits = channel_bits(class_masks).astype(bits_dtype(len(class_masks)))
    return zlib.compress(bits.tobytes(), 6)


def _reserve(path: Path) -> None:
    """Allocate the file's blocks: writing a memory map to a full disk would kill the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
