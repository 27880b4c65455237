"""Kaggle's csv: rows that cannot be true."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from corpus import Build, Case, put, write_kaggle

ROW = "restore the row from the original annotation"
MEND = "restore the csv from Kaggle or mend the row"
CSV = "raw/train.csv"


def rows(*rows: str, **options: Any) -> Build:
    """Return the builder of a Kaggle folder with further rows."""
    return partial(write_kaggle, rows=rows, **options)


def runs(text: str) -> Build:
    """Return the builder of a Kaggle folder with these run lengths."""
    return rows(f"good_1.png,2,{text}")


def whole(content: str | bytes) -> Build:
    """Return the builder of a Kaggle folder with this csv."""

    def build(root: Path) -> None:
        write_kaggle(root)
        put(root / "train.csv", content)

    return build


def without_images(root: Path) -> None:
    write_kaggle(root)
    for path in (root / "train_images").iterdir():
        path.unlink()


def two_csvs(root: Path) -> None:
    write_kaggle(root)
    text = (root / "train.csv").read_bytes()
    (root / "train.csv").unlink()
    put(root / "one.csv", text)
    put(root / "two.csv", text)


def broken_runs(name: str, text: str, fault: str) -> Case:
    """Return the case of one row of run lengths."""
    return Case(name, runs(text), (fault, CSV, "good_1.png class 2", ROW))


def refused(name: str, build: Build, says: Sequence[str], count: int | None = 1) -> Case:
    """Return the case of a csv."""
    return Case(name, build, (CSV, *says), count)


CASES = [
    broken_runs("odd number of tokens", "5 2 9", "run lengths are pairs"),
    broken_runs("start of zero", "0 4", "less than 1"),
    broken_runs("start below zero", "-7 4", "less than 1"),
    broken_runs("length of zero", "5 0", "less than 1"),
    broken_runs("length below zero", "5 -2", "less than 1"),
    broken_runs("run past the end", "2399 3", "past the last pixel"),
    broken_runs("start past the end", "2401 1", "past the last pixel"),
    broken_runs("run of 2^62", f"{2**62} {2**62}", "past the last pixel"),
    broken_runs("runs overlap", "5 4 7 4", "overlap or do not ascend"),
    broken_runs("runs descend", "50 4 7 4", "overlap or do not ascend"),
    broken_runs("run twice", "5 4 5 4", "overlap or do not ascend"),
    broken_runs("words", "five 4", "no whole numbers"),
    broken_runs("fractions", "5.0 4.0", "no whole numbers"),
    broken_runs("run lengths NaN", "NaN", "no whole numbers"),
    broken_runs("number of 5,000 digits", "9" * 5000 + " 1", "no whole numbers"),
    broken_runs("digits of another script", "\u0665 \u0662", "no whole numbers"),
    broken_runs("run lengths as a list", '"[5, 2]"', "no whole numbers"),
    broken_runs("terminal codes", "\x1b]0;x\x07", "\\x1b]0;x"),
    refused(
        "class 5",
        rows("good_1.png,5,7 1"),
        ("unknown class", "good_1.png class 5", "correct it to one of 1, 2, 3, 4"),
    ),
    refused(
        "class 0 with a mask",
        rows("good_1.png,0,7 1"),
        ("unknown class", "good_1.png class 0", "correct it to one of"),
    ),
    refused(
        "class below zero",
        rows("good_1.png,-1,7 1"),
        ("unknown class", "good_1.png class -1", "correct it to one of"),
    ),
    refused(
        "class in words",
        rows("good_1.png,scratch,7 1"),
        ("unknown class", "scratch", "correct it to one of"),
    ),
    refused(
        "class NaN", rows("good_1.png,nan,7 1"), ("unknown class", "nan", "correct it to one of")
    ),
    refused(
        "class 1.5", rows("good_1.png,1.5,7 1"), ("unknown class", "1.5", "correct it to one of")
    ),
    refused(
        "class of a row missing",
        rows("good_1.png,,7 1"),
        ("unknown class", "good_1.png", "correct it to one of"),
    ),
    refused(
        "unknown image",
        rows("gone.png,1,7 1"),
        ("is not in", "gone.png", "add the image or remove its rows"),
    ),
    refused(
        "image by a path upwards",
        rows("../train.csv,1,7 1"),
        ("is not in", "../train.csv", "add the image"),
    ),
    refused(
        "image by an absolute path",
        rows("/etc/passwd,1,7 1"),
        ("is not in", "/etc/passwd", "add the image"),
    ),
    refused(
        "image of another case",
        rows("GOOD_1.png,1,7 1"),
        ("is not in", "GOOD_1.png", "add the image"),
    ),
    refused(
        "image with a line end",
        rows('"a\nb.png",1,7 1'),
        ("is not in", "a\\nb.png", "add the image"),
    ),
    refused("image not named", rows(",1,7 1"), ("names no image", MEND)),
    refused(
        "row twice",
        rows("good_1.png,2,7 1", "good_1.png,2,7 1"),
        ("named twice", "good_1.png", "keep one of"),
    ),
    refused(
        "row twice with other runs",
        rows("good_0.png,1,7 1"),
        ("named twice", "good_0.png", "keep one of"),
    ),
    refused("row too short", rows("good_1.png,2"), ("row 3 has 2 fields", MEND)),
    refused("row too long", rows("good_1.png,2,7 1,8 1"), ("row 3 has 4 fields", MEND)),
    refused(
        "row of a comma in a number", rows("good_1.png,2,1,000 5"), ("row 3 has 4 fields", MEND)
    ),
    refused(
        "four faults",
        rows("x.png,1,7 1", "good_1.png,9,7 1", "good_2.png,1", ",,"),
        ("4 problems", "mend"),
        4,
    ),
    refused(
        "quote never closed",
        rows('good_1.png,2,"7 1'),
        ("cannot read the csv", "comma-separated UTF-8"),
        None,
    ),
    refused(
        "column missing",
        whole("ImageId,EncodedPixels\na,1 1\n"),
        ("columns do not fit", "name them"),
        None,
    ),
    refused(
        "column twice",
        whole("ImageId,ClassId,EncodedPixels,ImageId\na,1,1 1,b\n"),
        ("two columns", "keep one"),
        None,
    ),
    refused(
        "columns apart by semicolons",
        whole("ImageId;ClassId;EncodedPixels\na;1;1 1\n"),
        ("separated by semicolons", "train.csv", "save the csv with commas"),
        None,
    ),
    refused(
        "columns apart by tabs",
        whole("ImageId\tClassId\tEncodedPixels\n"),
        ("separated by tabs", "train.csv", "save the csv with commas"),
        None,
    ),
    refused(
        "columns that differ by case and blanks",
        whole("ImageId,imageid ,ClassId,EncodedPixels\ngood_1.png,good_2.png,1,1 1\n"),
        ("two columns are called", "keep one of them"),
        None,
    ),
    refused(
        "csv without a header",
        whole("good_1.png,1,1 1\n"),
        ("columns do not fit", "name them"),
        None,
    ),
    refused("csv empty", whole(""), ("columns do not fit", "name them"), None),
    refused(
        "csv in UTF-16",
        whole("ImageId,ClassId,EncodedPixels\n".encode("utf-16")),
        ("cannot read the csv", "UTF-8"),
        None,
    ),
    refused(
        "csv in Latin-1",
        whole("ImageId,ClassId,EncodedPixels\nü,1,1 1\n".encode("latin-1")),
        ("cannot read the csv", "UTF-8"),
        None,
    ),
    refused(
        "csv with zero bytes",
        whole(b"ImageId,ClassId,EncodedPixels\n" + bytes(5000)),
        ("row 2 has 1 fields", MEND),
    ),
    refused(
        "gigantic field",
        whole("ImageId,ClassId,EncodedPixels\na,1," + "1 1 " * 2**23),
        ("field larger than", "UTF-8"),
        None,
    ),
    refused("gigantic header", whole("x" * 2**25), ("field larger than", "UTF-8"), None),
    refused("a million columns", whole("a," * 10**6), ("columns do not fit", "name them"), None),
    Case(
        "csv missing",
        lambda root: (write_kaggle(root), (root / "train.csv").unlink()),
        ("no known format", "raw", "data.format"),
        None,
    ),
    Case(
        "two csv files",
        two_csvs,
        ("several csv files fit (one.csv, two.csv)", "raw", "train.csv"),
        None,
    ),
    Case(
        "no images beside the csv",
        without_images,
        ("no images found", "raw", "put them into train_images"),
        None,
    ),
]
