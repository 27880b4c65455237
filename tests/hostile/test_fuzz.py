"""Mutations of sound documents: a reader returns what it promises or raises a declared error,
nothing else."""

from __future__ import annotations

import json
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases_images import BMP, JPEG, PNG, TIFF, WEBP, pillow, png
from corpus import META, H, W, annotation, bitmap, encoded, packed, picture, polygon, put, spot
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make_params import data_params

from steelcli.common.errors import UserError
from steelcli.common.problems import Problems
from steelcli.data.images.decode import read_image_bytes
from steelcli.data.raw.bitmap import decode_bitmap, encode_bitmap
from steelcli.data.raw.kaggle import CLASS_IDS, read_runs
from steelcli.data.raw.kaggle_rle import decode_rle, encode_rle
from steelcli.data.raw.supervisely import open_supervisely

INPUTS = 100_000
"""At least so many by all readers together."""
LIMIT = 10_000
"""Pixels that an image of the fuzz may have."""
NUMBERS = [
    b"0",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 5000,
    b"2147483648",
    b"18446744073709551616",
    b"1.5",
    b"1_0",
]
JSON_BITS = [
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"x"',
    b"[",
    b"{",
    b",",
    b'"size":',
    b"\xff",
    b"\xef\xbb\xbf",
    b"[" * 3000,
]
CSV_BITS = [
    b",",
    b";",
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"a.png",
    b"nan",
    b"5",
    b"../a",
    b"_1",
    b"\xe2\x80\xae",
]
BYTES = [
    b"\0",
    b"\xff",
    b"\xff\xd9",
    b"\xff\xda",
    b"IEND",
    b"IDAT",
    b"tRNS",
    b"\x7f\xff\xff\xff",
    b"\xff" * 8,
    b"\0" * 8,
]
LEAVES: list[Any] = [
    None,
    True,
    -1,
    0,
    10**9,
    10**30,
    1e308,
    float("inf"),
    float("nan"),
    "",
    "x",
    [],
    {},
    [[]],
    [1, 2],
]


