"""Label Studio's converter writes the same bytes, and reads the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
from label_studio_converter.brush import decode_rle, mask2rle
from numpy.typing import NDArray

from steelcli.data.predictions.brush_rle import encode_brush


def check(mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    code = encode_brush(np.flatnonzero(mask), height, width)
    assert code == mask2rle(mask.astype(np.uint8) * 255)
    values = decode_rle(code).reshape(height, width, 4)
    assert np.array_equal(values, np.repeat(mask[:, :, None] * np.uint8(255), 4, axis=2))


@pytest.mark.parametrize("run", [1, 2, 3, 4, 5, 63, 64, 65, 16384, 16385, 40000])
@pytest.mark.parametrize("before", [0, 1, 20000])
@pytest.mark.parametrize("after", [0, 1, 17])
def test_runs_of_every_size(run: int, before: int, after: int) -> None:
    mask = np.zeros((1, before + run + after), np.bool_)
    mask[:, before : before + run] = True
    check(mask)


@pytest.mark.parametrize("seed", range(30))
def test_random_masks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random(rng.integers(1, 60, 2)) < rng.random()
    mask.flat[rng.integers(mask.size)] = True
    check(mask)


def test_a_whole_sheet() -> None:
    rows, columns = np.mgrid[:256, :1600]
    check((rows - 128) ** 2 + (columns - 700) ** 2 < 100**2)
