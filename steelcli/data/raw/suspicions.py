"""Count what raw data holds, and list what looks odd though it can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from steelcli.data.images.decode import decode_pixels
from steelcli.data.images.header import read_header
from steelcli.data.raw.image_size import MIN_DEFECT_PX, smallest_in_model
from steelcli.data.raw.survey import RawImage, Survey
from steelcli.params.data import DataParams

MAX_COVER = 0.9
"""Share of an image above which a class is suspicious."""
MIN_SIDE = 32
"""Sides below this many pixels are suspicious."""
MAX_BITS = 16
"""Near-duplicates differ in at most so many of the 256 bits of their difference hash.

Nine of ten copies saved as JPEG of quality 60, made a tenth brighter or halved do. Of 286 different
pictures of rolled steel no two did: the closest differ in 25."""

_NO_ANNOTATION = {"kaggle": "no row in the csv, so clean", "masks": "no mask file, so clean"}


@dataclass(frozen=True)
class Finding:
    """What one image shows.

    Attributes:
        kind: file format, such as PNG, by content.
        height, width: pixels.
        class_pixels: by class.
        smallest_defect: pixels of the smallest defect of any class, 0 where there is none.
        specks: single pixels that stand alone, over all classes.
        grey: whether the pixels are grey, though the file may have three channels.
        black: whether all pixels are 0.
        content: hash of the pixels.
        likeness: difference hash, see `difference_hash`.
        deep_values: of a 16-bit image the lowest value, the 1st and the 99th percentile, and the
            highest; None for 8 bits.
    """

    kind: str
    height: int
    width: int
    class_pixels: tuple[int, ...]
    smallest_defect: int
    specks: int
    grey: bool
    black: bool
    content: str
    likeness: bytes
    deep_values: tuple[int, ...] | None


def inspect(image: RawImage) -> Finding:
    """Return what an image, read as RGB, shows."""
    grey = np.asarray(cv2.cvtColor(image.pixels, cv2.COLOR_RGB2GRAY), np.uint8)
    specks = 0
    for mask in image.masks:
        *_, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        specks += int((stats[1:, cv2.CC_STAT_AREA] == 1).sum())
    header = read_header(image.raw, "image")
    deep_values = None
    if header.bits > 8:
        values = decode_pixels(image.raw, "image")
        deep_values = tuple(map(int, np.percentile(values, (0, 1, 99, 100))))
    return Finding(
        kind=header.kind if deep_values is None else f"{header.kind}, {header.bits} bits",
        height=image.pixels.shape[0],
        width=image.pixels.shape[1],
        class_pixels=image.class_pixels,
        smallest_defect=image.smallest_defect,
        specks=specks,
        grey=bool((image.pixels == image.pixels[:, :, :1]).all()),
        black=not image.pixels.any(),
        content=image.content,
        likeness=difference_hash(grey),
        deep_values=deep_values,
    )


def difference_hash(grey: NDArray[np.uint8]) -> bytes:
    """Return 256 bits that survive scaling, compression and exposure.

    Of 16 × 17 areas each is compared with the next one in its row: is it darker?

    Args:
        grey: uint8 [H, W].
    """
    small = cv2.resize(grey, (17, 16), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes()


def list_suspicions(found: Survey[Finding], params: DataParams) -> dict[str, list[str]]:
    """Return what looks odd, each with the images concerned."""
    images = [sample.image for sample in found.samples]
    pairs = list(zip(images, found.results, strict=True))
    every = {
        f"a class covers more than {MAX_COVER:.0%}": [
            name
            for name, one in pairs
            if max(one.class_pixels) > MAX_COVER * one.height * one.width
        ],
        f"a defect under {MIN_DEFECT_PX} pixels at data.image_size": [
            name
            for name, one in pairs
            if 0 < smallest_in_model(one, params.image_size) < MIN_DEFECT_PX
        ],
        "a defect of a single pixel": [name for name, one in pairs if one.specks],
        "all black": [name for name, one in pairs if one.black],
        f"a side under {MIN_SIDE} pixels": [
            name for name, one in pairs if min(one.height, one.width) < MIN_SIDE
        ],
        "colour, though data.color is grey": [
            name for name, one in pairs if params.color == "grey" and not one.grey
        ],
        "over 1% of the pixels outside data.value_range": [
            name for name, one in pairs if _is_clipped(one, params)
        ],
        "all values within a tenth of data.value_range": [
            name for name, one in pairs if _is_flat(one, params)
        ],
        _NO_ANNOTATION.get(found.source.format, ""): [
            sample.image for sample in found.samples if not sample.annotation
        ],
        "the same pixels as another image": list(_repeated(pairs)),
        "nearly the same as another image": list(_alike(pairs)),
    }
    return {what: names for what, names in every.items() if what and names}


def _is_clipped(one: Finding, params: DataParams) -> bool:
    if one.deep_values is None or params.value_range is None:
        return False
    _, dark, bright, _ = one.deep_values
    return dark < params.value_range[0] or bright > params.value_range[1]


def _is_flat(one: Finding, params: DataParams) -> bool:
    if one.deep_values is None or params.value_range is None:
        return False
    _, dark, bright, _ = one.deep_values
    return bright - dark < 0.1 * (params.value_range[1] - params.value_range[0])


def count_sizes(found: Survey[Finding]) -> list[tuple[str, str, int]]:
    """Return the formats and sizes with their numbers of images, the most frequent first."""
    sizes = Counter((one.kind, f"{one.width}x{one.height}") for one in found.results)
    return [(kind, size, count) for (kind, size), count in sizes.most_common()]


def count_classes(found: Survey[Finding]) -> list[tuple[str, int, float]]:
    """Return each class's images and share of all pixels, 0..1; last the images without defect."""
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
    """Yield the images with a near-duplicate that is no exact copy; flat images do not count."""
    structured = [(name, one) for name, one in pairs if any(one.likeness)]
    joined = b"".join(one.likeness for _, one in structured)
    hashes = np.frombuffer(joined, np.uint64).reshape(-1, 4)
    for index, (name, one) in enumerate(structured):
        near = np.flatnonzero(np.bitwise_count(hashes ^ hashes[index]).sum(axis=1) <= MAX_BITS)
        if any(structured[other][1].content != one.content for other in near):
            yield name
