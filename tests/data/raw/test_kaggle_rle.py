"""Kaggle's run-length code: both ways, and every refusal."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from closure import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from steelcli.common.errors import DataError
from steelcli.data.raw.kaggle_rle import decode_rle, encode_rle

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9))


def test_runs_go_down_the_columns_and_cross_them() -> None:
    mask = decode_rle("2 3 6 1", 2, 3, "here")
    assert mask.tolist() == [[False, True, False], [True, True, True]]
    assert mask.flags.c_contiguous
    assert encode_rle(mask) == "2 3 6 1"


def test_first_and_last_pixel() -> None:
    mask = decode_rle("1 1 409600 1", 256, 1600, "here")
    assert mask.sum() == 2
    assert mask[0, 0]
    assert mask[-1, -1]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty_text_is_an_empty_mask(text: str) -> None:
    assert not decode_rle(text, 3, 4, "here").any()


def test_touching_runs_are_allowed_and_joined() -> None:
    assert encode_rle(decode_rle("1 2 3 2", 3, 4, "here")) == "1 4"


@settings(deadline=None)
@given(MASKS)
def test_mask_survives_encoding(mask: np.ndarray) -> None:
    height, width = mask.shape
    assert np.array_equal(decode_rle(encode_rle(mask), height, width, "here"), mask)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), max_size=8), st.integers(0, 9))
def test_runs_with_gaps_survive_decoding(
    gaps_and_lengths: list[tuple[int, int]], rest: int
) -> None:
    numbers, position = [], 1
    for gap, length in gaps_and_lengths:
        numbers += [position + gap, length]
        position += gap + length
    text = " ".join(map(str, numbers))
    assert encode_rle(decode_rle(text, 1, position + rest, "here")) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("1 2 3", "pairs"),
        ("1 two", "no whole numbers"),
        ("1.5 2", "no whole numbers"),
        ("1_0 2", "no whole numbers"),
        ("+1 2", "no whole numbers"),
        ("\u0661 2", "no whole numbers"),
        ("1-2 1", "no whole numbers"),
        ("9" * 30 + " 1", "no whole numbers"),
        ("9" * 5000 + " 1", "no whole numbers"),
        ("0 1", "less than 1"),
        ("-3 1", "less than 1"),
        ("3 0", "less than 1"),
        ("13 1", "past the last pixel"),
        ("12 2", "past the last pixel"),
        (f"{2**62} {2**62}", "past the last pixel"),
        (f"1 {2**63 - 1}", "past the last pixel"),
        ("1 3 3 2", "overlap"),
        ("5 2 1 2", "overlap"),
        ("5 1 5 1", "overlap"),
    ],
)
def test_refuses(text: str, fault: str) -> None:
    with pytest.raises(DataError, match=fault) as caught:
        decode_rle(text, 3, 4, "train.csv, a.jpg class 1")
    assert "train.csv, a.jpg class 1" in str(caught.value)


@settings(deadline=None)
@given(st.text("0123456789 -x", max_size=30))
def test_any_text_decodes_or_is_refused(text: str) -> None:
    try:
        mask = decode_rle(text, 5, 7, "here")
    except DataError:
        return
    assert mask.sum() == sum(map(int, text.split()[1::2]))


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"real data not found at {SHARED}")
def test_real_masks_survive_both_ways() -> None:
    with (SHARED / "severstal-mini" / "train.csv").open(newline="") as file:
        rows = [row["EncodedPixels"] for row in csv.DictReader(file)]
    assert len(rows) == 9
    for text in rows:
        assert encode_rle(decode_rle(text, 256, 1600, "train.csv")) == text
