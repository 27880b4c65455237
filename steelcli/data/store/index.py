"""``index.json`` of a prepared store: what each image is and where its bytes lie."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic.dataclasses import dataclass

from steelcli.common.errors import DataError, quote
from steelcli.common.fingerprint import file_digest
from steelcli.common.inputs import read_bytes
from steelcli.common.paths import MAKE_STORE
from steelcli.data.types import Split

VERSION = 2
INDEX_NAME = "index.json"
MAX_INDEX_BYTES = 2**30
MAX_SIDE, MAX_RATIO = 2**20, 1100
"""Pixels of an image's side, and bytes that zlib packs into one (1032, a few more at the start)."""

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Place = tuple[Annotated[int, Field(ge=0, le=2**62)], Annotated[int, Field(ge=0, le=2**62)]]
"""Offset and length in a file, bytes."""
Title = Annotated[str, Field(min_length=1)]
PixelFile = Literal["images.npy", "masks.npy", "truth.bin", "originals.bin"]
PIXEL_FILES: tuple[PixelFile, ...] = get_args(PixelFile)
"""All files of a store but its index."""


@dataclass(frozen=True, config=ConfigDict(strict=True))
class StoredImage:
    """One image of the store.

    Attributes:
        image: name, unique in the store.
        split: train, val or test.
        content: SHA-256 of the decoded pixels.
        height, width: native size in pixels.
        class_pixels: native pixels of each class, in the order of `Index.class_titles`.
        truth: where its truth lies in truth.bin.
        original: where its raw file lies in originals.bin; (0, 0) outside the test split.
    """

    image: str
    split: Split
    content: Title
    height: Side
    width: Side
    class_pixels: tuple[Annotated[int, Field(ge=0)], ...]
    truth: Place
    original: Place

    @field_validator("image")
    @classmethod
    def _check_name(cls, image: str) -> str:
        """Refuse a name that would lead a written file out of its folder."""
        parts = PurePosixPath(image)
        if parts.is_absolute() or ".." in parts.parts or not parts.name or "\0" in image:
            raise ValueError(f"{image!r} is no name of an image")
        return image

    @property
    def has_defect(self) -> bool:
        return any(self.class_pixels)


def count_kinds(
    images: Iterable[StoredImage], splits: Iterable[Split]
) -> dict[str, tuple[int, int]]:
    """Return, of each of the splits, the images with a defect and the clean ones."""
    kinds = Counter((image.split, image.has_defect) for image in images)
    return {split: (kinds[split, True], kinds[split, False]) for split in splits}


class Index(BaseModel):
    """The content of the file; sizes that would fill the memory are refused."""

    model_config = ConfigDict(strict=True, frozen=True)

    version: int
    fingerprint: Title
    image_size: tuple[Side, Side]
    class_titles: Annotated[tuple[Title, ...], Field(min_length=1, max_length=64)]
    digests: Annotated[dict[PixelFile, str], Field(min_length=len(PIXEL_FILES))]
    """SHA-256 of each file's bytes."""
    records: tuple[StoredImage, ...]

    @field_validator("version")
    @classmethod
    def _check_version(cls, version: int) -> int:
        if version != VERSION:
            raise ValueError(f"it is of version {version}, not {VERSION}")
        return version

    @model_validator(mode="after")
    def _check_sizes(self) -> Index:
        classes = len(self.class_titles)
        itemsize = bits_dtype(classes).itemsize
        for record in self.records:
            area = record.height * record.width
            if area * itemsize > MAX_RATIO * record.truth[1]:
                raise ValueError(f"{record.image!r} is larger than its truth")
            if len(record.class_pixels) != classes or max(record.class_pixels) > area:
                raise ValueError(f"the class pixels of {record.image!r} do not fit")
        return self


def read_index(path: Path) -> Index:
    """Read and check the file.

    Raises:
        DataError: it is missing, damaged or of another version.
    """
    try:
        return Index.model_validate_json(read_bytes(path, MAX_INDEX_BYTES))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError("no prepared store", path.parent, MAKE_STORE) from error
    except OSError as error:
        reason = str(error.strerror)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = f"{where} {first['msg'].removeprefix('Value error, ')}".strip()
    what = f"the prepared store's index cannot be read ({quote(reason, 120)})"
    raise DataError(what, path, MAKE_STORE)


def digest_files(store_dir: Path) -> dict[PixelFile, str]:
    """Return the SHA-256 of each file but the index, several read at once."""
    with ThreadPoolExecutor() as pool:  # hashlib lets other threads run
        digests = pool.map(lambda name: file_digest(store_dir / name), PIXEL_FILES)
        return dict(zip(PIXEL_FILES, digests, strict=True))


def bits_dtype(classes: int) -> np.dtype[Any]:
    """Return the smallest little-endian unsigned type with a bit for each class (at most 64)."""
    fitting = [size for size in (1, 2, 4, 8) if classes <= 8 * size]
    return np.dtype(f"<u{fitting[0]}")


def end_of(places: Iterable[Place]) -> int:
    """Return the least size in bytes of a file that holds all places."""
    return max(offset + length for offset, length in places)
