"""COCO's run-length code by hand and against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from pycocotools import mask as oracle

from steelcli.common.errors import DataError
from steelcli.data.predictions.coco_rle import decode_coco, encode_coco, run_lengths, run_lengths_at

MASKS = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=40))
BLOCKS = st.tuples(*(st.integers(0, 700) for _ in range(4)))
EXAMPLE = np.array([[0, 1, 1], [0, 1, 0]], bool)


def oracle_counts(mask: NDArray[np.bool_]) -> str:
    text: str = oracle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    return text


def test_runs_go_down_the_columns_and_start_with_the_clean_ones() -> None:
    assert run_lengths(EXAMPLE) == [2, 3, 1]
    assert run_lengths(~EXAMPLE) == [0, 2, 3, 1]
    assert run_lengths(np.zeros((2, 3), bool)) == [6]
    assert run_lengths(np.ones((2, 3), bool)) == [0, 6]
    assert np.array_equal(decode_coco([2, 3, 1], 2, 3, "here"), EXAMPLE)
    assert encode_coco(EXAMPLE) == "231"


@given(MASKS)
def test_pycocotools_writes_the_same_and_it_reads_back(mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    text = encode_coco(mask)
    assert text == oracle_counts(mask)
    assert np.array_equal(decode_coco(text, height, width, "here"), mask)
    assert np.array_equal(decode_coco(run_lengths(mask), height, width, "here"), mask)


@given(MASKS.filter(np.any))
def test_points_have_the_run_lengths_of_their_mask(mask: NDArray[np.bool_]) -> None:
    points = np.argwhere(mask)[::-1, ::-1]
    assert run_lengths_at(points, *mask.shape) == run_lengths(mask)


@given(BLOCKS)
@settings(max_examples=30)
def test_long_runs_and_falling_differences(block: tuple[int, int, int, int]) -> None:
    top, left, height, width = block
    mask = np.zeros((700, 300), bool)
    mask[top : top + height, left : left + width] = True
    mask[5:7, 200:] ^= True
    text = encode_coco(mask)
    assert text == oracle_counts(mask)
    assert np.array_equal(decode_coco(text, 700, 300, "here"), mask)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ("", "cover 0 pixels"),
        ([], "cover 0 pixels"),
        ("23", "cover 5 pixels"),
        ([2, 3, 2], "cover 7 pixels"),
        ("2 3", "character"),
        ("2é", "character"),
        ("2p", "character"),
        ("23Q", "cut off"),
        ("oooooooo0", "too large"),
        ([2**70], "too large"),
        ([7, -1], "is -1 pixels"),
        ("21O1", "is -1 pixels"),
        ([2**63 - 1, 2**63 - 1, 8], f"is {2**63 - 1} pixels"),
        ([2.0, 3.0, 1.0], "neither text"),
        ([True, True, True, True, True, True], "neither text"),
        (None, "neither text"),
        (6, "neither text"),
    ],
)
def test_broken_counts_are_refused(counts: object, words: str) -> None:
    with pytest.raises(DataError, match=words) as caught:
        decode_coco(counts, 2, 3, "preds.json, image 7")
    assert caught.value.where == "preds.json, image 7"


@pytest.mark.parametrize("size", [(0, 3), (2, -1), (2**20, 2**20)])
def test_absurd_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="pixels"):
        decode_coco([6], *size, "here")
