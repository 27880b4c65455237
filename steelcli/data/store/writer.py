"""Write a prepared store: its four files of pixels, the index last."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from steelcli.data.store.index import (
    INDEX_NAME,
    PIXEL_FILES,
    VERSION,
    PixelFile,
    Place,
    StoredImage,
    bits_dtype,
    digest_files,
)
from steelcli.data.types import Color


class StoreWriter:
    """Appends images to the files of a store, in the order of the index."""

    def __init__(
        self, store_dir: Path, count: int, image_size: tuple[int, int], color: Color
    ) -> None:
        self.store_dir, self.image_size = store_dir, image_size
        self._files: dict[PixelFile, BinaryIO] = {}
        for name in PIXEL_FILES:
            self._files[name] = (store_dir / name).open("wb")
        width, height = image_size
        channels = (3,) if color == "rgb" else ()
        self._begin_array("images.npy", (count, height, width, *channels))
        self._begin_array("masks.npy", (count, height, width))

    def _begin_array(self, name: PixelFile, shape: tuple[int, ...]) -> None:
        head = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._files[name], head)

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, *error: object) -> None:
        """Close the files, whatever happened."""
        for file in self._files.values():
            file.close()

    def append(self, name: PixelFile, raw: bytes) -> Place:
        """Append bytes to a file; return their offset and length."""
        offset = self._files[name].tell()
        self._files[name].write(raw)
        return offset, len(raw)

    def finish(self, class_titles: Sequence[str], records: Sequence[StoredImage]) -> None:
        """Write the index, a line an image, with the fingerprint of all that was stored."""
        for file in self._files.values():
            file.close()
        head = {
            "version": VERSION,
            "image_size": self.image_size,
            "class_titles": list(class_titles),
            "digests": digest_files(self.store_dir),
        }
        fingerprint = hashlib.sha256(json.dumps(head).encode())
        with (self.store_dir / INDEX_NAME).open("w", encoding="utf-8") as text:
            text.write(f'{json.dumps(head)[:-1]}, "records": [')
            for place, record in enumerate(records):  # the whole text would be large
                line = json.dumps(vars(record))
                fingerprint.update(line.encode())
                text.write(f"{',' if place else ''}\n{line}")
            text.write(f'\n], "fingerprint": "{fingerprint.hexdigest()}"}}\n')


def pack_truth(class_masks: NDArray[np.bool_]) -> bytes:
    """Compress native masks bool [C, H, W] to the bytes `Store.class_masks` reads.

    Bit i of a pixel is channel i.
    """
    dtype, shape = bits_dtype(len(class_masks)), class_masks.shape[1:]
    if not class_masks.any():
        return _compress_zeros(shape[0] * shape[1] * dtype.itemsize)
    bits = np.zeros(shape, dtype)
    for channel, mask in enumerate(class_masks):
        bits |= mask * dtype.type(1 << channel)
    return _compress(bits.tobytes(), dtype.itemsize)


@lru_cache(maxsize=1)
def _compress_zeros(count: int) -> bytes:
    """Return the truth of a clean image: most have the size of the one before."""
    return _compress(bytes(count), 1)


def _compress(data: bytes, itemsize: int) -> bytes:
    """Return a zlib stream; where a pixel is a byte, run lengths alone are faster and smaller."""
    strategy = zlib.Z_RLE if itemsize == 1 else zlib.Z_DEFAULT_STRATEGY
    deflater = zlib.compressobj(strategy=strategy)
    return deflater.compress(data) + deflater.flush()