def mutated(bases: Sequence[bytes], tokens: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return documents made of sound ones by a few cuts, copies, flips and insertions."""
    edit = st.tuples(
        st.integers(0, 4), st.integers(0, 2**16), st.integers(0, 48), st.sampled_from(tokens)
    )
    return st.builds(change, st.sampled_from(bases), st.lists(edit, min_size=1, max_size=5))


def change(base: bytes, edits: Sequence[tuple[int, int, int, bytes]]) -> bytes:
    """Apply edits, each a kind, a place, a length and a token."""
    for kind, where, length, token in edits:
        place = where % (len(base) + 1)
        head, middle, tail = base[:place], base[place : place + length], base[place + length :]
        flipped = bytes([middle[0] ^ (1 << length % 8)]) + middle[1:] if middle else b""
        base = head + (token + middle, b"", middle * 2, flipped, token)[kind] + tail
    return base


def replaced(tree: Any, picks: Sequence[tuple[int, Any]]) -> Any:
    """Return a JSON value in which some nodes, counted in depth-first order, are replaced."""
    count = 0
    nodes = sum(1 for _ in walk(tree))
    wanted = {index % nodes: leaf for index, leaf in picks}

    def copy(node: Any) -> Any:
        nonlocal count
        index, count = count, count + 1
        if isinstance(node, dict):
            made: Any = {key: copy(value) for key, value in node.items()}
        else:
            made = [copy(value) for value in node] if isinstance(node, list) else node
        return wanted.get(index, made)

    return copy(tree)


def walk(node: Any) -> Any:
    yield node
    for child in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        yield from walk(child)


@dataclass(frozen=True)
class Reader:
    """What is fed, and how: ``feed`` returns whether the input was taken.

    Attributes:
        share: of `INPUTS`.
    """

    name: str
    inputs: st.SearchStrategy[Any]
    feed: Callable[[Any, Path], bool]
    share: float


def feed_rle(raw: bytes, work_dir: Path) -> bool:  # noqa: ARG001
    text = raw.decode("latin-1")
    mask = decode_rle(text, 9, 13, "here")
    assert mask.shape == (9, 13)
    assert mask.sum() == sum(map(int, text.split()[1::2]))
    return True


def feed_bitmap(data: str, work_dir: Path) -> bool:  # noqa: ARG001
    mask = decode_bitmap(data, "here", (H, W))
    assert mask.dtype == np.bool_
    assert 0 < mask.shape[0] <= H
    assert 0 < mask.shape[1] <= W
    return True


def feed_annotation(raw: bytes, work_dir: Path) -> bool:
    if not (work_dir / "meta.json").exists():
        put(work_dir / "meta.json", META)
        put(work_dir / "ds" / "img" / "a.png", PNG)
        put(work_dir / "ds" / "ann" / "a.png.json", raw)
    (work_dir / "ds" / "ann" / "a.png.json").write_bytes(raw)
    source = open_supervisely(work_dir, data_params())
    assert source.read_masks(source.samples[0], H, W).shape == (2, H, W)
    return True


def feed_csv(raw: bytes, work_dir: Path) -> bool:
    path = work_dir / "train.csv"
    path.write_bytes(raw)
    problems = Problems()
    for image, masks in read_runs(path, problems).items():
        assert image
        assert image not in problems.images
        for class_id, runs in masks.items():
            assert class_id in CLASS_IDS
            decode_rle(runs, H, W, path)
    for row in problems.rows:
        assert row.file == str(path)
        assert f"{row.what}{row.remedy}".isprintable()
    return not problems.rows


def feed_image(raw: bytes, work_dir: Path) -> bool:  # noqa: ARG001
    image = read_image_bytes(raw, "rgb", "here", LIMIT)
    assert image.dtype == np.uint8
    assert image.shape[2] == 3
    assert 0 < image.shape[0] * image.shape[1] <= LIMIT
    return True


MASK = picture(3, 9, 13) > 130
OBJECTS = [
    bitmap(),
    bitmap(1, 2, encode_bitmap(picture(4, 7, 11) > 128)),
    polygon([[1, 1], [20, 2], [9, 20]], [[[5, 5], [8, 5], [8, 8]]]),
    polygon([[3, 4], [8, 9]], shape="rectangle"),
]
SOUND = annotation(*OBJECTS)
ANNOTATIONS = [
    json.dumps(SOUND).encode(),
    json.dumps(annotation(OBJECTS[0])).encode(),
    json.dumps(annotation()).encode(),
]
TREES = st.lists(st.tuples(st.integers(0, 200), st.sampled_from(LEAVES)), min_size=1, max_size=4)
CSVS = [
    b"ImageId,ClassId,EncodedPixels\na.png,1,5 3 9 2\nb.png,4,1 1\na.png,2,7 2\n",
    b"ImageId_ClassId,EncodedPixels\na.png_1,5 3\na.png_2,\nb.png_1,1 1\n",
    b"fname,1,2,3,4\na.png,5 3,0 0,,1 2\nb.png,,,,2400 1\n",
]
SMALL_PNGS = st.builds(
    png,
    st.sampled_from([0, 1, 5, 13, 200, 2**31]),
    st.sampled_from([0, 1, 3, 9, 50]),
    st.builds(lambda size: zlib.compress(bytes(size)), st.integers(0, 3000)),
    st.sampled_from([0, 1, 2, 4, 8, 16, 32]),
    st.sampled_from([0, 2, 3, 4, 5, 6]),
)
IMAGES = [
    PNG,
    JPEG,
    BMP,
    TIFF,
    WEBP,
    pillow("JPEG", "CMYK"),
    pillow("PNG", "P"),
    pillow("TIFF", "L", 2),
    encoded(".png", np.dstack([picture(index) for index in range(4)])),
]
BOXES = [
    encoded(".png", spot().astype(np.uint8) * 255),
    encoded(".png", np.dstack([picture(5, 3, 5)] * 3 + [spot().astype(np.uint8) * 255])),
]
READERS = [
    Reader(
        "run lengths",
        mutated([encode_rle(MASK).encode(), b"1 117", b"5 2 9 1"], [b" ", b"-", *NUMBERS]),
        feed_rle,
        0.25,
    ),
    Reader(
        "bitmaps",
        st.one_of(
            mutated([encode_bitmap(spot()).encode()], [b"=", b"\n", b"AAAA", b"-"]).map(
                lambda raw: raw.decode("latin-1")
            ),
            mutated(BOXES, BYTES).map(packed),
            SMALL_PNGS.map(packed),
        ),
        feed_bitmap,
        0.25,
    ),
    Reader(
        "annotations",
        st.one_of(
            mutated(ANNOTATIONS, [*NUMBERS, *JSON_BITS]),
            TREES.map(lambda picks: json.dumps(replaced(SOUND, picks)).encode()),
        ),
        feed_annotation,
        0.2,
    ),
    Reader("csv files", mutated(CSVS, [*NUMBERS, *CSV_BITS]), feed_csv, 0.2),
    Reader("images", st.one_of(mutated(IMAGES, BYTES), SMALL_PNGS), feed_image, 0.1),
]


def fuzz(reader: Reader, examples: int, work_dir: Path, derandomize: bool) -> tuple[int, int]:
    """Feed a reader; return how many inputs it got and how many it took."""
    fed = taken = 0

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=derandomize,
        suppress_health_check=list(HealthCheck),
    )
    @given(reader.inputs)
    def feed(value: Any) -> None:
        nonlocal fed, taken
        fed += 1
        try:
            taken += reader.feed(value, work_dir)
        except UserError as error:
            sentence = str(error)
        else:
            return
        assert sentence.isprintable()

    feed()
    return fed, taken


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_mutations_are_read_or_refused(reader: Reader, tmp_path: Path) -> None:
    fed, taken = fuzz(reader, 300, tmp_path, derandomize=True)
    assert fed >= 300
    assert 0 < taken < fed  # otherwise the mutations are all too mild or all too wild


@pytest.mark.fuzz
@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_hundred_thousand_mutations_are_read_or_refused(reader: Reader) -> None:
    wanted = round(INPUTS * reader.share)
    with tempfile.TemporaryDirectory(
        dir="/dev/shm" if Path("/dev/shm").is_dir() else None
    ) as folder:
        start = time.perf_counter()
        fed, taken = fuzz(reader, wanted, Path(folder), derandomize=False)
    print(f"{reader.name}: {fed} inputs, {taken} taken, {time.perf_counter() - start:.0f} s")
    assert fed >= wanted
    assert taken


def test_the_shares_make_the_whole() -> None:
    assert sum(round(INPUTS * reader.share) for reader in READERS) >= INPUTS
