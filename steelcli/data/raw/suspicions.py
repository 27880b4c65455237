"""``steelcli check``: read a data set as `prepare` does, write nothing, say what is there and what
looks odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.data.images.header import read_header
from steelcli.data.raw.kaggle import KaggleSource
from steelcli.data.raw.survey import Look, Survey
from steelcli.params.data import DataParams

COVERS = 0.9
"""Share of an image above which a class is suspicious."""
TINY = 32
"""Sides below this many pixels are suspicious."""
ALIKE = 16
"""Near-duplicates differ in at most so many of the 256 bits of their difference hash.

A copy saved as JPEG of quality 60, made a tenth brighter or halved does in nine cases of ten; of
286 different pictures of rolled steel no two did (the closest differ in 25)."""


@dataclass(frozen=True)
class Finding:
    """What one image shows.

    Attributes:
        kind: file format, such as PNG, by content.
        height, width: pixels.
        class_pixels: by class.
        specks: single pixels that stand alone, over all classes.
        grey: whether the pixels are grey, though the file may have three channels.
        black: whether all pixels are 0.
        content: hash of the pixels.
        likeness: difference hash, see `difference_hash`.
    """

    kind: str
    height: int
    width: int
    class_pixels: tuple[int, ...]
    specks: int
    grey: bool
    black: bool
    content: str
    likeness: bytes


def inspect(look: Look) -> Finding:
    """Return what an image, read as RGB, shows."""
    grey = np.asarray(cv2.cvtColor(look.image, cv2.COLOR_RGB2GRAY), np.uint8)
    specks = 0
    for mask in look.masks:
        *_, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        specks += int((stats[1:, cv2.CC_STAT_AREA] == 1).sum())
    return Finding(
        kind=read_header(look.raw, "image").kind,
        height=look.image.shape[0],
        width=look.image.shape[1],
        class_pixels=look.class_pixels,
        specks=specks,
        grey=all(
            np.array_equal(look.image[:, :, 0], look.image[:, :, channel]) for channel in (1, 2)
        ),
        black=not look.image.any(),
        content=look.content,
        likeness=difference_hash(grey),
    )


def difference_hash(grey: NDArray[np.uint8]) -> bytes:
    """Return 256 bits that survive scaling, compression and exposure: in 16 × 17 areas, is each
    darker than the next?

    Args:
        grey: uint8 [H, W].
    """
    small = cv2.resize(grey, (17, 16), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes()


def list_suspicions(found: Survey[Finding], params: DataParams) -> dict[str, list[str]]:
    """Return what looks odd though it can be read, each with the images concerned; empty kinds are
    left out."""
    images = [sample.image for sample in found.samples]
    pairs = list(zip(images, found.results, strict=True))
    kaggle = isinstance(found.source, KaggleSource)
    every = {
        f"a class covers more than {COVERS:.0%}": [
            name for name, one in pairs if max(one.class_pixels) > COVERS * one.height * one.width
        ],
        "a defect of a single pixel": [name for name, one in pairs if one.specks],
        "all black": [name for name, one in pairs if one.black],
        f"a side under {TINY} pixels": [
            name for name, one in pairs if min(one.height, one.width) < TINY
        ],
        "colour, though data.color is grey": [
            name for name, one in pairs if params.color == "grey" and not one.grey
        ],
        "no row in the csv, so clean": [
            sample.image for sample in found.samples if kaggle and not sample.annotation
        ],
        "the same pixels as another image": list(_repeated(pairs)),
        "nearly the same as another image": list(_alike(pairs)),
    }
    return {what: names for what, names in every.items() if names}


def count_sizes(found: Survey[Finding]) -> list[tuple[str, str, int]]:
    """Return the formats and sizes with their numbers of images, the most frequent first."""
    sizes = Counter((one.kind, f"{one.width}x{one.height}") for one in found.results)
    return [(kind, size, count) for (kind, size), count in sizes.most_common()]


def count_classes(found: Survey[Finding]) -> list[tuple[str, int, float]]:
    """Return for each class its images and its share of all pixels, 0..1; last the images without a
    defect."""
    pixels = max(1, sum(one.height * one.width for one in found.results))
    rows = []
    for channel, title in enumerate(found.source.class_titles):
        counts = [one.class_pixels[channel] for one in found.results]
        rows.append((title, sum(map(bool, counts)), sum(counts) / pixels))
    return [*rows, ("no defect", sum(not any(one.class_pixels) for one in found.results), 0.0)]


def _repeated(pairs: Sequence[tuple[str, Finding]]) -> Iterator[str]:
    counts = Counter(one.content for _, one in pairs)
    return (name for name, one in pairs if counts[one.content] > 1)


def _alike(pairs: Sequence[tuple[str, Finding]]) -> Iterator[str]:
    """Yield the images that have a near-duplicate which is no exact one; flat images are alike by
    nature."""
    structured = [(name, one) for name, one in pairs if any(one.likeness)]
    hashes = np.frombuffer(b"".join(one.likeness for _, one in structured), np.uint64).reshape(
        -1, 4
    )
    for index, (name, one) in enumerate(structured):
        near = np.flatnonzero(np.bitwise_count(hashes ^ hashes[index]).sum(axis=1) <= ALIKE)
        if any(structured[other][1].content != one.content for other in near):
            yield name
